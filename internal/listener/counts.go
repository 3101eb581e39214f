package listener

import (
	"net/http"
	"strings"
	"sync/atomic"
)

// Refusal is the limit for which a connection or a request was ended.
type Refusal string

// Limits of connections.
const (
	TooManyConnections Refusal = "total"   // of the listener
	TooManyOfAddress   Refusal = "address" // of one address
	TooSlow            Refusal = "slow"    // handshake or request did not come in time
	TooManyResets      Refusal = "resets"  // of requests that were under way
	TooMuchAside       Refusal = "flood"   // much was sent, and no request
	NotTaken           Refusal = "unread"  // the client does not take what it is sent
	HTTP2Broken        Refusal = "http2"   // its frames are none, or too many of a sort
)

// Ends of connections that are nobody's fault.
const (
	Idle   Refusal = "idle"   // nothing was under way
	Silent Refusal = "silent" // a ping of HTTP/2 found no answer: the client has gone, or has stopped in the middle
)

// Limits of requests.
const (
	HeaderTooLarge Refusal = "header"
	URLTooLong     Refusal = "url"
	BodyTooLarge   Refusal = "body"
	BodyTooSlow    Refusal = "slow_body"
	AnswerUnread   Refusal = "unread_answer" // by a stream of HTTP/2
	TooManyStreams Refusal = "streams"       // under way on one connection of HTTP/2
	BrokenStream   Refusal = "frames"        // its frames are not what they should be, and those of its connection are
)

// Counts are how often limits were reached. Listeners may share one.
type Counts struct {
	open                         atomic.Int64
	connections, requests, ended map[Refusal]*atomic.Uint64 // never written
}

// NewCounts returns counts of zero.
func NewCounts() *Counts {
	zero := func(refusals ...Refusal) map[Refusal]*atomic.Uint64 {
		counts := map[Refusal]*atomic.Uint64{}
		for _, refusal := range refusals {
			counts[refusal] = new(atomic.Uint64)
		}
		return counts
	}
	return &Counts{
		connections: zero(TooManyConnections, TooManyOfAddress, TooSlow, TooManyResets, TooMuchAside, NotTaken, HTTP2Broken),
		requests:    zero(HeaderTooLarge, URLTooLong, BodyTooLarge, BodyTooSlow, AnswerUnread, TooManyStreams, BrokenStream),
		ended:       zero(Idle, Silent),
	}
}

// Open is how many connections there are.
func (c *Counts) Open() int64 { return c.open.Load() }

// Connections are those that were refused or ended, by limit.
func (c *Counts) Connections() map[string]uint64 { return read(c.connections) }

// Requests are those that were refused or ended, by limit.
func (c *Counts) Requests() map[string]uint64 { return read(c.requests) }

// Ended are the connections that ended as connections do, by what for.
func (c *Counts) Ended() map[string]uint64 { return read(c.ended) }

func read(counts map[Refusal]*atomic.Uint64) map[string]uint64 {
	now := make(map[string]uint64, len(counts))
	for refusal, count := range counts {
		now[string(refusal)] = count.Load()
	}
	return now
}

// ofHTTP2 counts what net/http does by itself, which it has its own names for.
func (c *Counts) ofHTTP2(problem string) {
	switch {
	case problem == "conn_close_lost_ping":
		c.ended[Silent].Add(1)
	case strings.Contains(problem, "over_max_streams"):
		c.requests[TooManyStreams].Add(1)
	case strings.HasPrefix(problem, "stream_"):
		c.requests[BrokenStream].Add(1)
	}
}

// CountRefused counts that a request was refused, or cut off, for a limit.
func CountRefused(r *http.Request, why Refusal) {
	if c := connOf(r); c != nil {
		c.counts.requests[why].Add(1)
	}
}
