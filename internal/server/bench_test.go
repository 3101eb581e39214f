package server_test

import (
	"bytes"
	"log/slog"
	"net"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"

	"github.com/gatehouse-iap/gatehouse/internal/admin"
	"github.com/gatehouse-iap/gatehouse/internal/upstream/upstreamtest"
)

// BenchmarkRequest compares a request through the gate, recognised by a bearer token and decided, asserted and
// recorded, with the same request through a bare httputil.ReverseProxy. Client, proxy and application share the
// process, so of times only the ratio says something; what is allocated is the proxy's.
func BenchmarkRequest(b *testing.B) {
	const body = 1 << 10
	answer := "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nDate: Sun, 22 Nov 2026 20:00:00 GMT\r\nContent-Length: 1024\r\n\r\n" + strings.Repeat("x", body)
	app := &url.URL{Scheme: "http", Host: upstreamtest.Responder(b, answer)}
	g := startGate(b)
	service := private
	service.Upstream = app.String()
	if err := g.server.Admin().PutService(b.Context(), admin.System("bench"), service); err != nil {
		b.Fatal(err)
	}
	bare := httptest.NewServer(&httputil.ReverseProxy{
		Rewrite:  func(r *httputil.ProxyRequest) { r.SetURL(app) },
		ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError),
	})
	defer bare.Close()

	for _, c := range []struct{ name, address, header string }{
		{"bare", bare.Listener.Addr().String(), ""},
		{"gate", g.address, "Authorization: Bearer " + g.token("alice@example.com", private) + "\r\n"},
	} {
		b.Run(c.name, func(b *testing.B) {
			conn, err := net.Dial("tcp", c.address)
			if err != nil {
				b.Fatal(err)
			}
			defer conn.Close()
			request := []byte("GET /path HTTP/1.1\r\nHost: app.test\r\nUser-Agent: bench\r\nAccept: */*\r\nAccept-Language: en\r\nAccept-Encoding: gzip\r\n" + c.header + "\r\n")
			buffer := make([]byte, 8<<10)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := conn.Write(request); err != nil {
					b.Fatal(err)
				}
				n, end := 0, -1
				for end < 0 || n < end+4+body {
					more, err := conn.Read(buffer[n:])
					if err != nil {
						b.Fatal(err)
					}
					n += more
					end = bytes.Index(buffer[:n], []byte("\r\n\r\n"))
				}
				if !bytes.HasPrefix(buffer, []byte("HTTP/1.1 200 ")) {
					b.Fatalf("%s", buffer[:n])
				}
			}
		})
	}
}
