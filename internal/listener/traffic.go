package listener

import (
	"errors"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// A connection may receive so many bytes without a request under way, besides the longest header. In HTTP/2 a client
// may send as much of bodies as fits into the connection's window, a mebibyte, before the handler of its request has
// begun or after it has ended, and as much again for what was read meanwhile. Every frame costs some microseconds,
// however small it is.
const maxAside = 2 << 20

var errFlood = errors.New("much was sent, and no request")

// traffic is what a connection knows about what comes and goes over it.
type traffic struct {
	underWay atomic.Int64 // requests
	aside    atomic.Int64 // bytes that came since the last request began or ended
	quiet    atomic.Int64 // since when net/http has nothing under way, by writing.clock; 0 while it has, or does not serve
	writing  writing
	resets   resets
}

// Read notes what comes, and ends a connection over which much comes and no request.
func (c *conn) Read(p []byte) (int, error) {
	if len(c.unanswered) > 0 {
		n := copy(p, c.unanswered)
		if c.unanswered = c.unanswered[n:]; len(c.unanswered) == 0 {
			c.unanswered = nil
		}
		return n, nil
	}
	n, err := c.Conn.Read(p)
	if c.underWay.Load() > 0 {
		return n, err
	}
	aside := c.aside.Add(int64(n))
	switch {
	case aside > maxAside+int64(c.limits.hardHeaderBytes()):
		c.refuse(TooMuchAside)
		return 0, errFlood
	case err != nil && aside > 0 && errors.Is(err, os.ErrDeadlineExceeded):
		c.refuse(TooSlow)
	}
	return n, err
}

// SetDeadline sets both deadlines.
func (c *conn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

// refuse ends the connection for a limit, at once. A connection is refused for one reason.
func (c *conn) refuse(why Refusal) {
	if c.refused.CompareAndSwap(false, true) {
		c.counts.connections[why].Add(1)
	}
	_ = c.Close()
}

// began and over stand around every request.
func (c *conn) began() {
	c.arrived()
	c.underWay.Add(1)
	c.aside.Store(0)
}

// over is deferred: a handler may panic when the client has gone.
func (c *conn) over(r *http.Request) {
	c.aside.Store(0)
	c.underWay.Add(-1)
	if r.ProtoMajor < 2 || c.trusted {
		return
	}
	// The context of a request ends before its handler when the client takes it back, or goes.
	if r.Context().Err() == nil {
		c.resets.forgive()
	} else if c.resets.tooMany(time.Now(), c.limits.MaxResets) {
		c.refuse(TooManyResets)
	}
}

// tracking hears from net/http what a connection is used for.
func tracking(nc net.Conn, state http.ConnState) {
	c, ok := plain(nc).(*conn)
	if !ok {
		return
	}
	switch state {
	case http.StateIdle:
		c.quiet.Store(c.writing.clock(time.Now()))
	case http.StateActive:
		c.quiet.Store(0)
	case http.StateHijacked: // it has become somebody's own, as a WebSocket's does: what comes over it then is no request
		c.quiet.Store(0)
		c.underWay.Add(1)
	}
}

// isIdle reports whether net/http has had nothing under way for as long as the connection may be idle.
func (c *conn) isIdle() bool {
	since := c.quiet.Load()
	return since != 0 && !c.refused.Load() && c.writing.clock(time.Now())-since >= int64(c.limits.IdleTimeout)
}

// idled counts a connection that is closed because nothing comes over it.
func (l *Listener) idled() { l.spec.Counts.ended[Idle].Add(1) }

// resets is how many requests the client took back. Whoever does so again and again costs us, and the application,
// the work of requests without taking part in the limit on how many are under way (CVE-2023-44487).
type resets struct {
	some  atomic.Bool
	mu    sync.Mutex
	count float64
	last  time.Time
}

// forgive takes off one for a request that ran to its end: where many are asked, some are taken back, as when a program's
// time for a call is over.
func (r *resets) forgive() {
	if !r.some.Load() {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.count = max(0, r.count-1)
	r.some.Store(r.count > 0)
}

// tooMany counts one more, and reports whether there are more than the limit in a minute; up to it they may come at
// once, as when somebody types into a search that asks at every letter.
func (r *resets) tooMany(now time.Time, limit int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.last.IsZero() {
		r.count = max(0, r.count-now.Sub(r.last).Minutes()*float64(limit))
	}
	r.last = now
	r.count++
	r.some.Store(true)
	return r.count > float64(limit)
}
