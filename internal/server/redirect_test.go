package server_test

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/gatehouse-iap/gatehouse/internal/metrics"
	"github.com/gatehouse-iap/gatehouse/internal/server"
	"github.com/gatehouse-iap/gatehouse/internal/signin"
)

// What a plain listener refuses is a decision like any other: it is counted, recorded and has an id.
func TestWhatIsNotRedirectedIsRecorded(t *testing.T) {
	t.Parallel()
	counted := metrics.New("test")
	g := startGate(t, func(o *server.Options) {
		o.External = signin.External{Scheme: "https", Port: 443}
		o.Health = &server.Health{Listener: listen(t), Metrics: counted}
	})
	redirect := g.server.Redirect()
	for reason, c := range map[string]struct {
		host   string
		header http.Header
		status int
	}{
		"host_unknown":  {"evil.test", nil, 404},
		"host_invalid":  {"a..test", nil, 400},
		"redirect_loop": {"app.test", http.Header{"X-Forwarded-Proto": {"https"}}, 500},
	} {
		r := httptest.NewRequest("GET", "/a?secret", nil) // from 192.0.2.1
		r.Host = c.host
		for name, values := range c.header {
			r.Header[name] = values
		}
		r.Header.Set("Accept", "text/html")
		w := httptest.NewRecorder()
		redirect.ServeHTTP(w, r)
		d, err := g.server.Admin().Explain(t.Context(), decisionID(w.Body.String()))
		if err != nil || string(d.Reason) != reason || d.Status != c.status || d.Host != c.host || d.Path != "/a" || d.Peer != "192.0.2.1" {
			t.Errorf("%s: %+v, %v, after\n%s", reason, d, err, w.Body)
		}
		scrape := httptest.NewRecorder()
		counted.Handler().ServeHTTP(scrape, httptest.NewRequest("GET", "/metrics", nil))
		line := fmt.Sprintf("gatehouse_decisions_total{code=%q,reason=%q,resource=\"none\"} 1", strconv.Itoa(c.status), reason)
		if !strings.Contains(scrape.Body.String(), line) {
			t.Errorf("the metrics lack %s", line)
		}
	}
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestPlainHTTPLeadsToTheExternalURLOfHostsThatAreServed(t *testing.T) {
	t.Parallel()
	external := func(scheme string) func(*server.Options) {
		return func(o *server.Options) { o.External = signin.External{Scheme: scheme, Port: 8443} }
	}
	https := startGate(t, external("https")).server.Redirect()
	loop := startGate(t, external("http")).server.Redirect()
	behind := startGate(t, external("https"), trusting("192.0.2.0/24")).server.Redirect()
	for name, c := range map[string]struct {
		handler http.Handler
		host    string
		header  http.Header
		status  int
		says    string // Location, or a part of the page
	}{
		"an application":       {https, "app.test", nil, 301, "https://app.test:8443/a?b=%zz"},
		"the auth host":        {https, "auth.test", nil, 301, "https://auth.test:8443/a?b=%zz"},
		"a stranger's host":    {https, "evil.test", nil, 404, "host_unknown"},
		"a malformed host":     {https, "a..test", nil, 400, "host_invalid"},
		"to itself":            {loop, "app.test", nil, 500, "redirectToHTTPS: false"},
		"a forgotten proxy":    {https, "app.test", http.Header{"X-Forwarded-Proto": {"https"}}, 500, "trustedProxies: [192.0.2.1/32]"},
		"a trusted proxy":      {behind, "app.test", http.Header{"X-Forwarded-Proto": {"https"}}, 401, "empty token"},
		"its plain clients":    {behind, "app.test", http.Header{"X-Forwarded-Proto": {"http"}}, 301, "https://app.test:8443/a?b=%zz"},
		"its contradictions":   {behind, "app.test", http.Header{"X-Forwarded-Proto": {"https", "http"}}, 400, "proxy_conflict"},
		"a proxy that is mute": {behind, "app.test", nil, 500, "X-Forwarded-Proto"},
	} {
		r := httptest.NewRequest("GET", "/a?b=%zz", nil) // from 192.0.2.1
		r.Host = c.host
		r.Header.Set("Accept", "application/json")
		for field, values := range c.header {
			r.Header[field] = values
		}
		w := httptest.NewRecorder()
		c.handler.ServeHTTP(w, r)
		said := w.Header().Get("Location")
		if said == "" {
			said = w.Body.String()
		}
		if w.Code != c.status || !strings.Contains(said, c.says) {
			t.Errorf("%s: %d %s", name, w.Code, said)
		}
	}
}
