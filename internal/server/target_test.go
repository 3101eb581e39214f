package server_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/gatehouse-iap/gatehouse/internal/audit"
	"github.com/gatehouse-iap/gatehouse/internal/policy"
	"github.com/gatehouse-iap/gatehouse/internal/server"
)

func TestPathAndQueryReachTheAppAsReceived(t *testing.T) {
	t.Parallel()
	g := startGate(t)
	for _, target := range []string{
		"/", "/a|b", "//a", "/a/", "/a//b", "/a%2Fb", "/a%2fb", "/%61", "/?", "/?b=1;c=2", "/?x=%zz", "/?a=b&a=c", "/a;v=1/b", "/a/../b", "/./a",
		"/a?x=/../..", "/\xc3\xa9", "/a'b(c)*!", `/"<>^{}` + "`", "/a+b", "/a?q=\"<>", "/%E2%82%AC", "//a//b?c", "/a:b@c", "/?gcp-iap-mode=UNKNOWN",
	} {
		for _, host := range []string{"open.test", "app.test"} {
			response, body := g.get(host, target, g.as("alice@example.com", private))
			line, _, _ := strings.Cut(g.app.last(), "\r\n")
			if line != "GET "+target+" HTTP/1.1" {
				t.Errorf("%s at %s reached the app as %q (status %d %s)", target, host, line, response.StatusCode, body)
			}
		}
	}
}

func TestTargetsThatAreRefusedNeverReachTheApp(t *testing.T) {
	t.Parallel()
	g := startGate(t)
	for name, request := range map[string]string{
		"an encoded NUL":                        "GET /a%00 HTTP/1.1\r\nHost: open.test\r\n\r\n",
		"a backslash":                           "GET /a\\b HTTP/1.1\r\nHost: open.test\r\n\r\n",
		"a fragment":                            "GET /a#b HTTP/1.1\r\nHost: open.test\r\n\r\n",
		"an encoded dot segment":                "GET /a/%2e%2e/b HTTP/1.1\r\nHost: open.test\r\n\r\n",
		"a dot segment with a parameter":        "GET /a/..;/b HTTP/1.1\r\nHost: open.test\r\n\r\n",
		"an incomplete escape":                  "GET /a%2 HTTP/1.1\r\nHost: open.test\r\n\r\n",
		"absolute form":                         "GET http://open.test/ HTTP/1.1\r\nHost: open.test\r\n\r\n",
		"absolute form of another host":         "GET http://open.test/ HTTP/1.1\r\nHost: app.test\r\n\r\n",
		"no leading slash":                      "GET a HTTP/1.1\r\nHost: open.test\r\n\r\n",
		"an asterisk":                           "GET * HTTP/1.1\r\nHost: open.test\r\n\r\n",
		"two Host lines":                        "GET / HTTP/1.1\r\nHost: open.test\r\nHost: app.test\r\n\r\n",
		"no Host":                               "GET / HTTP/1.1\r\n\r\n",
		"a Host with a path":                    "GET / HTTP/1.1\r\nHost: open.test/x\r\n\r\n",
		"a Host with user information":          "GET / HTTP/1.1\r\nHost: x@open.test\r\n\r\n",
		"a control byte":                        "GET /a\x01 HTTP/1.1\r\nHost: open.test\r\n\r\n",
		"an encoded slash on a host with rules": "GET /api/a%2fb HTTP/1.1\r\nHost: prefixed.test\r\n\r\n",
		"forms that lead elsewhere":             "GET /api/../other HTTP/1.1\r\nHost: prefixed.test\r\n\r\n",
		"a space before the colon":              "GET / HTTP/1.1\r\nHost: open.test\r\nX-Goog-Iap-Jwt-Assertion : x\r\n\r\n",
		"two lengths":                           "POST / HTTP/1.1\r\nHost: open.test\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
	} {
		t.Run(name, func(t *testing.T) {
			response, _ := g.raw(request)
			if response.StatusCode != http.StatusBadRequest {
				t.Errorf("status %d", response.StatusCode)
			}
			if seen := g.app.last(); seen != "" {
				t.Errorf("the app received:\n%s", seen)
			}
		})
	}
}

func TestMethodsThatTunnelOrReflectReachNobody(t *testing.T) {
	t.Parallel()
	recorded := make(chan audit.Decision, 1)
	g := startGate(t, func(o *server.Options) {
		o.Development.Decision = func(d *audit.Decision) { recorded <- *d }
	})
	for name, request := range map[string]string{
		"CONNECT":                            "CONNECT app.test:443 HTTP/1.1\r\nHost: app.test:443",
		"TRACE":                              "TRACE / HTTP/1.1\r\nHost: app.test",
		"TRACE by somebody who may pass":     "TRACE / HTTP/1.1\r\nHost: app.test\r\n" + g.as("alice@example.com", private),
		"TRACE where the gate is off":        "TRACE / HTTP/1.1\r\nHost: open.test",
		"TRACE in another case":              "Trace / HTTP/1.1\r\nHost: open.test",
		"TRACE in absolute form":             "TRACE http://open.test/ HTTP/1.1\r\nHost: open.test",
		"TRACE of a special URL":             "TRACE /?gcp-iap-mode=IDENTITY HTTP/1.1\r\nHost: app.test",
		"TRACE of a host that is not there":  "TRACE / HTTP/1.1\r\nHost: other.test",
		"TRACE that wants another protocol":  "TRACE / HTTP/1.1\r\nHost: open.test\r\nConnection: Upgrade\r\nUpgrade: websocket",
		"TRACE of somebody else's preflight": "TRACE / HTTP/1.1\r\nHost: open.test\r\nOrigin: https://evil.test\r\nAccess-Control-Request-Method: TRACE",
	} {
		response, body := g.raw(request + "\r\nX-Sent: reflected\r\n\r\n")
		if allow := response.Header.Get("Allow"); response.StatusCode != http.StatusMethodNotAllowed || !strings.HasPrefix(allow, "GET, HEAD, POST") {
			t.Errorf("%s: status %d, allowed %q", name, response.StatusCode, allow)
		}
		if response.Header.Get("X-Goog-IAP-Generated-Response") != "true" || strings.Contains(body, "reflected") {
			t.Errorf("%s: %v\n%s", name, response.Header, body)
		}
		if d := <-recorded; d.Reason != policy.MethodRefused || d.Status != http.StatusMethodNotAllowed {
			t.Errorf("%s: recorded %s, %d", name, d.Reason, d.Status)
		}
		if seen := g.app.last(); seen != "" {
			t.Errorf("%s: the app received:\n%s", name, seen)
		}
	}
	if response, _ := g.raw("PROPFIND / HTTP/1.1\r\nHost: open.test\r\n\r\n"); response.StatusCode != http.StatusOK {
		t.Errorf("any other method: status %d", response.StatusCode)
	}
}

func TestHostsAndPathsOfNoServiceAreNotFound(t *testing.T) {
	t.Parallel()
	g := startGate(t)
	for _, c := range []struct{ host, target string }{
		{"other.test", "/"}, {"app.test.evil.test", "/"}, {"prefixed.test", "/"}, {"prefixed.test", "/apiary"}, {"127.0.0.1", "/"},
	} {
		if response, _ := g.get(c.host, c.target); response.StatusCode != http.StatusNotFound || response.Header.Get("X-Goog-IAP-Generated-Response") != "true" {
			t.Errorf("%s%s: status %d", c.host, c.target, response.StatusCode)
		}
	}
	for _, host := range []string{"OPEN.test", "open.test.", "open.test:1234"} {
		if response, _ := g.get(host, "/"); response.StatusCode != http.StatusOK {
			t.Errorf("%s: status %d", host, response.StatusCode)
		}
	}
}

func TestOptionsOfTheWholeServerPassesAsAsterisk(t *testing.T) {
	t.Parallel()
	g := startGate(t)
	g.raw("OPTIONS * HTTP/1.1\r\nHost: open.test\r\nConnection: close\r\n\r\n")
	if line, _, _ := strings.Cut(g.app.last(), "\r\n"); line != "OPTIONS * HTTP/1.1" {
		t.Errorf("reached the app as %q", line)
	}
}
