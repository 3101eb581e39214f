// Package listener owns the server side of connections: sockets and where they come from, certificates, the
// client's address, protocols, limits, time-outs and drain, and plain HTTP's way to HTTPS. It knows nothing of
// what is served.
package listener

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/socket"
)

// Spec says how one socket is to listen.
type Spec struct {
	Name    string // what logs call it; the address when empty
	Address string // host:port; an empty host is every address of the machine
	// Certificates make it a TLS listener; nil is plain HTTP.
	Certificates *CertificateStore
	// ProxyFrom are the peers that begin every connection with a PROXY protocol header, at first. Theirs is required,
	// and from nobody else is it looked for.
	ProxyFrom []netip.Prefix
	Limits    Limits
	// Trusted are the peers whose connections are not counted by address, at first and later.
	Trusted *TrustedProxies
	// Counts takes what limits end; nil counts for nobody.
	Counts *Counts
	// Log takes what is wrong with connections; nil drops it.
	Log *slog.Logger
}

// Listener accepts connections as its Spec says. Give it to Serve.
type Listener struct {
	net.Listener
	spec     Spec
	tls      *tls.Config // nil for plain HTTP
	proxies  atomic.Pointer[[]netip.Prefix]
	unproxy  onceEach // peers that were said to send no PROXY header
	arrivals arrivals
	crowd    crowd
	crowded  onceEach // addresses that were said to have too many connections
	burst    *burst
	inherits bool
	closing  sync.Once
	closed   error
}

// Open listens, on a socket that the process inherited for that address where there is one, else on its own.
// Connections are accepted by the system from now on.
func Open(ctx context.Context, spec Spec, inherited *Inherited) (net.Listener, error) {
	l, err := spec.listener()
	if err != nil {
		return nil, err
	}
	spec = l.spec
	if l.Listener, err = inherited.take(spec.Address); err != nil {
		return nil, fmt.Errorf("listener %s: %w", spec.Name, err)
	}
	if l.inherits = l.Listener != nil; l.inherits {
		return l, nil
	}
	if l.Listener, err = new(net.ListenConfig).Listen(ctx, "tcp", spec.Address); err != nil {
		return nil, fmt.Errorf("listener %s: %w", spec.Name, err)
	}
	return l, nil
}

// On accepts the connections of a socket that is open already as a Spec says, whose address does not count.
func On(socket net.Listener, spec Spec) (net.Listener, error) {
	l, err := spec.listener()
	if err != nil {
		return nil, err
	}
	l.Listener = socket
	return l, nil
}

// listener returns what accepts as the Spec says, still without a socket.
func (spec Spec) listener() (*Listener, error) {
	if spec.Name == "" {
		spec.Name = spec.Address
	}
	if spec.Log == nil {
		spec.Log = slog.New(slog.DiscardHandler)
	}
	if spec.Counts == nil {
		spec.Counts = NewCounts()
	}
	spec.Limits = spec.Limits.filled()
	l := &Listener{burst: newBurst()}
	if spec.Certificates != nil {
		l.tls = tlsConfig(spec.Certificates)
	}
	l.spec = spec
	l.SetProxyFrom(spec.ProxyFrom)
	return l, nil
}

// Inherited reports whether the socket came with the process.
func (l *Listener) Inherited() bool { return l.inherits }

// SetProxyFrom changes who begins connections with a PROXY protocol header, from the next connection on.
func (l *Listener) SetProxyFrom(prefixes []netip.Prefix) { l.proxies.Store(&prefixes) }

// TLS reports whether clients speak TLS with it.
func (l *Listener) TLS() bool { return l.tls != nil }

// Close closes the socket, or our share of an inherited one. Only the first call counts.
func (l *Listener) Close() error {
	l.closing.Do(func() { l.closed = l.Listener.Close() })
	return l.closed
}

// Accept returns the next connection that there is room for. It never waits for what a client sends.
func (l *Listener) Accept() (net.Conn, error) {
	for {
		accepted, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if c := l.admit(accepted); c != nil {
			l.arrivals.add(c)
			l.burst.add()
			return c, nil
		}
	}
}

// admit makes a connection ours, or closes it. Nothing is said: before a handshake no word would be understood, and a
// handshake is what whoever opens thousands wants of us.
func (l *Listener) admit(accepted net.Conn) *conn {
	c := &conn{
		Conn: socket.Wrap(accepted), arrival: arrival{in: &l.arrivals}, certificates: l.spec.Certificates,
		limits: l.spec.Limits, counts: l.spec.Counts, crowd: &l.crowd,
		traffic: traffic{writing: writing{began: time.Now()}},
	}
	if !l.crowd.enter(&c.place, c.limits.MaxConnections) {
		l.turnAway(accepted, netip.Addr{}, TooManyConnections)
		return nil
	}
	c.counts.open.Add(1)
	peer := addressOf(accepted.RemoteAddr())
	if l.speaksProxy(peer) {
		c.proxied = &proxyConn{
			Conn: c.Conn, refused: func(err error) { l.warnUnproxied(peer, err) },
			admits: func(client netip.Addr) bool { return l.admitAddress(c, client) },
		}
		c.Conn = c.proxied
		return c
	}
	if !l.admitAddress(c, peer) {
		_ = c.Close()
		return nil
	}
	return c
}

// admitAddress counts a connection under its client's address.
func (l *Listener) admitAddress(c *conn, client netip.Addr) bool {
	if c.trusted = l.spec.Trusted.trusts(client); c.trusted || l.crowd.name(&c.place, client, c.limits.MaxConnectionsPerAddress) {
		return true
	}
	c.refused.Store(true)
	l.turnAway(c.Conn, client, TooManyOfAddress)
	return false
}

// turnAway closes a connection that there is no room for, without the wait of an orderly end.
func (l *Listener) turnAway(c net.Conn, client netip.Addr, why Refusal) {
	l.spec.Counts.connections[why].Add(1)
	if l.crowded.first(client) {
		limit, key := l.spec.Limits.MaxConnectionsPerAddress, "maxConnectionsPerAddress"
		if why == TooManyConnections {
			limit, key = l.spec.Limits.MaxConnections, "maxConnections"
		}
		l.spec.Log.Warn("connections are closed at once because there are too many; if they are wanted, raise limits."+key+" of the listener, or name the proxy that they come from in trustedProxies",
			"listener", l.spec.Name, "client", client, "limit", limit)
	}
	if tcp, ok := c.(interface{ SetLinger(seconds int) error }); ok {
		_ = tcp.SetLinger(0)
	}
	_ = c.Close()
}

func (l *Listener) speaksProxy(peer netip.Addr) bool {
	from := l.proxies.Load()
	return from != nil && contains(*from, peer)
}

func (l *Listener) warnUnproxied(peer netip.Addr, err error) {
	if l.unproxy.first(peer) {
		l.spec.Log.Warn("a connection without a valid PROXY protocol header was closed; let the peer send one, or take it out of proxyProtocol.from",
			"listener", l.spec.Name, "peer", peer, "error", err)
	}
}

func contains(prefixes []netip.Prefix, address netip.Addr) bool {
	for _, prefix := range prefixes {
		if prefix.Contains(address) {
			return true
		}
	}
	return false
}
