//go:build unix

package socket

import (
	"errors"
	"io"
	"net"
	"sync"
	"syscall"
)

// Conn is a TCP connection. Like any net.Conn it may be used by several goroutines at once.
type Conn struct {
	*net.TCPConn
	raw           syscall.RawConn
	reads, writes half
}

// half is what one direction of a connection is doing, while mu is held.
type half struct {
	mu      sync.Mutex
	attempt func(fd uintptr) bool // reports whether there is nothing to wait for
	p       []byte
	n       int
	err     error
}

// Wrap returns c as it is to be read and written; c itself where it is no TCP connection.
func Wrap(c net.Conn) net.Conn {
	tcp, ok := c.(*net.TCPConn)
	if !ok {
		return c
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return c
	}
	s := &Conn{TCPConn: tcp, raw: raw}
	s.reads.attempt, s.writes.attempt = s.reads.read, s.writes.write
	return s
}

func (h *half) read(fd uintptr) bool {
	h.n, h.err = Read(fd, h.p)
	return h.err != syscall.EAGAIN
}

func (h *half) write(fd uintptr) bool {
	for h.n < len(h.p) {
		n, err := Write(fd, h.p[h.n:])
		h.n += n
		if err == syscall.EAGAIN {
			return false
		}
		if err == nil && n == 0 {
			err = io.ErrUnexpectedEOF // nothing was taken, and nothing is wrong: no system does that, and it must not go on
		}
		if err != nil {
			h.err = err
			break
		}
	}
	return true
}

// Read implements net.Conn.
func (c *Conn) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	h := &c.reads
	h.mu.Lock()
	defer h.mu.Unlock()
	h.p = p
	err := c.raw.Read(h.attempt)
	h.p = nil // it is lent
	switch {
	case err != nil:
		return 0, waiting(c, "read", err)
	case h.err != nil:
		return 0, Failure(c, "read", h.err)
	case h.n == 0:
		return 0, io.EOF
	}
	return h.n, nil
}

// Write implements net.Conn.
func (c *Conn) Write(p []byte) (int, error) {
	h := &c.writes
	h.mu.Lock()
	defer h.mu.Unlock()
	h.p, h.n, h.err = p, 0, nil
	err := c.raw.Write(h.attempt)
	h.p = nil // it is lent
	switch {
	case err != nil:
		return h.n, waiting(c, "write", err)
	case h.err != nil:
		return h.n, Failure(c, "write", h.err)
	}
	return h.n, nil
}

// waiting does what Failure does with an error of the wait: that the connection was closed, or its time is over.
func waiting(c net.Conn, operation string, err error) error {
	var raw *net.OpError
	if errors.As(err, &raw) {
		err = raw.Err
	}
	return &net.OpError{Op: operation, Net: "tcp", Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: err}
}
