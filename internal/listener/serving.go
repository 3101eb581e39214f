package listener

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/listener/accepted"
	"github.com/gatehouse-iap/gatehouse/internal/listener/http1"
)

// serving is what answers on one listener: net/http, and before it, where there is no TLS, a server of its own for plain
// requests.
type serving struct {
	on     *Listener
	plain  *http1.Server // nil with TLS
	server *http.Server
	given  *accepted.Listener
}

func newServing(l *Listener, handler http.Handler, logger *slog.Logger) *serving {
	s := &serving{on: l, server: newServer(l, handler, logger)}
	if l.TLS() {
		return s
	}
	s.given = accepted.NewListener(l.Addr())
	s.plain = &http1.Server{
		Handler: handler, Other: s.give, Idled: l.idled, Log: logger, Now: time.Now,
		HeaderTimeout: l.spec.Limits.HeaderTimeout, IdleTimeout: l.spec.Limits.IdleTimeout, WriteTimeout: AnswerTimeout,
	}
	return s
}

// run answers until the listener is closed. It returns why that is.
func (s *serving) run(ctx context.Context) error {
	if s.plain == nil {
		return s.server.ServeTLS(s.on, "", "")
	}
	go func() { _ = s.server.Serve(s.given) }() // until shutdown closes it
	ctx = context.WithValue(ctx, http.ServerContextKey, s.server)
	for {
		conn, err := s.on.Accept()
		if err != nil {
			if wait := pause(err); wait > 0 {
				time.Sleep(wait)
				continue
			}
			return err
		}
		local := context.WithValue(ctx, http.LocalAddrContextKey, conn.LocalAddr())
		go s.plain.Serve(withConn(local, conn), conn)
	}
}

// pauseBetween is how long nothing is accepted after the system has said that it cannot right now.
const pauseBetween = 50 * time.Millisecond

// pause returns how long to wait where it was not the listener's end that kept a connection from being accepted, as when
// there are too many open files.
func pause(err error) time.Duration {
	var temporary interface{ Temporary() bool }
	if errors.As(err, &temporary) && temporary.Temporary() {
		return pauseBetween
	}
	return 0
}

func (s *serving) lastAnswers() {
	if s.plain != nil {
		s.plain.LastAnswers()
	}
	s.server.SetKeepAlivesEnabled(false)
}

// shutdown waits for what is under way for as long as the context lasts, and then cuts it off.
func (s *serving) shutdown(ctx context.Context) error {
	var err error
	if s.plain != nil {
		err = s.plain.Shutdown(ctx) // which may give connections away until then
		end, _ := ctx.Deadline()
		s.on.arrivals.await(min(arrivalTime, time.Until(end)))
	}
	if other := s.server.Shutdown(ctx); other != nil {
		_ = s.server.Close()
		err = errors.Join(err, other)
	}
	return err
}

// give has net/http answer a connection, and what was read of it already read again. A request is on its way over it,
// which is waited for as the first one of a connection is.
func (s *serving) give(nc net.Conn, unanswered []byte) {
	c := nc.(*conn)
	c.unanswered = unanswered
	s.on.arrivals.add(c)
	c.arrival.come.Store(false)
	s.given.Give(c)
}
