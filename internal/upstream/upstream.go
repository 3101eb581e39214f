// Package upstream owns the ways to the applications: their addresses, which of them a request goes to, the
// connections kept to each, how its certificate is verified, and what is wrong when that fails. It forwards nothing by
// itself (enforcement/reverseproxy does) and does not know whose application it is.
package upstream

import (
	"errors"
	"fmt"
	"log/slog"
	"math/bits"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"sync/atomic"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/upstream/http1"
)

// Upstream is one application as the gate reaches it.
type Upstream struct {
	Scheme string // of the requests that RoundTrip takes: http (also for h2c) or https
	// Address is HOST:PORT, that of the first of several addresses: what stands in the URL of a request. Where the
	// request goes is another matter.
	Address string
	Host    string // replaces the Host header; empty keeps the client's
	// Problem is why the application cannot be reached at all, such as a file that cannot be read. Every request
	// fails with it. Nil when all is well.
	Problem error

	h2c         bool
	multiplexed bool       // many requests may share a connection: HTTP/2, which net/http speaks
	addresses   []*address // none where there is a problem
	timeouts    Timeouts
	now         func() time.Time
	log         *slog.Logger
	panicking   atomic.Bool // unhealthy addresses get requests
}

// errNoUpgrade is what somebody who asks for a WebSocket over h2c is told in the log.
var errNoUpgrade = errors.New("a WebSocket was asked for, and h2c has none: make the upstream http:// or https://")

// Outgoing is what a request is sent with that http.Request has as a map, or nowhere.
type Outgoing = http1.Outgoing

// Send sends one request to one of the addresses, with the header of o in the place of its own; to another one if it
// cannot be connected to, since nothing of the request was sent then. That an idle connection ends as a request leaves is the transports' affair: they send it
// again where it has no body and its method may be repeated. Its errors say what to do about them where that is known,
// and Answer what to tell the client.
func (u *Upstream) Send(r *http.Request, o Outgoing) (*http.Response, error) {
	if u.Problem != nil {
		return nil, u.refuse(r, u.Problem)
	}
	if u.multiplexed {
		r = whole(r, o)
		if u.h2c && len(r.Header["Upgrade"]) > 0 {
			return nil, u.refuse(r, errNoUpgrade)
		}
	}
	w := u.watch(r)
	if w == nil {
		return u.send(r, o, nil)
	}
	response, err := u.send(w.request, o, w)
	if err != nil {
		w.failed()
	}
	return response, err
}

// send tries addresses until one of them takes the request. w is nil for most requests.
func (u *Upstream) send(r *http.Request, o Outgoing, w *watch) (*http.Response, error) {
	a, at := u.choose(0)
	if a == nil {
		return nil, u.refuse(r, u.unavailable())
	}
	response, err := a.roundTrip(r, o, w)
	if err == nil || len(u.addresses) == 1 {
		return response, err
	}
	err = fmt.Errorf("%s: %w", a.hostport, err)
	// Connections that are refused cost no time. Where they are not answered, a person waits for two at most.
	tried, failed := uint64(1)<<at, u.now()
	for notSent(err) && r.Context().Err() == nil && w.mayOfferAgain() && u.now().Sub(failed) < u.timeouts.Connect {
		if a, at = u.choose(tried); a == nil {
			break
		}
		tried |= 1 << at
		if response, err = a.roundTrip(r, o, w); err == nil {
			return response, nil
		}
		err = fmt.Errorf("%s: %w", a.hostport, err)
	}
	if count := bits.OnesCount64(tried); count > 1 {
		err = fmt.Errorf("%d addresses were tried; the last: %w", count, err)
	}
	return nil, err
}

// whole makes what transports of net/http take of a request.
func whole(r *http.Request, o Outgoing) *http.Request {
	sent := r.WithContext(httptrace.WithClientTrace(r.Context(), &httptrace.ClientTrace{
		Got1xxResponse: func(code int, header textproto.MIMEHeader) error { return o.Inform(code, http.Header(header)) },
	}))
	sent.Header = http.Header{}
	for name, values := range o.Fields {
		switch name {
		case "Idempotency-Key", "X-Idempotency-Key": // net/http sends a POST without a body again that has one. It looks for this spelling.
			name = strings.ToLower(name)
		}
		sent.Header[name] = values
	}
	return sent
}

// refuse ends a request that is not sent. A RoundTripper closes the body in any case.
func (u *Upstream) refuse(r *http.Request, err error) error {
	if r.Body != nil {
		_ = r.Body.Close() // the body of a request to a server: nothing can fail
	}
	return err
}
