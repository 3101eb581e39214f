// Package upstream owns the connection pools toward the applications: how one is reached over http, https or h2c,
// how its certificate is verified, and what is wrong when that fails. It forwards nothing by itself
// (enforcement/reverseproxy does) and does not know whose application it is.
package upstream

import (
	"errors"
	"net/http"
)

// Upstream is one application as the gate reaches it.
type Upstream struct {
	Scheme  string // of the requests that Transport takes: http (also for h2c) or https
	Address string // HOST:PORT
	Host    string // replaces the Host header; empty keeps the client's
	// Transport keeps the connections. It follows no redirect and knows no proxy.
	Transport Transport
	// Problem is why the application cannot be reached at all, such as a file that cannot be read. Every request
	// fails with it. Nil when all is well.
	Problem error

	h2c bool
}

// Transport keeps the connections to an application.
type Transport interface {
	http.RoundTripper
	CloseIdleConnections()
}

// errNoUpgrade is what somebody who asks for a WebSocket over h2c is told in the log.
var errNoUpgrade = errors.New("a WebSocket was asked for, and h2c has none: make the upstream http:// or https://")

// RoundTrip sends one request. Its errors say what to do about them where that is known.
func (u *Upstream) RoundTrip(r *http.Request) (*http.Response, error) {
	if u.Problem != nil {
		return nil, u.refuse(r, u.Problem)
	}
	if u.h2c && len(r.Header["Upgrade"]) > 0 {
		return nil, u.refuse(r, errNoUpgrade)
	}
	response, err := u.Transport.RoundTrip(r)
	if err != nil {
		return nil, explain(err, u.Scheme == "https")
	}
	return response, nil
}

// refuse ends a request that is not sent. A RoundTripper closes the body in any case.
func (u *Upstream) refuse(r *http.Request, err error) error {
	if r.Body != nil {
		_ = r.Body.Close() // the body of a request to a server: nothing can fail
	}
	return err
}
