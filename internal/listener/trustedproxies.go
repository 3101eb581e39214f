package listener

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
)

// TrustedProxies knows which peers may say whom a request comes from. Nobody else's word about that counts. The
// nil value trusts nobody.
type TrustedProxies struct {
	prefixes atomic.Pointer[[]netip.Prefix]
	log      *slog.Logger
	warned   onceEach
}

// NewTrustedProxies returns the set that believes peers in prefixes. To log, nil for nowhere, it says once for
// each address who else sends forwarding headers, since that may be a proxy that was forgotten.
func NewTrustedProxies(prefixes []netip.Prefix, log *slog.Logger) *TrustedProxies {
	t := &TrustedProxies{log: log}
	t.Set(prefixes)
	return t
}

// Set changes who is believed, from the next request on.
func (t *TrustedProxies) Set(prefixes []netip.Prefix) { t.prefixes.Store(&prefixes) }

// trusts reports whether a peer is a trusted proxy.
func (t *TrustedProxies) trusts(peer netip.Addr) bool {
	return t != nil && contains(*t.prefixes.Load(), peer)
}

// Client is where a request comes from, past trusted proxies.
type Client struct {
	// Addr is the client's address; not valid where the connection has none.
	Addr netip.Addr
	// Scheme is the one that the client used, "http" or "https"; empty on plain HTTP where no trusted proxy
	// says.
	Scheme string
	// Host is the client's, with its port. It is as little checked as Host itself.
	Host string
	// Trusted says that the peer is a trusted proxy.
	Trusted bool
	// Via are the trusted proxies on the way, the peer first.
	Via []netip.Addr
}

// ErrForwarded reports that a trusted proxy's headers cannot be read, or contradict each other.
var ErrForwarded = errors.New("what the trusted proxy says about the client cannot be used")

// Client returns where a request comes from. Its error wraps ErrForwarded, and then the request must be refused.
func (t *TrustedProxies) Client(r *http.Request) (Client, error) {
	peer, known := peerOf(r)
	c := Client{Addr: peer, Host: r.Host}
	if r.TLS != nil {
		c.Scheme = "https"
	}
	if t == nil || !known {
		return c, nil
	}
	prefixes := *t.prefixes.Load()
	if !contains(prefixes, peer) {
		t.warnUntrusted(peer, r.Header)
		return c, nil
	}
	c.Trusted = true
	said, err := readClaims(r.Header, peer, prefixes)
	if err != nil {
		return c, fmt.Errorf("%w: %w", ErrForwarded, err)
	}
	c.Addr, c.Via = said.addr, said.via
	if said.scheme != "" {
		c.Scheme = said.scheme
	}
	if said.host != "" {
		c.Host = said.host
	}
	return c, nil
}

// warnUntrusted names a peer that behaves like a proxy, and how it would become one.
func (t *TrustedProxies) warnUntrusted(peer netip.Addr, h http.Header) {
	if t.log == nil {
		return
	}
	header := forwardingHeader(h)
	if header == "" || !t.warned.first(peer) {
		return
	}
	t.log.Warn("forwarding headers from a peer that is no trusted proxy are ignored; if it is a proxy of yours, add its address",
		"peer", peer, "header", header, "add", fmt.Sprintf("trustedProxies: [%s]", hostPrefix(peer)))
}

func hostPrefix(address netip.Addr) string {
	return netip.PrefixFrom(address, address.BitLen()).String()
}

// The headers by which proxies speak, in canonical form.
const (
	headerFor       = "X-Forwarded-For"
	headerProto     = "X-Forwarded-Proto"
	headerHost      = "X-Forwarded-Host"
	headerForwarded = "Forwarded"
)

// forwardingHeader returns the first forwarding header that is there.
func forwardingHeader(h http.Header) string {
	for _, name := range [...]string{headerFor, headerProto, headerHost, headerForwarded} {
		if _, found := h[name]; found {
			return name
		}
	}
	return ""
}

// claims are what headers say about the client. Empty fields are not said.
type claims struct {
	addr         netip.Addr
	via          []netip.Addr
	scheme, host string
}

// readClaims joins what X-Forwarded-* and Forwarded say. A proxy that sets one kind and passes the other on
// unread would let clients speak for it: where the two differ, neither counts.
func readClaims(h http.Header, peer netip.Addr, prefixes []netip.Prefix) (claims, error) {
	x, xFor, err := readXForwarded(h, peer, prefixes)
	if err != nil {
		return claims{}, err
	}
	if h[headerForwarded] == nil {
		return x, nil
	}
	f, fFor, err := readForwarded(h[headerForwarded], peer, prefixes)
	switch {
	case err != nil:
		return claims{}, err
	case xFor && fFor && x.addr != f.addr:
		return claims{}, fmt.Errorf("X-Forwarded-For and Forwarded name different clients, %s and %s", x.addr, f.addr)
	case x.scheme != "" && f.scheme != "" && x.scheme != f.scheme:
		return claims{}, errors.New("X-Forwarded-Proto and Forwarded differ")
	case x.host != "" && f.host != "" && !strings.EqualFold(x.host, f.host):
		return claims{}, errors.New("X-Forwarded-Host and Forwarded differ")
	}
	if !xFor {
		x.addr, x.via = f.addr, f.via
	}
	if x.scheme == "" {
		x.scheme = f.scheme
	}
	if x.host == "" {
		x.host = f.host
	}
	return x, nil
}
