// Package extendedconnect has net/http's server offer WebSocket over HTTP/2 (RFC 8441). Importing it does.
//
// net/http decides on that once, when it is initialised, by the environment variable GODEBUG, and by nothing that a
// program could set later or a go:debug directive could say. Of the packages that can be initialised, the language takes
// the first by import path; this one needs only os, which net/http needs too, and its path comes before net/http's.
// It must import nothing else of which net/http could be ready before.
package extendedconnect

import "os"

const (
	variable = "GODEBUG"
	setting  = "http2xconnect=1"
)

var before, wasSet = os.LookupEnv(variable)

func init() {
	with := setting
	if before != "" {
		with = before + "," + setting
	}
	_ = os.Setenv(variable, with) // where it fails, there is no WebSocket over HTTP/2
}

// Restore makes the environment what it was, for the programs that this one starts. Call it when net/http has been
// initialised.
func Restore() {
	if wasSet {
		_ = os.Setenv(variable, before) // it was set before
		return
	}
	_ = os.Unsetenv(variable) // a variable that is set can be unset
}
