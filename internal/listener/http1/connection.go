package http1

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"sync/atomic"
	"time"
)

// States of a connection.
const (
	idle   int32 = iota // nothing of a request has come
	busy                // a request is coming, or under way
	closed              // by Shutdown
)

// connection is one on which requests are answered, by the goroutine that serves it.
type connection struct {
	server   *Server
	net      net.Conn
	template *http.Request // with what all requests of the connection have in common
	out      *bufio.Writer
	presence presence

	in       []byte
	filled   int // bytes of in that were read and not taken
	state    atomic.Int32
	deadline time.Time // in force for reading; zero when that is not known
	answered bool      // a request has been
}

// serve answers requests until one comes that is not answered here (then it returns true), or until the connection is
// to be closed.
func (c *connection) serve() (other bool) {
	if c.setReadDeadline(c.server.Now().Add(c.server.HeaderTimeout)) != nil {
		return false
	}
	for {
		length, err := c.head()
		if errors.Is(err, errOther) {
			return true
		}
		if err != nil {
			if c.filled == 0 && c.server.Idled != nil && errors.Is(err, os.ErrDeadlineExceeded) {
				c.server.Idled()
			}
			return false
		}
		w := &response{conn: c, request: *c.template, length: unknown}
		if !parse(string(c.in[:length]), &w.request, &w.url) {
			return true
		}
		c.filled = copy(c.in, c.in[length:c.filled])
		if !c.answer(w) {
			return false
		}
		c.answered = true
		if c.filled == 0 {
			c.state.Store(idle)
		}
		if c.server.stopping.Load() {
			return false
		}
	}
}

// errOther says that somebody else has to answer.
var errOther = errors.New("not a request that is answered here")

var endOfHead = []byte("\r\n\r\n")

// head reads until a whole head has come, and returns its length.
func (c *connection) head() (length int, err error) {
	searched, waiting := 0, !c.answered // serve has set the first one's deadline
	for {
		if c.filled > 0 {
			if !c.state.CompareAndSwap(idle, busy) && c.state.Load() == closed {
				return 0, net.ErrClosed
			}
			if i := bytes.Index(c.in[searched:c.filled], endOfHead); i >= 0 {
				return searched + i + len(endOfHead), nil
			}
			if !mayBecome(c.in[:c.filled], searched) {
				return 0, errOther
			}
			searched = max(0, c.filled-len(endOfHead)+1)
		}
		if err := c.await(&waiting); err != nil {
			return 0, err
		}
		n, err := c.net.Read(c.in[c.filled:])
		c.filled += n
		if n == 0 && err != nil {
			if err == io.EOF && c.filled > 0 {
				return 0, errOther // half a request has an answer, too
			}
			return 0, err
		}
	}
}

// await prepares the next read: there has to be room for it, and an end to it.
func (c *connection) await(inHead *bool) error {
	now := c.server.Now()
	switch {
	case c.filled == largestHead:
		return errOther
	case c.filled == len(c.in):
		c.in = append(c.in, make([]byte, largestHead-len(c.in))...)
	}
	if *inHead {
		return nil
	}
	if c.filled > 0 {
		*inHead = true
		return c.setReadDeadline(now.Add(c.server.HeaderTimeout))
	}
	if len(c.in) > usualHead { // it may be long until the next one, and that is seldom so long
		c.in = make([]byte, usualHead)
	}
	// To set a deadline costs more than to look at one. Nobody has less time than was promised, and some have more.
	if c.deadline.Sub(now) < c.server.IdleTimeout {
		return c.setReadDeadline(now.Add(c.server.IdleTimeout + c.server.IdleTimeout/8))
	}
	return nil
}

func (c *connection) setReadDeadline(t time.Time) error {
	c.deadline = t
	return c.net.SetReadDeadline(t)
}

// answer has a request answered, and reports whether there may be another one.
func (c *connection) answer(w *response) (again bool) {
	ctx, cancel := context.WithCancel(c.template.Context())
	w.request, w.cancel = *w.request.WithContext(ctx), cancel
	r := &w.request
	now := c.server.Now()
	_ = c.net.SetWriteDeadline(now.Add(c.server.WriteTimeout))
	c.presence.begin(now, cancel)
	defer func() {
		if failure := recover(); failure != nil {
			c.panicked(r, failure)
			if w.flushed || w.written > sniffed { // what has been said has been said, and nothing else
				_ = c.out.Flush()
			}
			again = false
		}
		present := c.presence.end()
		w.over.Store(true) // whoever keeps it must not reach the next answer
		cancel()
		again = again && present
	}()
	c.server.Handler.ServeHTTP(w, r)
	return w.finish()
}

// panicked logs what net/http would: everything but what handlers cut a connection with.
func (c *connection) panicked(r *http.Request, failure any) {
	if failure == http.ErrAbortHandler {
		return
	}
	stack := make([]byte, 64<<10)
	stack = stack[:runtime.Stack(stack, false)]
	c.server.Log.Error("a request was cut off because of a fault in the gate", "method", r.Method, "host", r.Host, "fault", fmt.Sprint(failure), "stack", string(stack))
}
