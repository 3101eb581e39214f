package reverseproxy_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"github.com/gatehouse-iap/gatehouse/internal/enforcement/reverseproxy"
	"github.com/gatehouse-iap/gatehouse/internal/issuer"
	"github.com/gatehouse-iap/gatehouse/internal/listener"
	"github.com/gatehouse-iap/gatehouse/internal/upstream"
	"github.com/gatehouse-iap/gatehouse/internal/upstream/upstreamtest"
)

// nobody is a client that is answered and does not listen.
type nobody struct{ header http.Header }

func (n nobody) Header() http.Header         { return n.header }
func (n nobody) Write(p []byte) (int, error) { return len(p), nil }
func (n nobody) WriteHeader(int)             {}
func (n nobody) Flush()                      {}

// BenchmarkForward measures what forwarding a GET costs, from the decision to the end of the answer, and the same for a
// bare httputil.ReverseProxy.
func BenchmarkForward(b *testing.B) {
	app := "http://" + upstreamtest.Responder(b, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nDate: Sun, 22 Nov 2026 20:00:00 GMT\r\nContent-Length: 1024\r\n\r\n"+strings.Repeat("x", 1024))
	target, err := url.Parse(app)
	if err != nil {
		b.Fatal(err)
	}
	config := upstream.Config{URL: app}.Canonical()
	up := new(upstream.Pools).Keep(map[upstream.Config]struct{}{config: {}})[config]
	ours := reverseproxy.Forwarder{Scheme: "http", Log: slog.New(slog.DiscardHandler), Failure: reverseproxy.FailureFunc(func(_ http.ResponseWriter, _ *http.Request, status int) {
		b.Fatal(status)
	})}
	identity := reverseproxy.Identity{
		Prepared: &issuer.Prepared{Assertion: []string{strings.Repeat("x", 900)}, Email: []string{"accounts.google.com:alice@example.com"}, UserID: []string{"accounts.google.com:1"}},
		Client:   listener.Client{Addr: netip.MustParseAddr("203.0.113.9")},
	}
	bare := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }}
	request := httptest.NewRequest("GET", "http://app.test/path?q=1", nil)
	request.Header = http.Header{
		"Accept": {"text/html"}, "Accept-Language": {"en"}, "Accept-Encoding": {"gzip"}, "User-Agent": {"Mozilla/5.0"}, "Cookie": {"a=1; GCP_IAP_UID=2"},
	}
	for name, send := range map[string]func(http.ResponseWriter){
		"here": func(w http.ResponseWriter) { ours.Forward(w, request, up, target, identity) },
		"bare": func(w http.ResponseWriter) { bare.ServeHTTP(w, request) },
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				send(nobody{http.Header{}})
			}
		})
	}
}
