package conformance

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"net/url"
	"strings"
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

// NewClient returns a client as probes need it: HTTP/1.1, in which header names keep their spelling; no redirect is
// followed; nothing is decompressed; and *.localhost is this machine, as in browsers.
func NewClient(config ClientConfig) *http.Client {
	if config.Timeout == 0 {
		config.Timeout = 10 * time.Second
	}
	dialer := &net.Dialer{Timeout: config.Timeout}
	return &http.Client{
		Timeout:       config.Timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			Proxy:              config.Proxy,
			DisableCompression: true,
			DisableKeepAlives:  true, // no probe meets what another has left on a connection
			TLSNextProto:       map[string]func(string, *tls.Conn) http.RoundTripper{},
			TLSClientConfig: &tls.Config{
				RootCAs: config.Roots, InsecureSkipVerify: config.Insecure, MinVersion: tls.VersionTLS12,
			},
			DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
				host, port, err := net.SplitHostPort(address)
				if err == nil && (host == "localhost" || strings.HasSuffix(host, ".localhost")) {
					return dialLocal(ctx, dialer, network, port)
				}
				return dialer.DialContext(ctx, network, address)
			},
		},
	}
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
