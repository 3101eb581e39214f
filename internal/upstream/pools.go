package upstream

import (
	"fmt"
	"net"
	"net/http"
	"time"
)

// Pools are the upstreams in use by configuration. Only the snapshot's builder uses it, from one goroutine.
type Pools struct {
	open map[Config]*pool
	kept map[Config]error // why what the files hold now is not in use; the upstream is the one before
}

// pool is an upstream with what its files held when they were read.
type pool struct {
	upstream *Upstream
	digest   digest
}

// Keep returns the upstreams for the wanted configurations, which are canonical, with the pools that are open
// already, and closes the idle connections of those that nobody wants any more. Exchanges under way on them go on
// to their end. An upstream that cannot be used is there all the same, with its Problem.
func (p *Pools) Keep(wanted map[Config]struct{}) map[Config]*Upstream {
	upstreams := make(map[Config]*Upstream, len(wanted))
	next := make(map[Config]*pool, len(wanted))
	for config := range wanted {
		kept, found := p.open[config]
		if !found {
			kept = newPool(config)
		}
		next[config], upstreams[config] = kept, kept.upstream
	}
	for config, old := range p.open {
		if _, kept := next[config]; !kept {
			old.close()
			delete(p.kept, config)
		}
	}
	p.open = next
	return upstreams
}

// Problems are why upstreams cannot be used, or not as their files are now; nil when all is well.
func (p *Pools) Problems() (problems map[Config]error) {
	note := func(config Config, err error) {
		if problems == nil {
			problems = map[Config]error{}
		}
		problems[config] = err
	}
	for config, pool := range p.open {
		if pool.upstream.Problem != nil {
			note(config, fmt.Errorf("requests are answered with 502: %w", pool.upstream.Problem))
		} else if err := p.kept[config]; err != nil {
			note(config, fmt.Errorf("it stays as it was: %w", err))
		}
	}
	return problems
}

// Reload reads the files of all upstreams again and returns the upstreams that take the places of others: those
// whose files hold something else by now. Where they cannot be used any more, the upstream stays as it was, and the
// reason is in problems. A new one of the same kind replaces an upstream that has a Problem.
func (p *Pools) Reload() (changed map[Config]*Upstream, problems map[Config]error) {
	changed, problems = map[Config]*Upstream{}, map[Config]error{}
	for config, old := range p.open {
		if len(config.Files()) == 0 {
			continue
		}
		fresh := newPool(config)
		if problem := fresh.upstream.Problem; problem != nil {
			problems[config] = problem
			if old.upstream.Problem == nil {
				continue
			}
		} else if fresh.digest == old.digest && old.upstream.Problem == nil {
			continue
		}
		p.open[config], changed[config] = fresh, fresh.upstream
		old.close()
	}
	p.kept = problems
	return changed, problems
}

func (p *pool) close() {
	if p.upstream.Transport != nil {
		p.upstream.Transport.CloseIdleConnections()
	}
}

// newPool makes the upstream of a configuration. It connects to nothing yet.
func newPool(config Config) *pool {
	scheme, address, err := split(config.URL)
	if err != nil {
		return &pool{upstream: &Upstream{Scheme: "http", Address: config.URL, Problem: err}}
	}
	u := &Upstream{Scheme: scheme, Address: address, Host: config.Host}
	tlsConfig, sum, err := load(config)
	if err != nil {
		u.Problem = err
		return &pool{upstream: u}
	}
	protocols := new(http.Protocols)
	switch scheme {
	case "h2c":
		u.Scheme, u.h2c = "http", true
		protocols.SetUnencryptedHTTP2(true)
	case "https":
		protocols.SetHTTP1(true)
		protocols.SetHTTP2(true) // by ALPN; WebSocket always goes over HTTP/1.1
	default:
		protocols.SetHTTP1(true)
	}
	u.Transport = &http.Transport{
		Protocols:           protocols,
		TLSClientConfig:     tlsConfig,
		TLSHandshakeTimeout: 10 * time.Second,
		DialContext:         (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		DisableCompression:  true, // bodies pass as they are
		// A client that asks whether to send its body (100-continue) is told when the application says so. Some say
		// nothing and wait.
		ExpectContinueTimeout: time.Second,
		// Shorter than the five seconds after which Node closes an idle connection: a request must not be sent
		// into one that is just being closed.
		IdleConnTimeout:     4 * time.Second,
		MaxIdleConns:        0,
		MaxIdleConnsPerHost: 256,
		WriteBufferSize:     16 << 10,
		ReadBufferSize:      16 << 10,
		// A connection that is shared by many streams must not be waited on for ever once its other end is gone.
		HTTP2: &http.HTTP2Config{SendPingTimeout: 15 * time.Second, PingTimeout: 15 * time.Second},
	}
	return &pool{upstream: u, digest: sum}
}
