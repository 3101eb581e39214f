package conformance

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// ClientConfig says how servers are reached.
type ClientConfig struct {
	Timeout  time.Duration  // for a whole exchange; 0 means 10 seconds
	Roots    *x509.CertPool // nil: the system's
	Insecure bool           // do not verify certificates: whoever answers is believed
	// Proxy is nil for the application, which is asked directly: a proxy on the way may delete what a probe consists of.
	Proxy func(*http.Request) (*url.URL, error)
}

// NewClient returns a client as probes need it: HTTP/1.1, in which header names keep their spelling, and HTTP/2 toward
// servers that speak nothing else (over TLS, or with prior knowledge: h2c); no redirect is followed; nothing is
// decompressed; and *.localhost is this machine, as in browsers.
func NewClient(config ClientConfig) *http.Client {
	if config.Timeout == 0 {
		config.Timeout = 10 * time.Second
	}
	var first, second http.Protocols
	first.SetHTTP1(true)
	second.SetHTTP2(true)
	second.SetUnencryptedHTTP2(true)
	return &http.Client{
		Timeout:       config.Timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport:     &transport{first: config.transport(&first), second: config.transport(&second)},
	}
}

func (c ClientConfig) transport(protocols *http.Protocols) *http.Transport {
	dialer := &net.Dialer{Timeout: c.Timeout}
	return &http.Transport{
		Proxy:              c.Proxy,
		Protocols:          protocols,
		DisableCompression: true,
		DisableKeepAlives:  true, // no probe meets what another has left on a connection
		TLSClientConfig: &tls.Config{
			RootCAs: c.Roots, InsecureSkipVerify: c.Insecure, MinVersion: tls.VersionTLS12,
		},
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			host, port, err := net.SplitHostPort(address)
			if err == nil && (host == "localhost" || strings.HasSuffix(host, ".localhost")) {
				return dialLocal(ctx, dialer, network, port)
			}
			return dialer.DialContext(ctx, network, address)
		},
	}
}

// transport speaks HTTP/1.1, until a server that has never answered in it turns out to speak HTTP/2 only.
type transport struct {
	first, second *http.Transport
	known         sync.Map // by scheme and host: the transport in which it has answered
}

// RoundTrip implements http.RoundTripper. Probes have no body, so that each can be sent again.
func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	server := r.URL.Scheme + "://" + r.URL.Host
	if known, found := t.known.Load(server); found {
		return known.(*http.Transport).RoundTrip(r)
	}
	response, err := t.first.RoundTrip(r)
	if err == nil {
		t.known.Store(server, t.first)
		return response, nil
	}
	var unreachable *net.OpError
	if errors.As(err, &unreachable) && unreachable.Op == "dial" || r.Body != nil && r.Body != http.NoBody {
		return nil, err
	}
	response, failed := t.second.RoundTrip(r)
	if failed != nil {
		return nil, err
	}
	t.known.Store(server, t.second)
	return response, nil
}

// dialLocal tries both loopback addresses: an application may listen on one only.
func dialLocal(ctx context.Context, dialer *net.Dialer, network, port string) (net.Conn, error) {
	conn, err := dialer.DialContext(ctx, network, net.JoinHostPort("127.0.0.1", port))
	if err == nil {
		return conn, nil
	}
	if six, failed := dialer.DialContext(ctx, network, net.JoinHostPort("::1", port)); failed == nil {
		return six, nil
	}
	return nil, err
}
