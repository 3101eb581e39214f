package interception

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"net/http"

	"github.com/gatehouse-iap/gatehouse/internal/listener/accepted"
)

// inner is a server for connections that are handed to it, behind CONNECT.
type inner struct {
	*accepted.Listener
	server *http.Server
}

func newInner(handler http.Handler, config *tls.Config, log *slog.Logger) *inner {
	i := &inner{Listener: accepted.NewListener(&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})}
	i.server = &http.Server{
		Handler: handler, TLSConfig: config, ReadHeaderTimeout: readHeaderTimeout, IdleTimeout: idleTimeout,
		MaxHeaderBytes: maxHeaderBytes, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	go func() { // ends with close
		if config != nil {
			_ = i.server.ServeTLS(i, "", "")
			return
		}
		_ = i.server.Serve(i)
	}()
	return i
}

func (i *inner) close() error { return i.server.Close() }

// prefixed is a connection of which some bytes have been read already.
type prefixed struct {
	net.Conn
	read io.Reader
}

func (c *prefixed) Read(p []byte) (int, error) { return c.read.Read(p) }

// CloseWrite ends one direction.
func (c *prefixed) CloseWrite() error { return closeWrite(c.Conn) }

// withBuffered gives a connection back what a reader has taken from it.
func withBuffered(conn net.Conn, reader *bufio.Reader) (net.Conn, error) {
	n := reader.Buffered()
	if n == 0 {
		return conn, nil
	}
	ahead, err := reader.Peek(n)
	if err != nil {
		conn.Close()
		return nil, err
	}
	return &prefixed{conn, io.MultiReader(bytes.NewReader(bytes.Clone(ahead)), conn)}, nil
}

// copyHalf copies one direction and ends it, so that the other side sees the end and may still answer.
func copyHalf(to, from net.Conn) {
	_, err := io.Copy(to, from)
	if err != nil {
		to.Close() // broken, not ended: nobody takes a part for the whole
		from.Close()
		return
	}
	if closeWrite(to) != nil {
		to.Close()
	}
}

func closeWrite(conn net.Conn) error {
	if half, ok := conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return conn.Close()
}
