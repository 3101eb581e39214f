package http1

import (
	"errors"
	"io"
	"net"
	"syscall"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/socket"
)

// conn is a connection to an application.
type conn struct {
	net.Conn
	address  string
	reused   bool
	since    time.Duration // idle; times are those of clock
	deadline time.Duration // for reading, as it was set last; zero for none

	raw     syscall.RawConn // nil where it cannot be asked
	take    func(fd uintptr) bool
	asking  asking
	closing func() // Close, for context.AfterFunc
}

// asking is what ask and its turns tell each other.
type asking struct {
	request, space    []byte
	begun             bool
	written, received int
	err               error
	one               [1]byte // room for what nobody asked for
}

// errStale is an idle connection that must not be used: the application has closed it, or said something before it was
// asked, which would be taken for the answer to somebody's request.
var errStale = errors.New("an idle connection is not silent any more")

func newConn(dialled net.Conn, address string) *conn {
	dialled = socket.Wrap(dialled)
	c := &conn{Conn: dialled, address: address}
	c.closing = func() { _ = dialled.Close() } // ends what is under way on it, and that is what is told
	if s, can := dialled.(syscall.Conn); can && canAsk {
		if raw, err := s.SyscallConn(); err == nil {
			c.raw, c.take = raw, c.turn
		}
	}
	return c
}

// ask writes a request, or the beginning of it, and receives the beginning of what comes back into space; nothing
// where that is empty. An idle connection is asked whether it is silent just before. In one go, it takes no attempt
// to read what cannot be there yet.
func (c *conn) ask(request, space []byte) (written, received int, err error) {
	c.asking = asking{request: request, space: space}
	err = c.raw.Read(c.take)
	a := &c.asking
	a.request, a.space = nil, nil // they are lent
	switch {
	case err != nil: // of the waiting
		return a.written, 0, err
	case a.err == nil || a.err == io.EOF || a.err == errStale:
		return a.written, a.received, a.err
	case a.written == 0:
		return 0, 0, socket.Failure(c, "write", a.err)
	}
	return a.written, 0, socket.Failure(c, "read", a.err)
}

// began is what clock counts from.
var began = time.Now()

// clock is a time. It costs half of what time.Now costs, which asks for the time of day as well.
func clock() time.Duration { return time.Since(began) }

// setDeadline bounds reading, or does not for zero.
func (c *conn) setDeadline(to time.Duration) {
	if c.deadline == 0 && to == 0 {
		return
	}
	c.deadline = to
	var at time.Time
	if to != 0 {
		at = began.Add(to)
	}
	_ = c.SetReadDeadline(at) // a connection that is closed fails by itself
}

// wakeWithin has reading end after at most some time, and at least half of it: the deadline of a request before
// mostly serves.
func (c *conn) wakeWithin(most, now time.Duration) {
	if left := c.deadline - now; left < most/2 || left > most {
		c.setDeadline(now + most)
	}
}
