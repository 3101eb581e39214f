package server_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gatehouse-iap/gatehouse/internal/server"
	"github.com/gatehouse-iap/gatehouse/internal/signin"
)

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
