package upstream

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/upstream/http1"
)

// address is one place where an application is, with its connections and what is known of it. Upstreams whose
// configurations differ in nothing but their other addresses share it.
type address struct {
	url       string // SCHEME://HOST:PORT
	hostport  string
	secure    bool // https
	h2c       bool
	timeouts  Timeouts
	transport transport
	digest    digest
	now       func() time.Time
	log       *slog.Logger

	inFlight atomic.Int64
	circuit  circuit
	health   health
	stop     context.CancelFunc // of its health check; nil where none is under way
}

// newAddress makes the address of a configuration that names one. It connects to nothing yet.
func (p *Pools) newAddress(config Config) (*address, error) {
	scheme, hostport, err := split(config.URL)
	if err != nil {
		return nil, err
	}
	secure, sum, err := load(config)
	if err != nil {
		return nil, err
	}
	a := &address{
		url: config.URL, hostport: hostport, secure: scheme == "https", h2c: scheme == "h2c", timeouts: config.Timeouts, digest: sum, now: p.now(), log: p.log(),
	}
	a.health.check = config.HealthCheck
	if config.HealthCheck.Host == "" {
		a.health.check.Host = config.Host
	}
	if secure != nil {
		// The handshake has succeeded, as far as the client can tell.
		secure.VerifyConnection = func(tls.ConnectionState) error { a.connected(); return nil }
	}
	a.transport = newTransport(scheme, a.dial, secure, config.Timeouts)
	return a, nil
}

// slowConnect is how long a client must have waited for a connection for its leaving to count as a failure to connect:
// people are less patient than Timeouts.Connect.
const slowConnect = time.Second

// dial connects to the address, whatever the name that is asked for.
func (a *address) dial(ctx context.Context, network, _ string) (net.Conn, error) {
	began := time.Now()
	d := net.Dialer{Timeout: a.timeouts.Connect, KeepAlive: 30 * time.Second}
	conn, err := d.DialContext(ctx, network, a.hostport)
	switch {
	case err == nil:
		if !a.secure {
			a.connected()
		}
		return conn, nil
	case ctx.Err() != nil, isTimeout(err) && time.Since(began) < a.timeouts.Connect: // by itself, that says nothing
		if time.Since(began) >= slowConnect {
			a.failed(a.timeout("could not be connected to", settingConnect, a.timeouts.Connect))
		}
		if ctx.Err() == nil { // the dialer keeps its deadline a moment earlier
			err = context.DeadlineExceeded
		}
		return nil, err
	case isTimeout(err):
		err = a.timeout("could not be connected to", settingConnect, a.timeouts.Connect)
	}
	a.failed(err)
	return nil, &connectError{err}
}

const notBegun = "did not begin its answer"

func (a *address) timeout(what, setting string, limit time.Duration) *TimeoutError {
	return &TimeoutError{Address: a.hostport, Setting: setting, Limit: limit, what: what}
}

// roundTrip sends a request to the address. It counts as under way until the body of its answer is closed.
func (a *address) roundTrip(r *http.Request, o Outgoing, w *watch) (*http.Response, error) {
	a.inFlight.Add(1)
	if w != nil {
		w.at(a)
	}
	if r.URL.Host != a.hostport { // by which transports find their connections
		sent, url := *r, *r.URL
		url.Host = a.hostport
		sent.URL = &url
		r = &sent
	}
	response, err := a.send(r, o)
	if err != nil {
		a.inFlight.Add(-1)
		return nil, a.explain(r, err)
	}
	if !a.circuit.closed() { // an idle connection was left: the address works
		a.connected()
	}
	if w != nil {
		w.answered(a, response)
	}
	response.Body = a.follow(response.Body, w)
	return response, nil
}

func (a *address) send(r *http.Request, o Outgoing) (*http.Response, error) {
	if t, plain := a.transport.(*http1.Transport); plain {
		return t.Send(r, o)
	}
	return a.transport.RoundTrip(r) // it is whole
}

// explain makes an error of a transport one that says what to do.
func (a *address) explain(r *http.Request, err error) error {
	var ours *TimeoutError
	var dialed *connectError
	switch {
	case r.Context().Err() != nil, errors.Is(err, context.DeadlineExceeded):
		switch why := context.Cause(r.Context()); { // it may have been us who gave up
		case errors.As(why, &ours):
			return ours
		case why == errNotTaken:
			return why
		}
		return err
	case errors.As(err, &dialed): // and dial has counted it
	case handshakeTimeout(err):
		err = &connectError{a.timeout("did not finish the TLS handshake", settingConnect, a.timeouts.Connect)}
		a.failed(err)
	case refusedHandshake(err):
		err = &connectError{err}
		a.failed(err)
	case isTimeout(err):
		return a.timeout(notBegun, settingFirstByte, a.timeouts.FirstByte)
	}
	return explain(err, a.secure)
}

func (a *address) connected() {
	if a.circuit.connected() {
		a.log.Info("an address of an application can be connected to again", "upstream", a.url)
	}
}

func (a *address) failed(err error) {
	if isOurs(err) {
		return
	}
	if a.circuit.failed(a.now(), isTimeout(err)) {
		a.log.Warn("an address of an application cannot be connected to; nothing is sent to it until an attempt succeeds",
			"upstream", a.url, "failures", circuitThreshold, "error", err)
	}
}
