package http1_test

import (
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/gatehouse-iap/gatehouse/internal/upstream/upstreamtest"
)

var benchHeader = http.Header{
	"Accept": {"text/html,application/xhtml+xml"}, "Accept-Language": {"en"}, "Accept-Encoding": {"gzip"}, "User-Agent": {"Mozilla/5.0"},
	"X-Forwarded-For": {"203.0.113.9"}, "X-Forwarded-Proto": {"https"}, "X-Forwarded-Host": {"app.test"}, "Cookie": {"session=0123456789"},
	"X-Goog-Iap-Jwt-Assertion": {strings.Repeat("x", 900)}, "X-Goog-Authenticated-User-Email": {"accounts.google.com:alice@example.com"},
}

// BenchmarkRoundTrip measures a GET over loopback, here and with http.Transport, side by side.
func BenchmarkRoundTrip(b *testing.B) {
	for _, size := range []struct {
		name string
		body string
	}{{"1KiB", strings.Repeat("x", 1<<10)}, {"100KiB", strings.Repeat("x", 100<<10)}} {
		address := upstreamtest.Responder(b, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nDate: Sun, 22 Nov 2026 20:00:00 GMT\r\nServer: x\r\nContent-Length: "+
			strconv.Itoa(len(size.body))+"\r\n\r\n"+size.body)
		mine, reference := ours(), theirs()
		defer mine.CloseIdleConnections()
		defer reference.CloseIdleConnections()
		for _, c := range []struct {
			name      string
			transport http.RoundTripper
		}{{"here", mine}, {"net-http", reference}} {
			b.Run(size.name+"/"+c.name, func(b *testing.B) {
				buffer := make([]byte, 32<<10)
				b.ReportAllocs()
				for b.Loop() {
					r, err := http.NewRequestWithContext(b.Context(), http.MethodGet, "http://"+address+"/path?q=1", nil)
					if err != nil {
						b.Fatal(err)
					}
					r.Header = benchHeader
					response, err := c.transport.RoundTrip(r)
					if err != nil {
						b.Fatal(err)
					}
					n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, response.Body, buffer)
					if err != nil || int(n) != len(size.body) {
						b.Fatal(n, err)
					}
					response.Body.Close()
				}
			})
		}
	}
}
