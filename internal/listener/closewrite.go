package listener

import (
	"errors"
	"net"
)

// CloseWrite tells the client that nothing more comes.
func (c *conn) CloseWrite() error { return closeWrite(c.Conn) }

// CloseWrite tells the client that nothing more comes.
func (c *proxyConn) CloseWrite() error { return closeWrite(c.Conn) }

func closeWrite(c net.Conn) error {
	if half, can := c.(interface{ CloseWrite() error }); can {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}
