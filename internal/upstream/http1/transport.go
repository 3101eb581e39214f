// Package http1 is a round trip for plain HTTP/1.1 without a goroutine per connection: the caller's goroutine writes
// the request and reads the answer. It is strict about answers; whatever it accepts, http.Transport understands in the
// same way (decision 0015). TLS, HTTP/2 and proxies are not its business.
package http1

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"syscall"
	"time"
)

// Transport sends requests to applications over connections that it keeps. It is an http.RoundTripper as http.Transport
// is one, less what the package does not do: Got1xxResponse is the one hook of httptrace that it calls.
type Transport struct {
	// Dial connects to the host and port of a request's URL. What it returns is used without TLS, and past its methods
	// where it is a syscall.Conn.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// FirstByte bounds the time from the end of a request to the end of its answer's header; 0 does not.
	FirstByte time.Duration
	// Continue is how long a request that expects 100-continue waits for it before its body is sent all the same.
	Continue time.Duration
	// Idle is how long a connection is kept that nobody uses, and MaxIdle how many are.
	Idle    time.Duration
	MaxIdle int

	idle idlePool
}

// errClosed is a connection that ended before anything of an answer came.
var errClosed = errors.New("the application closed the connection before it answered")

// RoundTrip implements http.RoundTripper.
func (t *Transport) RoundTrip(r *http.Request) (*http.Response, error) { return t.Send(r, Whole{r}) }

// Send sends one request, with the header of o in the place of its own. It is sent again, on another connection, only if
// it went to an idle connection that the application was just closing: when nothing of it was written, or when it has no
// body and a method that may be repeated, and no byte of an answer came.
func (t *Transport) Send(r *http.Request, o Outgoing) (*http.Response, error) {
	head := takeHead()
	defer head.give()
	if err := head.write(r, o); err != nil {
		closeBody(r)
		return nil, err
	}
	if r.Context().Err() != nil {
		closeBody(r)
		return nil, context.Cause(r.Context())
	}
	for {
		c, now, err := t.connect(r)
		if err != nil {
			closeBody(r)
			return nil, err
		}
		x := newExchange(t, c, r, o)
		x.expects = t.Continue > 0 && bodyLength(r) != 0 && head.expects
		response, err := x.run(head.bytes, now)
		if err != nil && x.mayGoAgain(err) {
			_ = x.fail(err) // the next attempt counts
			continue
		}
		if x.sender == nil { // which closes it
			closeBody(r)
		}
		if err != nil {
			return nil, x.fail(err)
		}
		return response, nil
	}
}

// CloseIdleConnections closes the connections that nobody uses.
func (t *Transport) CloseIdleConnections() { t.idle.closeAll() }

// connect returns a connection that nobody else uses, and the time.
func (t *Transport) connect(r *http.Request) (*conn, time.Duration, error) {
	now := clock()
	if r.URL.Scheme != "http" {
		return nil, now, fmt.Errorf("a request to %q, where only plain HTTP is spoken", r.URL.Scheme)
	}
	if c := t.idle.take(r.URL.Host, now-t.Idle); c != nil {
		return c, now, nil
	}
	dialled, err := t.Dial(r.Context(), "tcp", r.URL.Host)
	if err != nil {
		return nil, now, err
	}
	return newConn(dialled, r.URL.Host), clock(), nil
}

// keep takes a connection back on which nothing is under way. One that cannot be asked whether it is silent is not
// used again.
func (t *Transport) keep(c *conn) {
	if c.raw == nil {
		_ = c.Close() // all that was wanted of it has been read
		return
	}
	c.reused, c.since = true, clock()
	t.idle.put(c, t.Idle, t.MaxIdle)
}

func closeBody(r *http.Request) {
	if r.Body != nil {
		_ = r.Body.Close() // whoever gave it hears of the round trip
	}
}

// isGone reports whether an error of a connection is its other end's going.
func isGone(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, errStale) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

func isTimeout(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }
