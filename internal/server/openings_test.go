package server_test

import (
	"net/http"
	"strings"
	"testing"
)

func TestAPublicPathPassesWithoutAnybodysName(t *testing.T) {
	t.Parallel()
	g := startGate(t)
	forged := []string{
		"X-Goog-IAP-JWT-Assertion: forged", "x_goog_authenticated_user_email: accounts.google.com:mallory@example.com",
		"X-Goog-Authenticated-User-Id: 1", "Cookie: GCP_IAP_UID=1; own=kept", "X-Hub-Signature-256: sha256=abc",
	}
	response, body := g.raw("POST /hooks/github?a=1 HTTP/1.1\r\nHost: spa.test\r\nContent-Length: 2\r\nConnection: close\r\n" + joinLines(forged) + "\r\n{}")
	if response.StatusCode != 200 || body != "ok" || response.Header.Get("X-Goog-IAP-Generated-Response") != "" {
		t.Fatalf("a webhook gets %d %q", response.StatusCode, body)
	}
	received := g.app.last()
	for _, forbidden := range []string{"forged", "mallory", "GCP_IAP", "X-Goog"} {
		if strings.Contains(received, forbidden) {
			t.Errorf("the application received %q:\n%s", forbidden, received)
		}
	}
	for _, kept := range []string{"POST /hooks/github?a=1 ", "X-Hub-Signature-256: sha256=abc", "Cookie: own=kept"} {
		if !strings.Contains(received, kept) {
			t.Errorf("the application did not receive %q:\n%s", kept, received)
		}
	}

	// Who is known elsewhere is nobody there, and what they prove it by stays here.
	g.get("spa.test", "/healthz", g.as("alice@example.com", spa))
	if received := g.app.last(); !strings.HasPrefix(received, "GET /healthz") || strings.Contains(received, "Authorization") || strings.Contains(received, "X-Goog") {
		t.Errorf("with a token for the gate the application received\n%s", received)
	}
	g.get("spa.test", "/healthz", "Authorization: Bearer of-the-app")
	if received := g.app.last(); !strings.Contains(received, "Authorization: Bearer of-the-app") {
		t.Errorf("the application's own token is gone:\n%s", received)
	}
}

func TestNothingBesideAPublicPathIsOpen(t *testing.T) {
	t.Parallel()
	g := startGate(t)
	for name, c := range map[string]struct {
		method, target string
		status         int
	}{
		"another method":                  {"DELETE", "/hooks/a", 401},
		"another path":                    {"POST", "/", 401},
		"a path that starts alike":        {"POST", "/hooks-internal", 401},
		"dots that leave":                 {"GET", "/hooks/../admin", 302},
		"a parameter that hides the way":  {"GET", "/hooks/x;/../../admin", 302},
		"slashes that hide the way":       {"GET", "/hooks//../../admin", 302},
		"encoded dots":                    {"GET", "/hooks/%2e%2e/admin", 400},
		"encoded dots and slash":          {"GET", "/hooks/..%2fadmin", 400},
		"an encoded slash":                {"GET", "/hooks%2fa", 400},
		"an encoded slash anywhere":       {"GET", "/a%2fb", 400},
		"a dot segment with a parameter":  {"GET", "/hooks/..;/admin", 400},
		"a method by another name":        {"get", "/healthz", 401},
		"a mode on a public path":         {"GET", "/healthz?gcp-iap-mode=GATEHOUSE_SIGN_IN", 302},
		"the callback on a public path":   {"POST", "/hooks?gcp-iap-mode=AUTHENTICATING", 400},
		"an absolute target of elsewhere": {"GET", "http://open.test/hooks", 400},
	} {
		t.Run(name, func(t *testing.T) {
			response, _ := g.raw(c.method + " " + c.target + " HTTP/1.1\r\nHost: spa.test\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
			if received := g.app.last(); response.StatusCode != c.status || received != "" {
				t.Errorf("status %d, the application received %q", response.StatusCode, received)
			}
		})
	}
}

// cors are the headers by which pages of other origins may read an answer.
func cors(h http.Header) string {
	return h.Get("Access-Control-Allow-Origin") + " " + h.Get("Access-Control-Allow-Credentials") + " " + h.Get("Access-Control-Expose-Headers")
}

const readable = " true X-Gatehouse-Sign-In, X-Goog-IAP-Generated-Response"

func TestPagesOfListedOriginsMayReadWhatTheGateAnswers(t *testing.T) {
	t.Parallel()
	g := startGate(t)
	const origin = "Origin: https://spa.example.com"
	for name, c := range map[string]struct {
		target string
		lines  []string
		status int
		signIn string
	}{
		"401":             {"/api", []string{origin, "Sec-Fetch-Mode: cors"}, 401, "http://spa.test/?gcp-iap-mode=GATEHOUSE_SIGN_IN"},
		"a refused token": {"/api", []string{origin, "Authorization: Bearer a.b.c"}, 401, "http://spa.test/?gcp-iap-mode=GATEHOUSE_SIGN_IN"},
		"302":             {"/api", []string{origin}, 302, ""},
		"403":             {"/api", []string{origin, g.as("bob@example.com", spa)}, 403, ""},
		"400":             {"/a%2fb", []string{origin}, 400, ""},
	} {
		t.Run(name, func(t *testing.T) {
			response, _ := g.get("spa.test", c.target, c.lines...)
			h := response.Header
			wantCORS := "https://spa.example.com" + readable
			if c.status == 400 { // nothing was routed to, so nobody says who may read it
				wantCORS = "  "
			}
			if response.StatusCode != c.status || cors(h) != wantCORS || h.Get("X-Gatehouse-Sign-In") != c.signIn {
				t.Errorf("status %d, %s, sign-in %q", response.StatusCode, cors(h), h.Get("X-Gatehouse-Sign-In"))
			}
			if c.status != 400 && h.Get("Vary") != "Origin" {
				t.Errorf("Vary %q", h.Get("Vary"))
			}
		})
	}
	g.get("spa.test", "/api", origin, g.as("alice@example.com", spa))
	if g.app.last() == "" {
		t.Fatal("alice does not get through")
	}
	g.app.say(func(*http.Request) string {
		return "HTTP/1.1 200 OK\r\nAccess-Control-Allow-Origin: https://app.says\r\nVary: Accept\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
	})
	response, _ := g.get("spa.test", "/api", origin, g.as("alice@example.com", spa))
	if got := response.Header; len(got["Access-Control-Allow-Origin"]) != 1 || got.Get("Access-Control-Allow-Origin") != "https://app.says" || got.Get("Vary") != "Accept" {
		t.Errorf("the gate speaks in the application's answer: %v", got)
	}
	g.app.say(func(*http.Request) string { return "" })
	response, _ = g.get("spa.test", "/api", origin, g.as("alice@example.com", spa))
	if response.StatusCode != 502 || cors(response.Header) != "https://spa.example.com"+readable {
		t.Errorf("an application that does not answer: %d, %s", response.StatusCode, cors(response.Header))
	}
}

func TestNobodyElseMayReadWhatTheGateAnswers(t *testing.T) {
	t.Parallel()
	g := startGate(t)
	for _, lines := range [][]string{
		nil, {"Origin: null"}, {"Origin: *"}, {"Origin: https://spa.example.com.evil.test"}, {"Origin: https://evil.test"},
		{"Origin: http://spa.example.com"}, {"Origin: https://spa.example.com:444"}, {"Origin: https://SPA.example.com"},
		{"Origin: https://spa.example.com/"}, {"Origin: https://spa.example.com https://evil.test"},
		{"Origin: https://spa.example.com", "Origin: https://evil.test"}, {"Origin: https://xspa.example.com"},
	} {
		for _, host := range []string{"spa.test", "app.test"} {
			response, _ := g.get(host, "/", append(lines, "Accept: application/json")...)
			if response.StatusCode != 401 || cors(response.Header) != "  " {
				t.Errorf("%s with %v: %d, %s", host, lines, response.StatusCode, cors(response.Header))
			}
			if wantVary := map[string]string{"spa.test": "Origin", "app.test": ""}[host]; response.Header.Get("Vary") != wantVary {
				t.Errorf("%s with %v: Vary %q", host, lines, response.Header.Get("Vary"))
			}
		}
	}
	if response, _ := g.get("app.test", "/", "Origin: https://spa.example.com", "Accept: x/y"); cors(response.Header) != "  " {
		t.Error("another service's origin may read this one's answers")
	}
}

func TestAPreflightOfAListedOriginIsAnsweredByTheGate(t *testing.T) {
	t.Parallel()
	g := startGate(t)
	ask := func(host string, lines ...string) *http.Response {
		response, _ := g.raw("OPTIONS /api HTTP/1.1\r\nHost: " + host + "\r\nConnection: close\r\n" + joinLines(lines) + "\r\n")
		if received := g.app.last(); received != "" {
			t.Errorf("the application received\n%s", received)
		}
		return response
	}
	response := ask("spa.test", "Origin: http://localhost:5173", "Access-Control-Request-Method: PUT", "Access-Control-Request-Headers: content-type, x-own")
	h := response.Header
	if response.StatusCode != 204 || cors(h) != "http://localhost:5173"+readable || h.Get("Access-Control-Allow-Methods") != "PUT" ||
		h.Get("Access-Control-Allow-Headers") != "content-type, x-own" || h.Get("X-Goog-IAP-Generated-Response") != "true" {
		t.Errorf("%d %v", response.StatusCode, h)
	}
	for name, lines := range map[string][]string{
		"another origin":         {"Origin: https://evil.test", "Access-Control-Request-Method: PUT"},
		"no origin":              {"Access-Control-Request-Method: PUT"},
		"an OPTIONS of its own":  {"Origin: http://localhost:5173"},
		"two origins":            {"Origin: http://localhost:5173", "Origin: http://localhost:5173", "Access-Control-Request-Method: PUT"},
		"the origin null":        {"Origin: null", "Access-Control-Request-Method: PUT"},
		"two methods asked for":  {"Origin: http://localhost:5173", "Access-Control-Request-Method: PUT", "Access-Control-Request-Method: GET"},
		"a method that is empty": {"Origin: http://localhost:5173", "Access-Control-Request-Method: "},
	} {
		if response := ask("spa.test", lines...); response.StatusCode != 401 || response.Header.Get("Access-Control-Allow-Methods") != "" {
			t.Errorf("%s: %d %v", name, response.StatusCode, response.Header)
		}
	}
	if response := ask("app.test", "Origin: http://localhost:5173", "Access-Control-Request-Method: PUT"); response.StatusCode != 401 {
		t.Errorf("a service without corsOrigins: %d", response.StatusCode)
	}
}

func TestSigningInForAPageBeginsWhenSomebodyGoesThere(t *testing.T) {
	t.Parallel()
	g := startGate(t)
	const mode = "/?gcp-iap-mode=GATEHOUSE_SIGN_IN"
	alice := g.as("alice@example.com", spa)
	for name, c := range map[string]struct {
		host, target string
		lines        []string
		status       int
	}{
		"somebody unknown":                           {"spa.test", mode, nil, 302},
		"somebody unknown, with a way back":          {"spa.test", mode + "&continue=/app", nil, 302},
		"somebody unknown, with one that leads away": {"spa.test", mode + "&continue=https://evil.test/", nil, 400},
		"a program":                     {"spa.test", mode, []string{alice}, 400},
		"a service that is open to all": {"public.test", mode, nil, 302},
		"a script":                      {"spa.test", mode, []string{"Sec-Fetch-Mode: cors", "Sec-Fetch-Site: same-origin"}, 401},
		"what is loaded in case somebody goes there":   {"spa.test", mode, []string{"Sec-Purpose: prefetch"}, 400},
		"a window that a page of another origin opens": {"spa.test", mode, []string{"Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document", "Sec-Fetch-Site: cross-site"}, 302},
	} {
		t.Run(name, func(t *testing.T) {
			response, _ := g.get(c.host, c.target, c.lines...)
			if response.StatusCode != c.status || c.status != 302 && len(response.Header["Set-Cookie"]) > 0 || g.app.last() != "" {
				t.Errorf("%d, cookies %v", response.StatusCode, response.Header["Set-Cookie"])
			}
		})
	}
	response, _ := g.get("prefixed.test", "/api/x", "Accept: application/json")
	if got := response.Header.Get("X-Gatehouse-Sign-In"); got != "http://prefixed.test/api/?gcp-iap-mode=GATEHOUSE_SIGN_IN" {
		t.Errorf("a service with a path prefix signs in at %q", got)
	}
}
