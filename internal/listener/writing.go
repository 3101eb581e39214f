package listener

import (
	"errors"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// writing is what a connection knows about its deadline for writing. Times are those of clock.
type writing struct {
	began time.Time // what clock counts from
	// limit is the deadline that whoever owns the connection has set, and inForce the one that the connection has; 0 for
	// none.
	limit, inForce atomic.Int64
	mu             sync.Mutex // held while either is changed
	limited        bool       // inForce is the limit
}

// clock is a moment in nanoseconds, always positive. Deadlines hold by the time that has passed: by the time of day, all
// that are long over would look good again when that is set back, and every write would fail as if nothing was taken.
func (w *writing) clock(t time.Time) int64 { return max(1, int64(t.Sub(w.began))) }

// moment is the opposite of clock.
func (w *writing) moment(clock int64) time.Time { return w.began.Add(time.Duration(clock)) }

// sendSlack is by how much a deadline may be later than it need be: to set one costs more than to look at the clock, so
// one that is good enough is left as it is. No client has less time than was promised.
func (c *conn) sendSlack() time.Duration { return c.limits.SendTimeout / 4 }

// Write ends the connection when the client takes nothing of what it is sent.
func (c *conn) Write(p []byte) (written int, err error) {
	for {
		if now := c.writing.clock(time.Now()); !c.isBounded(now) {
			if err := c.armWrite(now); err != nil {
				return written, err
			}
		}
		n, err := c.Conn.Write(p[written:])
		written += n
		if err == nil || !errors.Is(err, os.ErrDeadlineExceeded) {
			return written, err
		}
		if limit := c.writing.limit.Load(); limit != 0 && c.writing.clock(time.Now()) >= limit {
			return written, err
		}
		if n == 0 {
			c.refuse(NotTaken)
			return written, err
		}
	}
}

// isBounded reports whether the deadline in force will do for a write that begins now.
func (c *conn) isBounded(now int64) bool {
	limit, inForce := c.writing.limit.Load(), c.writing.inForce.Load()
	if limit != 0 && inForce > limit {
		return false
	}
	return inForce >= now+int64(c.limits.SendTimeout) || inForce == limit && inForce != 0
}

func (c *conn) armWrite(now int64) error {
	c.writing.mu.Lock()
	defer c.writing.mu.Unlock()
	return c.armLocked(now)
}

// armLocked sets the earlier one of the two deadlines. It is called with mu held.
func (c *conn) armLocked(now int64) error {
	w := &c.writing
	deadline, limit := now+int64(c.limits.SendTimeout+c.sendSlack()), w.limit.Load()
	if w.limited = limit != 0 && limit < deadline; w.limited {
		deadline = limit
	}
	err := c.Conn.SetWriteDeadline(w.moment(deadline))
	w.inForce.Store(deadline) // only now: a write that begins meanwhile must not rely on it
	return err
}

// SetWriteDeadline sets a deadline besides the one that every connection has.
func (c *conn) SetWriteDeadline(t time.Time) error {
	w, limit := &c.writing, int64(0)
	if !t.IsZero() {
		limit = w.clock(t)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.limit.Store(limit)
	if w.limited || limit != 0 && limit < w.inForce.Load() { // a write may be under way
		return c.armLocked(w.clock(time.Now()))
	}
	return nil
}
