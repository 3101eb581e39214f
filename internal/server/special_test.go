package server_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/gatehouse-iap/gatehouse/assertion"
	"github.com/gatehouse-iap/gatehouse/internal/specialurl"
)

func TestIdentityIsToldToWhoeverIsSignedInAndToNobodyElse(t *testing.T) {
	t.Parallel()
	g := startGate(t)
	bob := g.as("bob@example.com", private) // may not use the application
	_, at := g.get("app.test", "/?gcp-iap-mode=IDENTITY", bob)
	sub := at[strings.LastIndex(at, ":")+1:]
	sub = strings.TrimSuffix(sub, `"}`)
	want := `{"email":"accounts.google.com:bob@example.com","sub":"accounts.google.com:` + sub + `"}`
	if len(sub) != 21 || at != want {
		t.Fatalf("got %s, want %s with 21 digits", at, want)
	}
	for name, target := range map[string]string{
		"the parameter": "/deep//path?x=1&gcp-iap-mode=IDENTITY", "the older path": "/_gcp_iap/identity", "the older path with a query": "/_gcp_iap/identity?x=1",
	} {
		response, body := g.get("app.test", target, bob, "Origin: https://evil.test")
		h := response.Header
		if response.StatusCode != http.StatusOK || body != want || h.Get("Content-Type") != "application/json" {
			t.Errorf("%s: %d, %q of type %q", name, response.StatusCode, body, h.Get("Content-Type"))
		}
		if h.Get("Cache-Control") != "no-store" || h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Cross-Origin-Resource-Policy") != "same-origin" ||
			h.Get("X-Goog-IAP-Generated-Response") != "true" || !strings.Contains(h.Get("Content-Security-Policy"), "frame-ancestors 'none'") {
			t.Errorf("%s: headers %v", name, h)
		}
		for header := range h {
			if strings.HasPrefix(header, "Access-Control-") {
				t.Errorf("%s: %s lets another origin read it", name, header)
			}
		}
	}
	response, body := g.raw("HEAD /?gcp-iap-mode=IDENTITY HTTP/1.1\r\nHost: app.test\r\nConnection: close\r\n" + bob + "\r\n\r\n")
	if response.StatusCode != http.StatusOK || body != "" || response.ContentLength != int64(len(want)) {
		t.Errorf("HEAD: %d, %d bytes, %q", response.StatusCode, response.ContentLength, body)
	}
	for name, c := range map[string]struct {
		lines  []string
		status int
	}{
		"nobody":                 {nil, 302},
		"nobody, for JSON":       {[]string{"Accept: application/json"}, 401},
		"a bad token":            {[]string{"Authorization: Bearer x.y.z", "Accept: text/html"}, 401},
		"another site's fetch":   {[]string{bob, "Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: cors", "Sec-Fetch-Dest: empty"}, 400},
		"another site's preload": {[]string{bob, "Sec-Fetch-Site: same-site", "Sec-Fetch-Mode: no-cors", "Sec-Fetch-Dest: script"}, 400},
	} {
		if response, body := g.get("app.test", "/?gcp-iap-mode=IDENTITY", c.lines...); response.StatusCode != c.status || strings.Contains(body, "bob@") {
			t.Errorf("%s: %d %s", name, response.StatusCode, body)
		}
	}
	if seen := g.app.last(); seen != "" {
		t.Errorf("the application received\n%s", seen)
	}
}

func TestNoSpellingOfAnOlderPathReachesTheApplication(t *testing.T) {
	t.Parallel()
	g := startGate(t)
	alice := g.as("alice@example.com", private)
	targets := []string{"/_gcp_iap", "/_gcp_iap/", "/_gcp_iap/unknown", "/_gcp_gatekeeper/x", "/_gcp_iap/static/none.css", "/_gcp_iap/static/../identity"}
	for _, path := range specialurl.Paths() {
		path = strings.Replace(path, "secure_token_test/", "secure_token_test/SIGNATURE", 1)
		slash := strings.LastIndexByte(path, '/')
		rest := strings.TrimPrefix(path, "/_")
		targets = append(targets,
			"/"+path, "/x/.."+path, "/."+path, "/%5f"+rest, "/%5F"+rest, strings.ToUpper(path), strings.Replace(path, "gcp", "GCP", 1),
			path[:slash]+"%2f"+path[slash+1:], "/%2f_"+rest, "/%5c_"+rest, "/"+strings.Replace(path[1:], "/", ";a/", 1), "/;a"+path, path+"/", path+";a",
			strings.Replace(path, "_gcp", "_g%63p", 1), path+"?gcp-iap-mode=UNKNOWN&gcp-iap-mode=OTHER")
	}
	for _, target := range targets {
		response, _ := g.get("app.test", target, alice)
		if seen := g.app.last(); seen != "" {
			t.Errorf("%s reaches the application:\n%s", target, seen)
		}
		if response.Header.Get("X-Goog-IAP-Generated-Response") != "true" || response.StatusCode < 400 {
			t.Errorf("%s: %d %v", target, response.StatusCode, response.Header)
		}
	}
	// The other way about: what only resembles one is the application's.
	for _, target := range []string{"/x/_gcp_iap/identity", "/_gcp_iapx", "/_gcp", "/_/gcp_iap", "/?gcp-iap-mode=UNKNOWN", "/?x=gcp-iap-mode=IDENTITY"} {
		if response, _ := g.get("app.test", target, alice); response.StatusCode != http.StatusOK || !strings.HasPrefix(g.app.last(), "GET "+target+" HTTP/1.1\r\n") {
			t.Errorf("%s does not reach the application: %d", target, response.StatusCode)
		}
	}
}

// The older paths belong to the host, whatever prefix its service has.
func TestAHostWithPrefixesHasSpecialURLsUnderThem(t *testing.T) {
	t.Parallel()
	g := startGate(t)
	alice := g.as("alice@example.com", prefixed)
	if response, body := g.get("prefixed.test", "/api/x?gcp-iap-mode=IDENTITY", alice); response.StatusCode != http.StatusOK || !strings.Contains(body, "alice@") {
		t.Errorf("under the prefix: %d %s", response.StatusCode, body)
	}
	if response, _ := g.get("prefixed.test", "/_gcp_iap/identity", alice); response.StatusCode != http.StatusNotFound || g.app.last() != "" {
		t.Errorf("where nothing is served: %d", response.StatusCode)
	}
}

func TestMethodsAndErrorsOfSpecialURLsAreSaid(t *testing.T) {
	t.Parallel()
	g := startGate(t)
	alice := g.as("alice@example.com", private)
	for request, c := range map[string]struct {
		status int
		says   string
		allow  string
	}{
		"POST /?gcp-iap-mode=IDENTITY":                     {405, "special_url_refused", "GET, HEAD"},
		"OPTIONS /?gcp-iap-mode=IDENTITY":                  {405, "special_url_refused", "GET, HEAD"},
		"HEAD /?gcp-iap-mode=CLEAR_LOGIN_COOKIE":           {405, "", "GET"},
		"DELETE /_gcp_iap/clear_login_cookie":              {405, "special_url_refused", "GET"},
		"GET /?gcp-iap-mode=CLEAR_LOGIN_COOKIE":            {400, "special_url_refused", ""}, // with a bearer token
		"GET /?gcp-iap-mode=DO_SESSION_REFRESH":            {400, "special_url_refused", ""},
		"GET /?gcp-iap-mode=identity":                      {400, "special_url_invalid", ""},
		"GET /?gcp-iap-mode=SECURE_TOKEN_TEST":             {400, "special_url_invalid", ""},
		"GET /_gcp_iap/secure_token_test/NONE":             {400, "special_url_invalid", ""},
		"GET /?gcp-iap-mode=IDENTITY&gcp-iap-mode=UNKNOWN": {400, "special_url_invalid", ""},
		"GET /_gcp_iap/unknown":                            {404, "path_unknown", ""},
	} {
		response, body := g.raw(request + " HTTP/1.1\r\nHost: app.test\r\nConnection: close\r\nContent-Length: 0\r\nAccept: text/html\r\n" + alice + "\r\n\r\n")
		if response.StatusCode != c.status || response.Header.Get("Allow") != c.allow || !strings.Contains(body, c.says) {
			t.Errorf("%s: %d, Allow %q: %s", request, response.StatusCode, response.Header.Get("Allow"), body)
		}
	}
	response, body := g.get("app.test", "/?gcp-iap-mode=GCIP_SIGNOUT", "Accept: application/json")
	if response.StatusCode != http.StatusBadRequest || !strings.Contains(body, "no_external_people") || !strings.Contains(body, "CLEAR_LOGIN_COOKIE") {
		t.Errorf("GCIP_SIGNOUT: %d %s", response.StatusCode, body)
	}
	if seen := g.app.last(); seen != "" {
		t.Errorf("the application received\n%s", seen)
	}
}

// verifier is an application for the service "private", with the keys that the gate publishes.
func (g *gate) verifier() *assertion.Verifier {
	g.t.Helper()
	_, document := g.get("auth.test", "/iap/verify/public_key-jwk")
	keys, err := assertion.ParseKeys([]byte(document))
	if err != nil {
		g.t.Fatal(err)
	}
	v, err := assertion.NewVerifier(assertion.Config{Audiences: []string{private.Audience()}, Keys: keys, Now: g.clock.now})
	if err != nil {
		g.t.Fatal(err)
	}
	return v
}

func TestTheAssertionModuleCatchesEachTest(t *testing.T) {
	t.Parallel()
	g := startGate(t)
	v := g.verifier()
	for test, want := range map[specialurl.Test]assertion.Reason{
		specialurl.NotSet: "", specialurl.FutureIssue: assertion.ErrIssuedInFuture, specialurl.PastExpiration: assertion.ErrExpired,
		specialurl.Issuer: assertion.ErrIssuer, specialurl.Audience: assertion.ErrAudience, specialurl.Signature: assertion.ErrSignature,
	} {
		for sent, received := range map[string]string{
			"/a%2Fb?x=1&gcp-iap-mode=SECURE_TOKEN_TEST&iap-secure-token-test-type=" + string(test): "/a%2Fb?x=1&gcp-iap-mode=SECURE_TOKEN_TEST&iap-secure-token-test-type=" + string(test),
			"/_gcp_iap/secure_token_test/" + string(test):                                          "/",
			"/_gcp_iap/secure_token_test/" + string(test) + "?x=%zz":                               "/?x=%zz",
		} {
			response, body := g.get("app.test", sent, g.as("alice@example.com", private))
			seen := g.app.last()
			tokens := headerOf(seen, "X-Goog-Iap-Jwt-Assertion")
			if response.StatusCode != http.StatusOK || len(tokens) != 1 || !strings.HasPrefix(seen, "GET "+received+" HTTP/1.1\r\n") {
				t.Fatalf("%s: %d %s; the application received\n%s", sent, response.StatusCode, body, seen)
			}
			_, err := v.Verify(context.Background(), tokens[0])
			if want == "" && err != nil || want != "" && !errors.Is(err, want) {
				t.Errorf("%s: the module says %v, want %q", sent, err, want)
			}
			if email := headerOf(seen, "X-Goog-Authenticated-User-Email"); len(email) != 1 || email[0] != "accounts.google.com:alice@example.com" {
				t.Errorf("%s: the plain header is %q", sent, email)
			}
		}
		for name, lines := range map[string][]string{
			"somebody without access": {g.as("bob@example.com", private)}, "nobody": nil, "a script of nobody": {"Accept: application/json"},
		} {
			response, _ := g.get("app.test", "/?gcp-iap-mode=SECURE_TOKEN_TEST&iap-secure-token-test-type="+string(test), lines...)
			if seen := g.app.last(); seen != "" || response.StatusCode == http.StatusOK {
				t.Errorf("%s gets %d for %s, and the application\n%s", name, response.StatusCode, test, seen)
			}
		}
	}
	// After all this an ordinary request gets an ordinary assertion.
	g.get("app.test", "/", g.as("alice@example.com", private))
	if _, err := v.Verify(context.Background(), headerOf(g.app.last(), "X-Goog-Iap-Jwt-Assertion")[0]); err != nil {
		t.Errorf("an ordinary request after the tests: %v", err)
	}
}

// A flawed assertion must open nothing else of ours: it is no bearer token, here or at another service, and no cookie.
func TestAFlawedAssertionOpensNoDoorOfTheGate(t *testing.T) {
	t.Parallel()
	g := startGate(t)
	for _, test := range specialurl.Tests() {
		g.get("app.test", "/?gcp-iap-mode=SECURE_TOKEN_TEST&iap-secure-token-test-type="+string(test), g.as("alice@example.com", private))
		token := headerOf(g.app.last(), "X-Goog-Iap-Jwt-Assertion")[0]
		for _, line := range []string{"Authorization: Bearer " + token, "Proxy-Authorization: Bearer " + token, "X-Goog-Iap-Jwt-Assertion: " + token} {
			for _, host := range []string{"app.test", "engine.test"} {
				if response, _ := g.get(host, "/", line, "Accept: application/json"); response.StatusCode != http.StatusUnauthorized || g.app.last() != "" {
					t.Errorf("%s in %.20s at %s: %d", test, line, host, response.StatusCode)
				}
			}
		}
	}
}

func TestATestIsExplainedAsOne(t *testing.T) {
	t.Parallel()
	g := startGate(t)
	response, body := g.get("app.test", "/x?gcp-iap-mode=SECURE_TOKEN_TEST&iap-secure-token-test-type=ISSUER", g.as("bob@example.com", private), "Accept: text/html")
	if response.StatusCode != http.StatusForbidden {
		t.Fatalf("%d %s", response.StatusCode, body)
	}
	e, err := g.server.Admin().Explain(t.Context(), decisionID(body))
	if err != nil || e.Special != "SECURE_TOKEN_TEST/ISSUER" || e.Path != "/x" {
		t.Errorf("%+v, %v", e, err)
	}
}

func TestWithTheGateOffASpecialURLIsAnAddressLikeAnyOther(t *testing.T) {
	t.Parallel()
	g := startGate(t)
	for _, target := range []string{"/?gcp-iap-mode=IDENTITY", "/_gcp_iap/identity?x", "/?gcp-iap-mode=clear_login_cookie", "/_gcp_iap/secure_token_test/ISSUER"} {
		g.get("open.test", target)
		if seen := g.app.last(); !strings.HasPrefix(seen, "GET "+target+" HTTP/1.1\r\n") || strings.Contains(strings.ToLower(seen), "x-goog-") {
			t.Errorf("%s: the application received\n%s", target, seen)
		}
	}
	g.get("open.test", "/x?gcp-iap-mode=AUTHENTICATING&redirect_token_v2=secret")
	if seen := g.app.last(); seen != "" {
		t.Errorf("a redirect token reaches the application:\n%s", seen)
	}
}
