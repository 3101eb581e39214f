package listener

import (
	"bufio"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
)

// redirecting answers on a plain listener for app.test, under an external origin.
func redirecting(t *testing.T, scheme, port string, trusted ...string) string {
	t.Helper()
	return serve(t, Spec{}, &Redirect{
		Origin: func(host string) string { return scheme + "://" + host + port },
		Canonical: func(host string) (string, error) {
			name, _, _ := strings.Cut(strings.ToLower(host), ":")
			if strings.ContainsAny(name, "_/") {
				return "", errors.New("malformed")
			}
			return name, nil
		},
		Serves:  func(host string) bool { return host == "app.test" || host == "app.localhost" },
		Proxies: NewTrustedProxies(prefixes(t, trusted...), nil),
		Next: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "the gate")
		}),
		Problem: func(w http.ResponseWriter, _ *http.Request, p Problem) {
			w.WriteHeader([]int{RequestMalformed: 400, RequestUnserved: 404, RedirectLoops: 500}[p.Kind])
			_, _ = io.WriteString(w, p.Detail)
		},
	})
}

func TestPlainHTTPIsSentToTheSameAddressUnderTheExternalURL(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		port, request string
		status        int
		location      string
	}{
		"a page":                   {"", "GET /a HTTP/1.1\r\nHost: app.test", 301, "https://app.test/a"},
		"HEAD":                     {"", "HEAD / HTTP/1.1\r\nHost: app.test", 301, "https://app.test/"},
		"a form":                   {"", "POST /a HTTP/1.1\r\nContent-Length: 0\r\nHost: app.test", 308, "https://app.test/a"},
		"another port":             {":8443", "GET /a HTTP/1.1\r\nHost: app.test:8080", 301, "https://app.test:8443/a"},
		"capitals":                 {"", "GET / HTTP/1.1\r\nHost: APP.test", 301, "https://app.test/"},
		"every byte of the target": {"", "GET //evil.test/%2e%2E/a|b?x=%zz&y=http://a;b? HTTP/1.1\r\nHost: app.test", 301, "https://app.test//evil.test/%2e%2E/a|b?x=%zz&y=http://a;b?"},
		"a bare question mark":     {"", "GET /a? HTTP/1.1\r\nHost: app.test", 301, "https://app.test/a?"},
		"a host of somebody else":  {"", "GET / HTTP/1.1\r\nHost: evil.test", 404, ""},
		"a malformed host":         {"", "GET / HTTP/1.1\r\nHost: a_b", 400, ""},
		"absolute form":            {"", "GET http://app.test/a HTTP/1.1\r\nHost: app.test", 400, ""},
		"another's absolute form":  {"", "GET http://evil.test/a HTTP/1.1\r\nHost: app.test", 400, ""},
		"OPTIONS *":                {"", "OPTIONS * HTTP/1.1\r\nHost: app.test", 400, ""},
		"CONNECT":                  {"", "CONNECT app.test:443 HTTP/1.1\r\nHost: app.test", 400, ""},
		"a forwarded host":         {"", "GET / HTTP/1.1\r\nHost: app.test\r\nX-Forwarded-Host: evil.test", 301, "https://app.test/"},
	} {
		response := askRaw(t, redirecting(t, "https", c.port), c.request)
		if got := response.Header.Get("Location"); response.StatusCode != c.status || got != c.location {
			t.Errorf("%s: %d to %q", name, response.StatusCode, got)
		}
	}
}

func TestARedirectToItselfIsAPageThatNamesTheCause(t *testing.T) {
	t.Parallel()
	const get = "GET / HTTP/1.1\r\nHost: app.test\r\n"
	for name, c := range map[string]struct {
		scheme  string
		trusted []string
		request string
		status  int
		says    string
	}{
		"externalURL is http":                      {"http", nil, get, 500, "externalURL is http://app.test"},
		"a forgotten proxy":                        {"https", nil, get + "X-Forwarded-Proto: https\r\n", 500, "trustedProxies: [127.0.0.1/32]"},
		"a forgotten proxy, in other words":        {"https", nil, get + "Forwarded: for=192.0.2.1;Proto=https\r\n", 500, "trustedProxies: [127.0.0.1/32]"},
		"a forgotten proxy, in Microsoft's":        {"https", nil, get + "Front-End-Https: On\r\n", 500, "trustedProxies: [127.0.0.1/32]"},
		"a silent proxy, the second time":          {"https", nil, get + "Cookie: a=b; " + loopCookie + "=1\r\n", 500, "ends https and talks plain HTTP"},
		"a trusted proxy that does not say":        {"https", []string{"127.0.0.1/32"}, get, 500, "Let it set X-Forwarded-Proto"},
		"a trusted proxy's client on plain":        {"https", []string{"127.0.0.1/32"}, get + "X-Forwarded-Proto: http\r\n", 301, ""},
		"a trusted proxy's client on plain, again": {"https", []string{"127.0.0.1/32"}, get + "X-Forwarded-Proto: http\r\nCookie: " + loopCookie + "=1\r\n", 301, ""},
		"a trusted proxy's client on https":        {"https", []string{"127.0.0.1/32"}, get + "X-Forwarded-Proto: https\r\n", 200, "the gate"},
		"a trusted proxy that contradicts itself":  {"https", []string{"127.0.0.1/32"}, get + "X-Forwarded-Proto: https,http\r\n", 200, "the gate"}, // which refuses it
		"an honest client":                         {"https", nil, get + "X-Forwarded-Proto: http\r\n", 301, ""},
	} {
		response := askRaw(t, redirecting(t, c.scheme, "", c.trusted...), strings.TrimSuffix(c.request, "\r\n"))
		body, _ := io.ReadAll(response.Body)
		if response.StatusCode != c.status || !strings.Contains(string(body), c.says) {
			t.Errorf("%s: %d %s", name, response.StatusCode, body)
		}
	}
}

func TestBehindALoadBalancerWithPROXYTheCauseIsNamedToo(t *testing.T) {
	t.Parallel()
	l := serve(t, Spec{ProxyFrom: prefixes(t, "127.0.0.1/32")}, &Redirect{
		Origin:    func(host string) string { return "https://" + host },
		Canonical: func(host string) (string, error) { return host, nil }, Serves: func(string) bool { return true },
		Problem: func(w http.ResponseWriter, _ *http.Request, p Problem) { _, _ = io.WriteString(w, p.Detail) },
	})
	got := answerTo(t, l, "PROXY TCP4 203.0.113.9 192.0.2.1 4711 443\r\n",
		"GET / HTTP/1.1\r\nHost: app.test\r\nCookie: "+loopCookie+"=1\r\nConnection: close\r\n\r\n")
	if !strings.Contains(got, "redirectToHTTPS: false") || strings.Contains(got, "203.0.113.9") {
		t.Error(got)
	}
}

func TestTheMarkOfARedirectIsKeptOnlyOverTLS(t *testing.T) {
	t.Parallel()
	address := redirecting(t, "https", "")
	if got := askRaw(t, address, "GET / HTTP/1.1\r\nHost: app.test").Header.Get("Set-Cookie"); !strings.HasPrefix(got, "__Host-") || !strings.Contains(got, "; Secure") {
		t.Errorf("cookie %q", got)
	}
	// Browsers keep Secure cookies of localhost even without TLS.
	if got := askRaw(t, address, "GET / HTTP/1.1\r\nHost: app.localhost").Header.Get("Set-Cookie"); got != "" {
		t.Errorf("on localhost: cookie %q", got)
	}
}

// askRaw sends a request head as it is, on a connection of its own.
func askRaw(t *testing.T, address, head string) *http.Response {
	t.Helper()
	c := dial(t, address)
	if _, err := io.WriteString(c, head+"\r\nConnection: close\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	method, _, _ := strings.Cut(head, " ")
	response, err := http.ReadResponse(bufio.NewReader(c), &http.Request{Method: method})
	if err != nil {
		t.Fatalf("%q: %v", head, err)
	}
	return response
}
