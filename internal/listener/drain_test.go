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

// During the drain a connection may go from one server to the other. Within the bubble no goroutine may be left.
func TestARequestThatComesAsTheEndBeginsIsAnsweredByWhicheverServer(t *testing.T) {
	const get, post = "GET / HTTP/1.1\r\nHost: a\r\n\r\n", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi"
	for name, c := range map[string]struct {
		first         bool   // a request has been answered before
		before, after string // the end begins
		last          string // comes when the other request has been answered
		proxied, slow bool   // a PROXY header comes first; another request is under way
	}{
		"a request":                           {before: "", after: get},
		"half of one":                         {before: get[:10], after: get[10:]},
		"half of one for net/http":            {before: post[:10], after: post[10:]},
		"half of one that turns out so":       {before: get[:20], after: "X: \xe4\r\n" + get[16:]},
		"half of a second one":                {first: true, before: get[:10], after: get[10:]},
		"half of a second one for it":         {first: true, before: post[:10], after: post[10:]},
		"half of it, and another goes on":     {first: true, before: post[:10], after: post[10:], slow: true},
		"half of it, until another has ended": {first: true, before: get[:20], after: "X: \xe4\r\n", last: get[16:], slow: true},
		"its PROXY header":                    {before: "", after: "PROXY TCP4 192.0.2.1 192.0.2.9 1 1\r\n" + get, proxied: true},
		"half of its PROXY header":            {before: "PROXY TCP4", after: " 192.0.2.1 192.0.2.9 1 1\r\n" + get, proxied: true},
		"half of its PROXY header, and it":    {before: "PROXY TCP4", after: " 192.0.2.1 192.0.2.9 1 1\r\n" + post, proxied: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				p := &pipes{conns: make(chan net.Conn, 1), done: make(chan struct{})}
				spec := Spec{}
				if c.proxied {
					spec.ProxyFrom = prefixes(t, "192.0.2.200/32")
				}
				l, err := On(named{p}, spec)
				if err != nil {
					t.Fatal(err)
				}
				handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if r.URL.Path == "/slow" {
						time.Sleep(DrainTimeout / 2)
					}
					_, _ = io.Copy(w, r.Body)
				})
				ended := make(chan error, 1)
				go func() { ended <- Serve(ctx, l, handler, slog.New(slog.DiscardHandler), DrainTimeout) }()
				connect := func() (net.Conn, *bufio.Reader) {
					conn, served := net.Pipe()
					p.conns <- served
					return conn, bufio.NewReader(conn)
				}
				conn, reader := connect()
				defer conn.Close()
				answered := func() *http.Response {
					response, err := http.ReadResponse(reader, nil)
					if err != nil {
						t.Fatal(err)
					}
					_, _ = io.ReadAll(response.Body)
					return response
				}
				if c.first {
					_, _ = io.WriteString(conn, get)
					answered()
				}
				if c.slow {
					other, _ := connect()
					defer other.Close()
					_, _ = io.WriteString(other, "GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
					go func() { _, _ = io.Copy(io.Discard, other) }()
				}
				_, _ = io.WriteString(conn, c.before)
				synctest.Wait()
				cancel()
				time.Sleep(arrivalTime / 2)
				_, _ = io.WriteString(conn, c.after)
				if c.last != "" {
					time.Sleep(DrainTimeout / 2)
					_, _ = io.WriteString(conn, c.last)
				}
				if response := answered(); response.StatusCode >= 500 || !response.Close {
					t.Errorf("answered with %d, the last: %v", response.StatusCode, response.Close)
				}
				if err := <-ended; err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// named is a listener whose clients have an address.
type named struct{ *pipes }

func (n named) Accept() (net.Conn, error) {
	c, err := n.pipes.Accept()
	return namedConn{c}, err
}

type namedConn struct{ net.Conn }

func (namedConn) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 200), Port: 1} }
