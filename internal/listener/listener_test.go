package listener_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/listener"
)

// pipes is a listener in memory, so that time-outs can be tested in no time.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case conn := <-p.conns:
		return conn, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

func (p *pipes) Close() error {
	close(p.done)
	return nil
}

// exchange serves one connection with handler and lets client use it.
func exchange(t *testing.T, handler http.HandlerFunc, client func(t *testing.T, conn net.Conn)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		l := &pipes{conns: make(chan net.Conn, 1), done: make(chan struct{})}
		ended := make(chan error, 1)
		go func() { ended <- listener.Serve(ctx, l, handler, slog.New(slog.DiscardHandler), listener.DrainTimeout) }()
		conn, served := net.Pipe()
		l.conns <- served
		client(t, conn)
		_ = conn.Close()
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

const unfinished = "POST / HTTP/1.1\r\nHost: app.test\r\nContent-Length: 100\r\n\r\n"

func TestABodyThatNeverComesDoesNotHoldTheConnection(t *testing.T) {
	refuse := func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) }
	exchange(t, refuse, func(t *testing.T, conn net.Conn) {
		begun := time.Now()
		if _, err := io.WriteString(conn, unfinished); err != nil {
			t.Fatal(err)
		}
		_ = conn.SetReadDeadline(begun.Add(time.Hour))
		if _, err := io.Copy(io.Discard, conn); err != nil && !errors.Is(err, io.ErrClosedPipe) {
			t.Error(err)
		}
		if held := time.Since(begun); held > time.Minute {
			t.Errorf("the connection was held for %v", held)
		}
	})
}

func TestABodyTakesAnyTimeOnceItsDeadlineIsTakenOff(t *testing.T) {
	read := func(w http.ResponseWriter, r *http.Request) {
		if err := http.NewResponseController(w).SetReadDeadline(time.Time{}); err != nil {
			t.Error(err)
		}
		body, err := io.ReadAll(r.Body)
		if err != nil || len(body) != 100 {
			t.Errorf("%d bytes of the body were read, then %v", len(body), err)
		}
	}
	exchange(t, read, func(t *testing.T, conn net.Conn) {
		if _, err := io.WriteString(conn, unfinished); err != nil {
			t.Fatal(err)
		}
		for range 100 {
			time.Sleep(time.Minute)
			if _, err := io.WriteString(conn, "x"); err != nil {
				t.Fatal(err)
			}
		}
		response, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil || response.StatusCode != http.StatusOK {
			t.Fatal(err)
		}
	})
}
