//go:build !linux && !darwin

package main

import "os"

// isTerminal is false here: passwords come from stdin, and nothing is shown that was not shown anyway.
func isTerminal(*os.File) bool { return false }

func withoutEcho(_ *os.File, f func() error) error { return f() }
