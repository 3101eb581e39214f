package upstream

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/upstream/http1"
)

// transport keeps the connections to one address. It follows no redirect and knows no proxy. A request that is
// canceled ends within some milliseconds, whether its answer has begun or not. An error with Timeout says that the answer did not begin in
// time, unless it is of dial. What it sends a second time has no body and, over HTTP/1.1, a method that may be repeated.
type transport interface {
	http.RoundTripper
	CloseIdleConnections()
}

const (
	// idleTimeout is shorter than the five seconds after which Node closes an idle connection: a request must not be
	// sent into one that is just being closed.
	idleTimeout = 4 * time.Second
	maxIdle     = 256
	// continueTimeout is how long a client that asks whether to send its body (100-continue) waits for the application
	// to say so. Some applications say nothing and wait.
	continueTimeout = time.Second
)

// newTransport makes what keeps the connections to an address: it dials nothing else, whatever the URL of a request
// says. TLS is nil for other schemes than https.
func newTransport(scheme string, dial dialer, secure *tls.Config, t Timeouts) transport {
	protocols := new(http.Protocols)
	switch scheme {
	case "h2c":
		protocols.SetUnencryptedHTTP2(true)
	case "https":
		protocols.SetHTTP1(true)
		protocols.SetHTTP2(true) // by ALPN; WebSocket always goes over HTTP/1.1
	default:
		return &http1.Transport{Dial: dial, FirstByte: t.FirstByte, Continue: continueTimeout, Idle: idleTimeout, MaxIdle: maxIdle}
	}
	return &http.Transport{
		Protocols:             protocols,
		TLSClientConfig:       secure,
		TLSHandshakeTimeout:   t.Connect,
		ResponseHeaderTimeout: t.FirstByte,
		DialContext:           dial,
		DisableCompression:    true, // bodies pass as they are
		ExpectContinueTimeout: continueTimeout,
		IdleConnTimeout:       idleTimeout,
		MaxIdleConns:          0,
		MaxIdleConnsPerHost:   maxIdle,
		// An answer may have as long a header as over plain HTTP/1.1, and not the ten mebibytes of net/http.
		MaxResponseHeaderBytes: http1.MaxHead,
		WriteBufferSize:        16 << 10,
		ReadBufferSize:         16 << 10,
		// A connection that is shared by many streams must not be waited on for ever once its other end is gone.
		HTTP2: &http.HTTP2Config{SendPingTimeout: 15 * time.Second, PingTimeout: 15 * time.Second},
	}
}

// dialer connects to its one address; it has the form that transports ask for.
type dialer func(ctx context.Context, network, address string) (net.Conn, error)
