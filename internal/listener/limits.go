package listener

import (
	"net/http"
	"time"
)

// Limits bound what clients of a listener may take. A zero size, time or number of streams is the default's; a zero
// number of connections is no limit.
type Limits struct {
	// MaxHeaderBytes bounds the header of a request, and MaxURLBytes the target in it; Oversized says which is passed.
	MaxHeaderBytes, MaxURLBytes int
	// HeaderTimeout is how long a handshake, and then a header, may take.
	HeaderTimeout time.Duration
	// IdleTimeout is how long a connection is kept on which nothing is under way.
	IdleTimeout time.Duration
	// BodyTimeout is how long a body that an application waits for may stand still.
	BodyTimeout time.Duration
	// SendTimeout is how long a client may leave untaken what is sent to it.
	SendTimeout time.Duration
	// MaxStreams is how many requests may be under way on one connection of HTTP/2.
	MaxStreams int
	// MaxResets is how many requests of one connection may be taken back in a minute while they are under way.
	MaxResets int
	// MaxConnections are those of the listener, MaxConnectionsPerAddress those of one address of IPv4, or of one
	// network of 64 bits of IPv6. Trusted proxies stand for many clients: only the first holds for them.
	MaxConnections, MaxConnectionsPerAddress int
}

// DefaultLimits are those of a listener whose configuration names none.
func DefaultLimits() Limits {
	return Limits{
		MaxHeaderBytes: 64 << 10, MaxURLBytes: 32 << 10,
		HeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, BodyTimeout: time.Minute, SendTimeout: time.Minute,
		MaxStreams: 100, MaxResets: 200, MaxConnections: 20_000, MaxConnectionsPerAddress: 1000,
	}
}

// filled puts the defaults where nothing is said.
func (l Limits) filled() Limits {
	standard := DefaultLimits()
	for _, size := range []struct{ at, standard *int }{
		{&l.MaxHeaderBytes, &standard.MaxHeaderBytes}, {&l.MaxURLBytes, &standard.MaxURLBytes},
		{&l.MaxStreams, &standard.MaxStreams}, {&l.MaxResets, &standard.MaxResets},
	} {
		if *size.at == 0 {
			*size.at = *size.standard
		}
	}
	for _, timeout := range []struct{ at, standard *time.Duration }{
		{&l.HeaderTimeout, &standard.HeaderTimeout}, {&l.IdleTimeout, &standard.IdleTimeout},
		{&l.BodyTimeout, &standard.BodyTimeout}, {&l.SendTimeout, &standard.SendTimeout},
	} {
		if *timeout.at == 0 {
			*timeout.at = *timeout.standard
		}
	}
	return l
}

// hardHeaderBytes is what net/http reads of a header. It answers what is longer itself, with one bare line; what lies
// between the two is read to the end, so that people get a page that says what to do about it.
func (l Limits) hardHeaderBytes() int { return 2 * l.MaxHeaderBytes }

// limitsOf returns the limits of the listener that a request came to.
func limitsOf(r *http.Request) Limits {
	if c := connOf(r); c != nil {
		return c.limits
	}
	return DefaultLimits()
}

// BodyTimeout returns how long the body of a request may stand still.
func BodyTimeout(r *http.Request) time.Duration { return limitsOf(r).BodyTimeout }

// SendTimeout returns how long a client may leave untaken what a request is answered.
func SendTimeout(r *http.Request) time.Duration { return limitsOf(r).SendTimeout }

// Oversized returns the limit that a request passes with its header, or nothing. A header is measured as HTTP/2 does
// it (RFC 9113, section 10.5.1), in every protocol: names, values, and 32 bytes for each field, so that many small
// fields count as what they cost.
func Oversized(r *http.Request) Refusal {
	limits := limitsOf(r)
	if len(r.RequestURI) > limits.MaxURLBytes {
		return URLTooLong
	}
	const perField = 32
	size := len(r.Method) + len(r.RequestURI) + len(r.Host)
	for name, values := range r.Header {
		for _, value := range values {
			size += len(name) + len(value) + perField
		}
	}
	if size > limits.MaxHeaderBytes {
		return HeaderTooLarge
	}
	return ""
}
