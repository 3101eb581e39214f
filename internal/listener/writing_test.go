package listener

import (
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// deadlined keeps the deadline for writing that is in force.
type deadlined struct {
	net.Conn
	mu    sync.Mutex
	write time.Time
}

func (d *deadlined) SetWriteDeadline(t time.Time) error {
	d.mu.Lock()
	d.write = t
	d.mu.Unlock()
	return nil
}

func (d *deadlined) Write(p []byte) (int, error) { return len(p), nil }

func connWith(c net.Conn, sendTimeout time.Duration) *conn {
	return &conn{Conn: c, limits: Limits{SendTimeout: sendTimeout}, traffic: traffic{writing: writing{began: time.Now()}}}
}

func TestTheDeadlineInForceIsKnownWhoeverElseSetsOne(t *testing.T) {
	t.Parallel()
	for range 2000 {
		connection := &deadlined{}
		c := connWith(connection, 1) // each write sets a deadline
		var all sync.WaitGroup
		all.Go(func() {
			for range 4 {
				_, _ = c.Write([]byte("a"))
			}
		})
		all.Go(func() {
			for range 4 {
				_, _ = c.SetWriteDeadline(time.Unix(1, 0)), c.SetWriteDeadline(time.Time{})
			}
		})
		all.Wait()
		if want := c.writing.moment(c.writing.inForce.Load()); !connection.write.Equal(want) {
			t.Fatalf("the connection has the deadline %v, and %v is believed to be in force", connection.write, want)
		}
	}
}

func TestDeadlinesForWritingHoldWhateverHappensToTheTimeOfDay(t *testing.T) {
	t.Parallel()
	const monotonic = " m="
	for name, limit := range map[string]time.Duration{"the limit of a connection": 0, "one that somebody set": time.Minute} {
		connection := &deadlined{}
		c := connWith(connection, time.Hour)
		if limit != 0 {
			_ = c.SetWriteDeadline(time.Now().Add(limit))
		}
		_, _ = c.Write([]byte("a"))
		if text := connection.write.String(); !strings.Contains(text, monotonic) || connection.write.Before(time.Now()) {
			t.Errorf("%s is %s", name, text)
		}
	}
}

func TestADeadlineThatHasPassedOrNeverWillIsOne(t *testing.T) {
	t.Parallel()
	connection := &deadlined{}
	c := connWith(connection, time.Minute)
	_, _ = c.Write([]byte("a"))
	for _, test := range []struct {
		limit time.Time
		over  bool
	}{{time.Unix(1, 0), true}, {time.Time{}, false}, {time.Unix(1<<40, 0), false}, {time.Time{}.Add(1), true}} {
		_ = c.SetWriteDeadline(test.limit)
		_, _ = c.Write([]byte("a"))
		if over := !connection.write.After(time.Now()); over != test.over {
			t.Errorf("with a deadline at %v, that of the connection is at %v", test.limit, connection.write)
		}
	}
}
