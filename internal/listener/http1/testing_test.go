package http1

import (
	"context"
	"errors"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"testing"
	"time"
)

// ours starts a server of this package and returns its address. What it does not answer fails the test.
func ours(t testing.TB, handler http.Handler) string {
	t.Helper()
	server := newServer(t, handler)
	l := listen(t)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go server.Serve(context.Background(), c)
		}
	}()
	t.Cleanup(func() {
		_ = l.Close()
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := server.Shutdown(ctx); err != nil {
			t.Error(err)
		}
	})
	return l.Addr().String()
}

func newServer(t testing.TB, handler http.Handler) *Server {
	return &Server{
		Handler: handler, Log: slog.New(slog.DiscardHandler), Now: time.Now,
		HeaderTimeout: 10 * time.Second, IdleTimeout: 10 * time.Second, WriteTimeout: time.Minute,
		Other: func(c net.Conn, unanswered []byte) {
			t.Errorf("somebody else is to answer %q", unanswered)
			_ = c.Close()
		},
	}
}

// theirs starts net/http's.
func theirs(t testing.TB, handler http.Handler) string {
	t.Helper()
	server := &http.Server{Handler: handler, ErrorLog: log.New(io.Discard, "", 0)}
	l := listen(t)
	go func() {
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	}()
	t.Cleanup(func() { _ = server.Close() })
	return l.Addr().String()
}

func listen(t testing.TB) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func dial(t testing.TB, address string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	return c
}
