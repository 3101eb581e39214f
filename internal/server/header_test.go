package server_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
)

// spoofed are the ways in which a client may try to speak as the gate. Each line carries the word "mallory".
var spoofed = []string{
	"X-Goog-IAP-JWT-Assertion: mallory",
	"x-goog-iap-jwt-assertion: mallory",
	"X_Goog_IAP_JWT_Assertion: mallory",
	"X.Goog.Iap.Jwt.Assertion: mallory",
	"X-Goog_Iap-Jwt_Assertion: mallory",
	"X!Goog#Iap$Jwt%Assertion: mallory",
	"X-Goog-Authenticated-User-Email: accounts.google.com:mallory@evil.test",
	"X-Goog-Authenticated-User-Id: mallory",
	"x_goog_authenticated_user_email: mallory",
	"X-Goog-Authenticated-User-JWT: mallory",
	"X-Goog-Iap-Attr-Role: mallory",
	"X-Goog-Anything: mallory",
	"X-Forwarded-For: mallory",
	"X_Forwarded_For: mallory",
	"X-Forwarded-Host: mallory",
	"X-Forwarded-Proto: mallory",
	"X-Forwarded-User: mallory",
	"X-Forwarded-Prefix: /mallory",
	"Forwarded: for=mallory",
	"X-Original-URL: /mallory",
	"X-Rewrite-URL: /mallory",
	"X-Real-IP: mallory",
	"True-Client-IP: mallory",
	"true_client_ip: mallory",
	"X-Client-IP: mallory",
	"X-Cluster-Client-Ip: mallory",
	"CF-Connecting-IP: mallory",
	"CF-Connecting-IPv6: mallory",
	"Fastly-Client-IP: mallory",
	"X-Envoy-External-Address: mallory",
	"X-Azure-ClientIP: mallory",
	"Client-Cert: :bWFsbG9yeQ==: mallory",
	"Client_Cert_Chain: mallory",
	"Cookie: GCP_IAP_UID=mallory",
	"Cookie: __Host-GCP_IAP_AUTH_TOKEN_0123456789abcdef=mallory",
	"Cookie: GCP_IAAP_AUTH_TOKEN_0123456789ABCDEF=mallory",
	"Cookie: gcp_iap_uid=mallory",
}

func TestNoHeaderOfAClientReachesTheAppAsOneOfOurs(t *testing.T) {
	t.Parallel()
	g := startGate(t)
	token := g.as("alice@example.com", private)
	for _, spoof := range spoofed {
		for where, lines := range map[string][]string{
			"alone":                    {spoof},
			"twice":                    {spoof, spoof},
			"named in Connection":      {spoof, "Connection: " + strings.SplitN(spoof, ":", 2)[0]},
			"beside a harmless header": {"X-Harmless: yes", spoof, "Accept: */*"},
		} {
			for host, auth := range map[string]string{"app.test": token, "open.test": "X-Nobody: yes", "public.test": "X-Nobody: yes"} {
				response, _ := g.get(host, "/", append([]string{auth}, lines...)...)
				if response.StatusCode != http.StatusOK {
					t.Fatalf("%s at %s: status %d", spoof, host, response.StatusCode)
				}
				if seen := g.app.last(); strings.Contains(seen, "mallory") {
					t.Errorf("%s (%s) at %s reached the app:\n%s", spoof, where, host, seen)
				}
			}
		}
	}
}

func TestAppEngineAppsAreSparedTheirOwnHeadersToo(t *testing.T) {
	t.Parallel()
	g := startGate(t)
	spoofs := []string{"X-Appengine-User-Email: mallory", "x_appengine_inbound_appid: mallory", "X-Google-Real-IP: mallory"}
	g.get("engine.test", "/", append(spoofs, g.as("alice@example.com", engine))...)
	if seen := g.app.last(); seen == "" || strings.Contains(seen, "mallory") {
		t.Errorf("the App Engine app received:\n%s", seen)
	}
	g.get("app.test", "/", append(spoofs, g.as("alice@example.com", private))...)
	if seen := g.app.last(); !strings.Contains(seen, "X-Appengine-User-Email: mallory") {
		t.Errorf("a backend service did not receive what means nothing to it:\n%s", seen)
	}
}

func TestConnectionCannotTakeOutOurHeaders(t *testing.T) {
	t.Parallel()
	g := startGate(t)
	g.get("app.test", "/", g.as("alice@example.com", private),
		"Connection: X-Goog-Iap-Jwt-Assertion, X-Goog-Authenticated-User-Email, x-goog-authenticated-user-id, X-Forwarded-For, Host")
	seen := g.app.last()
	for _, name := range []string{"X-Goog-Iap-Jwt-Assertion", "X-Goog-Authenticated-User-Email", "X-Goog-Authenticated-User-Id", "X-Forwarded-For", "Host"} {
		if len(headerOf(seen, name)) != 1 {
			t.Errorf("%s is there %d times:\n%s", name, len(headerOf(seen, name)), seen)
		}
	}
}

func TestTheIdentityHeadersSayWhoAsks(t *testing.T) {
	t.Parallel()
	g := startGate(t)
	g.get("app.test", "/", g.as("alice@example.com", private))
	seen := g.app.last()
	if got := headerOf(seen, "X-Goog-Authenticated-User-Email"); !slices.Equal(got, []string{"accounts.google.com:alice@example.com"}) {
		t.Errorf("e-mail header %q", got)
	}
	id := headerOf(seen, "X-Goog-Authenticated-User-Id")
	if len(id) != 1 || len(id[0]) != len("accounts.google.com:")+21 {
		t.Errorf("id header %q", id)
	}
	if assertion := headerOf(seen, "X-Goog-Iap-Jwt-Assertion"); len(assertion) != 1 || strings.Count(assertion[0], ".") != 2 {
		t.Errorf("assertion %q", assertion)
	}
}

func TestWithTheGateOffOrOpenToAllTheAppIsToldNobodysName(t *testing.T) {
	t.Parallel()
	g := startGate(t)
	g.get("open.test", "/", "Authorization: Basic eDp5")
	seen := g.app.last()
	if strings.Contains(seen, "X-Goog-") || !strings.Contains(seen, "Authorization: Basic eDp5") {
		t.Errorf("with the gate off the app received:\n%s", seen)
	}
	g.get("public.test", "/")
	seen = g.app.last()
	if strings.Contains(seen, "X-Goog-Authenticated-User") || len(headerOf(seen, "X-Goog-Iap-Jwt-Assertion")) != 1 {
		t.Errorf("open to all, the app received:\n%s", seen)
	}
}

func TestCookiesOfTheAppPassByteForByte(t *testing.T) {
	t.Parallel()
	g := startGate(t)
	for in, want := range map[string][]string{
		`a=1; b="x y";c=2`:               {`a=1; b="x y";c=2`},
		"a=1; GCP_IAP_UID=7; b=2":        {"a=1; b=2"},
		"GCP_IAP_UID=7; a=1":             {"a=1"},
		"GCP_IAP_UID=7":                  nil,
		"a=1;GCP_IAP_XSRF_NONCE_x=1;b=2": {"a=1;b=2"},
		"noequals; GCP_IAP_UID; b=2":     {"noequals; b=2"},
		"NOT_GCP_IAP_UID=7":              {"NOT_GCP_IAP_UID=7"},
	} {
		g.get("open.test", "/", "Cookie: "+in)
		if got := headerOf(g.app.last(), "Cookie"); !slices.Equal(got, want) {
			t.Errorf("%q reached the app as %q", in, got)
		}
	}
}

func TestTheConsumedCredentialNeverReachesTheApp(t *testing.T) {
	t.Parallel()
	g := startGate(t)
	token := g.token("alice@example.com", private)
	for name, c := range map[string]struct {
		lines []string
		want  []string // Authorization as the app sees it
	}{
		"in Authorization":                             {[]string{"Authorization: Bearer " + token}, nil},
		"in Authorization, scheme in capitals":         {[]string{"Authorization: BEARER " + token}, nil},
		"in Proxy-Authorization":                       {[]string{"Proxy-Authorization: Bearer " + token}, nil},
		"in Proxy-Authorization beside the app's own":  {[]string{"Proxy-Authorization: Bearer " + token, "Authorization: Basic eDp5"}, []string{"Basic eDp5"}},
		"in Proxy-Authorization beside a bearer of it": {[]string{"Proxy-Authorization: Bearer " + token, "Authorization: Bearer opaque"}, []string{"Bearer opaque"}},
		"in Authorization beside a foreign proxy's":    {[]string{"Authorization: Bearer " + token, "Proxy-Authorization: Basic eDp5"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			response, _ := g.get("app.test", "/", c.lines...)
			seen := g.app.last()
			if response.StatusCode != http.StatusOK || !slices.Equal(headerOf(seen, "Authorization"), c.want) || strings.Contains(seen, "Proxy-Authorization") || strings.Contains(seen, token) {
				t.Errorf("status %d, the app received:\n%s", response.StatusCode, seen)
			}
		})
	}
}

func TestTheAppLearnsWhereARequestCameFromByOurWordOnly(t *testing.T) {
	t.Parallel()
	g := startGate(t)
	g.get("app.test:8080", "/", g.as("alice@example.com", private), "X-Forwarded-For: 1.2.3.4", "Forwarded: for=1.2.3.4")
	seen := g.app.last()
	for name, want := range map[string]string{
		"Host": "app.test:8080", "X-Forwarded-For": "127.0.0.1", "X-Forwarded-Proto": "http", "X-Forwarded-Host": "app.test:8080",
		"Forwarded": `for=127.0.0.1;host="app.test:8080";proto=http`,
	} {
		if got := headerOf(seen, name); !slices.Equal(got, []string{want}) {
			t.Errorf("%s is %q", name, got)
		}
	}
}

func TestTrailersObeyTheRulesOfHeaders(t *testing.T) {
	t.Parallel()
	g := startGate(t)
	g.raw("POST / HTTP/1.1\r\nHost: open.test\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n" +
		"Trailer: X-Sum, X-Goog-Iap-Jwt-Assertion, X_Goog_Iap_Jwt_Assertion, Cookie, Authorization, Client-Cert\r\n\r\n" +
		"2\r\nhi\r\n0\r\nX-Sum: 42\r\nX-Goog-Iap-Jwt-Assertion: mallory\r\nX_Goog_Iap_Jwt_Assertion: mallory\r\nX-Goog-Surprise: mallory\r\n" +
		"Cookie: GCP_IAP_UID=mallory\r\nAuthorization: Bearer mallory\r\nClient-Cert: mallory\r\n\r\n")
	seen := g.app.last()
	if strings.Contains(seen, "mallory") || !strings.Contains(seen, "\r\nX-Sum: 42\r\n") {
		t.Errorf("the app received:\n%s", seen)
	}
}

func TestTheAppCannotSpeakAsTheGate(t *testing.T) {
	t.Parallel()
	g := startGate(t)
	g.app.say(func(*http.Request) string {
		return "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\nX-Goog-IAP-Generated-Response: true\r\nX_Goog_Iap_X: 1\r\n" +
			"Set-Cookie: GCP_IAP_UID=1\r\nSet-Cookie: __Host-GCP_IAP_AUTH_TOKEN_0=1; Path=/\r\nSet-Cookie: own=1\r\nX-Own: 1\r\n\r\n"
	})
	response, _ := g.get("open.test", "/")
	if response.Header.Get("X-Goog-IAP-Generated-Response") != "" || response.Header.Get("X_Goog_Iap_X") != "" {
		t.Errorf("headers of ours passed: %v", response.Header)
	}
	if got := response.Header.Values("Set-Cookie"); !slices.Equal(got, []string{"own=1"}) || response.Header.Get("X-Own") != "1" {
		t.Errorf("the client received %v", response.Header)
	}
}
