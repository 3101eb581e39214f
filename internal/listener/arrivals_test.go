package listener

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

func TestWhoConnectedBeforeTheEndIsAnswered(t *testing.T) {
	for name, c := range map[string]struct {
		patience time.Duration // until the request is sent; negative never sends one
		answered bool
	}{
		"the request comes at once":   {0, true},
		"the request comes soon":      {500 * time.Millisecond, true},
		"the request comes far later": {20 * time.Second, false},
		"the request never comes":     {-1, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				l := &pipes{conns: make(chan net.Conn, 1), done: make(chan struct{})}
				ended := make(chan error, 1)
				handler := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "answer") })
				begun := time.Now()
				go func() { ended <- Serve(ctx, l, handler, slog.New(slog.DiscardHandler), DrainTimeout) }()
				conn, served := net.Pipe()
				defer conn.Close()
				l.conns <- served
				synctest.Wait()
				cancel()
				synctest.Wait() // it takes no new connections now
				if c.patience < 0 {
					if err := <-ended; err != nil || time.Since(begun) > 2*time.Second {
						t.Errorf("a silent connection holds the end for %v, %v", time.Since(begun), err)
					}
					return
				}
				time.Sleep(c.patience)
				_, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: app.test\r\n\r\n")
				var response *http.Response
				if err == nil {
					response, err = http.ReadResponse(bufio.NewReader(conn), nil)
				}
				if (err == nil) != c.answered {
					t.Errorf("answered with %v, %v", response, err)
				}
				if err == nil && !response.Close {
					t.Error("the client is not told that the connection ends")
				}
				conn.Close()
				if err := <-ended; err != nil {
					t.Error(err)
				}
			})
		})
	}
}
