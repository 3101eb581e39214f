package http1

import (
	"net"
	"sync"
)

// tunnel is the connection after a 101, given away as http.Transport does: what was received behind the header is read
// first. The memory for that is not kept, since such connections may be idle for hours.
type tunnel struct {
	conn net.Conn
	mu   sync.Mutex
	in   *reader // nil when nothing is left in it
}

func newTunnel(conn net.Conn, in *reader) *tunnel {
	t := &tunnel{conn: conn, in: in}
	t.shrink()
	return t
}

func (t *tunnel) shrink() {
	if len(t.in.buffered()) == 0 {
		t.in.release()
		t.in = nil
	}
}

func (t *tunnel) Read(p []byte) (int, error) {
	if n := t.received(p); n > 0 {
		return n, nil
	}
	return t.conn.Read(p)
}

func (t *tunnel) received(p []byte) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.in == nil {
		return 0
	}
	n := copy(p, t.in.buffered())
	t.in.start += n
	t.shrink()
	return n
}

func (t *tunnel) Write(p []byte) (int, error) { return t.conn.Write(p) }

func (t *tunnel) Close() error { return t.conn.Close() }

// CloseWrite tells the application that nothing more will be sent, where the connection can say that.
func (t *tunnel) CloseWrite() error {
	if half, can := t.conn.(interface{ CloseWrite() error }); can {
		return half.CloseWrite()
	}
	return t.conn.Close()
}
