//go:build unix

package http1

import (
	"io"
	"syscall"

	"github.com/gatehouse-iap/gatehouse/internal/socket"
)

// canAsk says that connections can be asked whether there is anything to read, without waiting.
const canAsk = true

// turn is one attempt at what ask does, made by syscall.RawConn; false waits until there is something to read.
func (c *conn) turn(fd uintptr) bool {
	a := &c.asking
	if !a.begun {
		a.begun = true
		if c.send(fd) {
			return true
		}
		if c.reused {
			return false // it was silent just now, and whatever comes ends the wait; what a new one brought already does not
		}
	}
	a.received, a.err = socket.Read(fd, a.space)
	if a.err == nil && a.received == 0 {
		a.err = io.EOF
	}
	return a.err != syscall.EAGAIN
}

// send writes the request, and reports whether there is nothing to wait for. It is written only into silence where the
// connection was idle: the kernel has just said that it is open and that there is nothing to read.
func (c *conn) send(fd uintptr) bool {
	a := &c.asking
	if c.reused {
		if _, err := socket.Read(fd, a.one[:]); err != syscall.EAGAIN {
			a.err = errStale
			return true
		}
	}
	if a.written, a.err = socket.Write(fd, a.request); a.err == syscall.EAGAIN {
		a.err = nil // Write waits
	}
	return a.err != nil || a.written < len(a.request) || len(a.space) == 0
}
