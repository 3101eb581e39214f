// Package http1 is a server of the requests that most clients send most of the time: GET and HEAD of HTTP/1.1, without
// a body, on a connection that is kept. It knows what net/http knows of those, for half the work, and gives a connection
// to net/http, with all that was read and not answered, as soon as anything else comes. What it takes for a request is
// the same request to net/http.
package http1

import (
	"bufio"
	"context"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// Server answers over connections that it is given.
type Server struct {
	Handler http.Handler
	// Other takes connections over that are not to be served here any more, and the bytes that have been read of what it
	// has to answer.
	Other func(c net.Conn, unanswered []byte)
	// Idled hears that a connection is about to be closed because nothing has come over it for too long; nil for nobody.
	Idled func()
	Log   *slog.Logger
	// HeaderTimeout bounds the time in which a header comes, IdleTimeout that between two requests, and WriteTimeout that
	// of an answer, which handlers may take off.
	HeaderTimeout, IdleTimeout, WriteTimeout time.Duration
	Now                                      func() time.Time

	date     atomic.Pointer[date]
	stopping atomic.Bool

	mu   sync.Mutex
	open map[*connection]struct{}
	shut bool          // no more of them
	none chan struct{} // closed when no connection is open any more; nil while nobody waits for that
}

const (
	// usualHead is room for the head of a request, and for the beginning of an answer; largestHead is the longest head
	// that is taken here.
	usualHead   = 4 << 10
	largestHead = 16 << 10
)

// Serve answers requests that come over c, one after another, with contexts that descend from ctx. It returns when c is
// closed, or Other has it.
func (s *Server) Serve(ctx context.Context, c net.Conn) {
	conn := &connection{server: s, net: c, in: make([]byte, usualHead), out: bufio.NewWriterSize(c, usualHead)}
	conn.template = new(http.Request).WithContext(ctx)
	conn.presence.init(conn)
	if !s.enter(conn) {
		_ = c.Close()
		return
	}
	given := false
	defer func() { // also when a handler ends its goroutine
		conn.presence.close()
		if !given {
			_ = c.Close()
		}
		s.leave(conn) // when Other has it, lest Shutdown ends before that
	}()
	conn.template.RemoteAddr = c.RemoteAddr().String() // which may have to be read first
	if conn.serve() {
		given = true
		s.Other(c, conn.in[:conn.filled])
	}
}

func (s *Server) enter(c *connection) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.shut {
		return false
	}
	if s.open == nil {
		s.open = map[*connection]struct{}{}
	}
	s.open[c] = struct{}{}
	return true
}

func (s *Server) leave(c *connection) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, c)
	s.tell()
}

// tell is called with mu held.
func (s *Server) tell() {
	if s.none != nil && len(s.open) == 0 {
		close(s.none)
		s.none = nil
	}
}

// LastAnswers has every answer from now on say that the connection ends with it.
func (s *Server) LastAnswers() { s.stopping.Store(true) }

// Shutdown closes connections without a request under way, takes no new ones, and waits until all others have been
// answered, or given away. It returns the context's error when that ends first, and then has closed them all.
func (s *Server) Shutdown(ctx context.Context) error {
	s.stopping.Store(true)
	s.mu.Lock()
	s.shut = true
	none := make(chan struct{})
	s.none = none
	for c := range s.open {
		if c.state.CompareAndSwap(idle, closed) {
			_ = c.net.Close()
		}
	}
	s.tell()
	s.mu.Unlock()
	select {
	case <-none:
		return nil
	case <-ctx.Done():
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.open {
		_ = c.net.Close()
	}
	return ctx.Err()
}

// date is a Date header's value, good for a second.
type date struct {
	second int64
	text   string
}

func (s *Server) dateOf(now time.Time) string {
	if d := s.date.Load(); d != nil && d.second == now.Unix() {
		return d.text
	}
	d := &date{now.Unix(), now.UTC().Format(http.TimeFormat)}
	s.date.Store(d)
	return d.text
}
