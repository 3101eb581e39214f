package listener

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
)

// conn is a connection with what is known about it before its first request.
type conn struct {
	net.Conn
	proxied      *proxyConn        // nil when the peer sends no PROXY header
	certificates *CertificateStore // nil for plain HTTP
	arrival      arrival
	limits       Limits
	counts       *Counts
	crowd        *crowd
	place        place
	peer         peer
	trusted      bool        // the peer is a trusted proxy, which stands for many clients
	refused      atomic.Bool // ended for a limit
	unanswered   []byte      // was read already, and is to be read again
	traffic
	// presented is the certificate that the handshake chose, asked the host that it was for, and demanded the lowest
	// version of TLS in which it could succeed. Requests come after the handshake, on goroutines that it starts.
	presented *certificate
	asked     string
	demanded  uint16
}

type connKey struct{}

// withConn puts a connection into the context of its requests, once for all of them.
func withConn(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, plain(c))
}

// plain returns the connection that TLS is spoken over.
func plain(c net.Conn) net.Conn {
	if secured, ok := c.(*tls.Conn); ok {
		return secured.NetConn()
	}
	return c
}

// connOf returns the connection that a request came over, or nil when Serve did not serve it.
func connOf(r *http.Request) *conn {
	c, _ := r.Context().Value(connKey{}).(*conn)
	return c
}

// peerOf returns who is at the other end of a request's connection, past a load balancer that says so in the
// PROXY protocol. The second result is false where nobody is known well enough to be believed.
func peerOf(r *http.Request) (netip.Addr, bool) {
	c := connOf(r)
	if c == nil {
		peer, err := netip.ParseAddrPort(r.RemoteAddr)
		return peer.Addr().Unmap(), err == nil
	}
	c.peer.once.Do(func() {
		c.peer.address = addressOf(c.RemoteAddr())
		c.peer.known = c.peer.address.IsValid() && (c.proxied == nil || c.proxied.known())
	})
	return c.peer.address, c.peer.known
}

// peer is who is at the other end of a connection, once somebody has asked.
type peer struct {
	once    sync.Once
	address netip.Addr
	known   bool
}

// addressOf returns the address alone; the zero one for sockets that have none.
func addressOf(address net.Addr) netip.Addr {
	tcp, ok := address.(*net.TCPAddr)
	if !ok {
		return netip.Addr{}
	}
	return tcp.AddrPort().Addr().Unmap().WithZone("")
}

// IAP's error codes for a Host that does not belong on its connection (421).
const (
	CodeOtherConnection = 51 // another connection would do: its certificate or its settings
	CodeNoCertificate   = 52 // no certificate of ours names the host
)

// HostCode returns why a canonical host may not be asked for over the connection of a request: one of IAP's
// codes, or 0 where it may. Without TLS of ours everything may. A browser reuses a connection for every host that
// its certificate names, so that certificate counts and not the name of the handshake; but not for a host whose
// own handshake would have demanded more.
func HostCode(r *http.Request, host string) int {
	c := connOf(r)
	if c == nil || c.presented == nil {
		return 0
	}
	set := c.certificates.set.Load()
	if !c.presented.covers(host) {
		if set.named(host) == nil {
			return CodeNoCertificate
		}
		return CodeOtherConnection
	}
	if set.uniform || host == c.asked {
		return 0
	}
	if own, known := set.demands(host); known && own != c.demanded {
		return CodeOtherConnection
	}
	return 0
}
