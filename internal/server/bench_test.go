package server_test

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"testing"

	"github.com/gatehouse-iap/gatehouse/internal/admin"
)

// BenchmarkRequest compares a request through the gate, recognised by a bearer token and decided, asserted and
// recorded, with the same request through a bare httputil.ReverseProxy. Client, proxy and application share the
// process, so only the ratio says something.
func BenchmarkRequest(b *testing.B) {
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") }))
	defer app.Close()
	target, err := url.Parse(app.URL)
	if err != nil {
		b.Fatal(err)
	}
	g := startGate(b)
	service := private
	service.Upstream = app.URL
	if err := g.server.Admin().PutService(b.Context(), admin.System("bench"), service); err != nil {
		b.Fatal(err)
	}
	bare := httptest.NewServer(&httputil.ReverseProxy{
		Rewrite:  func(r *httputil.ProxyRequest) { r.SetURL(target) },
		ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError),
	})
	defer bare.Close()

	for _, c := range []struct {
		name, address string
		header        http.Header
	}{
		{"bare", bare.Listener.Addr().String(), http.Header{}},
		{"gate", g.address, http.Header{"Authorization": {"Bearer " + g.token("alice@example.com", private)}}},
	} {
		b.Run(c.name, func(b *testing.B) {
			transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, "tcp", c.address)
			}}
			defer transport.CloseIdleConnections()
			b.ReportAllocs()
			for b.Loop() {
				request, err := http.NewRequest("GET", "http://app.test/path", nil)
				if err != nil {
					b.Fatal(err)
				}
				request.Header = c.header
				response, err := transport.RoundTrip(request)
				if err != nil {
					b.Fatal(err)
				}
				if _, err := io.Copy(io.Discard, response.Body); err != nil || response.StatusCode != 200 {
					b.Fatalf("status %d, %v", response.StatusCode, err)
				}
				response.Body.Close()
			}
		})
	}
}
