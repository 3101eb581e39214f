// Package upstream owns the connection pools toward the applications. It forwards nothing by itself
// (enforcement/reverseproxy does).
package upstream

import (
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"
)

// Config is the canonical configuration of an upstream; equal configurations share one pool.
type Config struct {
	URL  string // http://HOST:PORT
	Host string // replaces the Host header; empty keeps the client's
}

// Upstream is one application as the gate reaches it.
type Upstream struct {
	Address string // HOST:PORT
	Host    string // replaces the Host header; empty keeps the client's
	// Transport keeps the connections. It follows no redirect and knows no proxy.
	Transport *http.Transport
}

// Pools are the upstreams in use by configuration. Only the snapshot's builder uses it, from one goroutine.
type Pools struct {
	open map[Config]*Upstream
}

// Keep returns the upstreams for the wanted configurations, with the pools that are open already, and closes
// the idle connections of those that nobody wants any more. Exchanges under way on them go on to their end.
func (p *Pools) Keep(wanted map[Config]struct{}) (map[Config]*Upstream, error) {
	next := make(map[Config]*Upstream, len(wanted))
	for config := range wanted {
		if existing, found := p.open[config]; found {
			next[config] = existing
			continue
		}
		fresh, err := dial(config)
		if err != nil {
			return nil, err
		}
		next[config] = fresh
	}
	for config, existing := range p.open {
		if _, kept := next[config]; !kept {
			existing.Transport.CloseIdleConnections()
		}
	}
	p.open = next
	return next, nil
}

func dial(config Config) (*Upstream, error) {
	u, err := url.Parse(config.URL)
	if err != nil || u.Scheme != "http" || u.Host == "" {
		return nil, fmt.Errorf("upstream %q is not http://HOST:PORT", config.URL)
	}
	address := u.Host
	if u.Port() == "" {
		address = net.JoinHostPort(u.Hostname(), "80")
	}
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	return &Upstream{Address: address, Host: config.Host, Transport: &http.Transport{
		Protocols:          protocols,
		DialContext:        (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		DisableCompression: true, // bodies pass as they are
		// Shorter than the five seconds after which Node closes an idle connection: a request must not be sent
		// into one that is just being closed.
		IdleConnTimeout:     4 * time.Second,
		MaxIdleConns:        0,
		MaxIdleConnsPerHost: 256,
		WriteBufferSize:     16 << 10,
		ReadBufferSize:      16 << 10,
	}}, nil
}
