package listener

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"
)

// proxyTimeout is how long a peer may take for its PROXY header: it writes it at once.
const proxyTimeout = 5 * time.Second

var errCrowded = errors.New("the client has too many connections")

// proxyConn is a connection that begins with a PROXY header. The header is read by whoever first asks for
// anything: that is the connection's own goroutine, so that a slow peer holds up nobody else.
type proxyConn struct {
	net.Conn
	refused func(error)
	// admits reports whether a client that the header names may have one more connection.
	admits func(netip.Addr) bool

	once   sync.Once
	err    error
	source net.Addr // nil where the header names none
	rest   []byte   // what came with the header
}

func (c *proxyConn) header() error {
	c.once.Do(func() {
		if c.err = c.readHeader(); c.err != nil {
			_ = c.Close()        // nothing is answered: the peer is a program that we misunderstand
			if c.err != io.EOF { // a look whether the port is open, as load balancers take
				c.refused(c.err)
			}
			return
		}
		if c.source != nil && !c.admits(addressOf(c.source)) {
			c.err = errCrowded
			_ = c.Close()
		}
	})
	return c.err
}

func (c *proxyConn) readHeader() error {
	if err := c.Conn.SetReadDeadline(time.Now().Add(proxyTimeout)); err != nil {
		return err
	}
	read := make([]byte, 0, 256)
	for {
		if len(read) == cap(read) {
			read = append(read, make([]byte, maxProxyBytes-len(read))...)[:len(read)]
		}
		n, err := c.Conn.Read(read[len(read):cap(read)])
		read = read[:len(read)+n]
		source, length, parseErr := parseProxyHeader(read)
		switch {
		case parseErr == nil:
			if source.IsValid() {
				c.source = net.TCPAddrFromAddrPort(source)
			}
			c.rest = read[length:]
			return c.Conn.SetReadDeadline(time.Time{})
		case !errors.Is(parseErr, errMore):
			return parseErr
		case errors.Is(err, io.EOF) && len(read) == 0:
			return io.EOF
		case errors.Is(err, io.EOF):
			return fmt.Errorf("%w: the peer ended the connection", errMore)
		case err != nil:
			return fmt.Errorf("%w: %w", errMore, err)
		}
	}
}

// Read returns what follows the header.
func (c *proxyConn) Read(p []byte) (int, error) {
	if err := c.header(); err != nil {
		return 0, err
	}
	if len(c.rest) > 0 {
		n := copy(p, c.rest)
		if c.rest = c.rest[n:]; len(c.rest) == 0 {
			c.rest = nil
		}
		return n, nil
	}
	return c.Conn.Read(p)
}

// RemoteAddr returns the client's address, or the peer's own where the header names none.
func (c *proxyConn) RemoteAddr() net.Addr {
	if c.header() == nil && c.source != nil {
		return c.source
	}
	return c.Conn.RemoteAddr()
}

// known reports whether the header named the client. Where it did not, the peer's own address says nothing about
// who writes: it must not make a trusted proxy of a stranger.
func (c *proxyConn) known() bool { return c.header() == nil && c.source != nil }
