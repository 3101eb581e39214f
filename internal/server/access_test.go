package server_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/admin"
	"github.com/gatehouse-iap/gatehouse/internal/policy/iam"
	"github.com/gatehouse-iap/gatehouse/internal/principal"
)

func TestBrowsersAreSentToSignInAndProgramsAreTold(t *testing.T) {
	t.Parallel()
	g := startGate(t)
	for name, c := range map[string]struct {
		method string
		lines  []string
		status int
	}{
		"a browser's navigation":          {"GET", []string{"Accept: text/html,application/xhtml+xml,*/*;q=0.8"}, 302},
		"curl":                            {"GET", []string{"Accept: */*"}, 302},
		"no Accept":                       {"GET", nil, 302},
		"any text":                        {"GET", []string{"Accept: text/*"}, 302},
		"HEAD":                            {"HEAD", []string{"Accept: */*"}, 302},
		"an app's own credential":         {"GET", []string{"Authorization: Basic eDp5"}, 302},
		"a script's request":              {"GET", []string{"Accept: */*", "X-Requested-With: XMLHttpRequest"}, 401},
		"JSON only":                       {"GET", []string{"Accept: application/json"}, 401},
		"an image":                        {"GET", []string{"Accept: image/png,image/*;q=0.8"}, 401},
		"HTML refused by weight":          {"GET", []string{"Accept: text/html;q=0, */*"}, 401},
		"POST":                            {"POST", []string{"Accept: text/html", "Content-Length: 0"}, 401},
		"PUT":                             {"PUT", []string{"Content-Length: 0"}, 401},
		"OPTIONS":                         {"OPTIONS", []string{"Accept: */*"}, 401},
		"a bearer token that is not ours": {"GET", []string{"Accept: text/html", "Authorization: Bearer opaque"}, 401},
		"a proxy bearer that is not ours": {"GET", []string{"Accept: text/html", "Proxy-Authorization: Bearer opaque"}, 401},
	} {
		t.Run(name, func(t *testing.T) {
			response, body := g.raw(c.method + " /deep?x=1 HTTP/1.1\r\nHost: app.test\r\nConnection: close\r\n" + joinLines(c.lines) + "\r\n")
			if response.StatusCode != c.status || g.app.last() != "" {
				t.Fatalf("status %d", response.StatusCode)
			}
			h := response.Header
			if h.Get("X-Goog-IAP-Generated-Response") != "true" || h.Get("Cache-Control") != "no-store" || h.Get("Referrer-Policy") != "no-referrer" || h.Get("Content-Security-Policy") == "" {
				t.Errorf("headers %v", h)
			}
			if c.method == "HEAD" {
				return
			}
			if !strings.HasPrefix(body, "Invalid IAP credentials: ") || !strings.HasPrefix(h.Get("Content-Type"), "text/html") {
				t.Errorf("body %q of type %q", body, h.Get("Content-Type"))
			}
		})
	}
}

func TestEveryAnswerOfTheAuthHostIsMarkedAsTheGates(t *testing.T) {
	t.Parallel()
	g := startGate(t)
	g.token("alice@example.com", private) // from here on there is a key for ID tokens
	for request, c := range map[string]struct {
		status int
		cache  string
	}{
		"GET /":                                 {200, "no-store"},
		"GET /no-such-page":                     {404, "no-store"},
		"GET /a/../b":                           {404, "no-store"},
		"GET /iap/verify/public_key":            {200, "public, max-age=3600"},
		"GET /iap/verify/public_key-jwk":        {200, "public, max-age=3600"},
		"POST /iap/verify/public_key":           {405, "no-store"},
		"GET /iap/verify/none":                  {404, "no-store"},
		"GET /oauth2/v3/certs":                  {200, "public, max-age=3600"},
		"GET /.well-known/openid-configuration": {200, "public, max-age=3600"},
		"GET /_gcp_iap/static/none.css":         {404, "no-store"},
	} {
		t.Run(request, func(t *testing.T) {
			response, _ := g.raw(request + " HTTP/1.1\r\nHost: auth.test\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
			h := response.Header
			if response.StatusCode != c.status || h.Get("Cache-Control") != c.cache {
				t.Errorf("status %d, Cache-Control %q", response.StatusCode, h.Get("Cache-Control"))
			}
			if h.Get("X-Goog-IAP-Generated-Response") != "true" || h.Get("Referrer-Policy") != "no-referrer" || !strings.HasPrefix(h.Get("Content-Security-Policy"), "default-src 'none'") {
				t.Errorf("headers %v", h)
			}
		})
	}
}

func TestTheWayToSignInNamesTheClientAsIAPDoes(t *testing.T) {
	t.Parallel()
	g := startGate(t)
	response, _ := g.get("app.test", "/deep?x=1")
	location, err := response.Location()
	if err != nil {
		t.Fatal(err)
	}
	q := location.Query()
	if location.Host != "auth.test" || location.Path != "/o/oauth2/v2/auth" || q.Get("client_id") != "client-private" ||
		q.Get("response_type") != "code" || q.Get("scope") != "openid email" || q.Get("code_challenge_method") != "S256" || q.Get("state") == "" ||
		q.Get("redirect_uri") != "http://auth.test/v1/oauth/clientIds/client-private:handleRedirect" {
		t.Errorf("sent to %s", location)
	}
	var nonce bool
	for _, c := range response.Cookies() {
		nonce = nonce || strings.HasPrefix(c.Name, "GCP_IAP_XSRF_NONCE_") && c.Value == "1" && len(c.Name) == len("GCP_IAP_XSRF_NONCE_")+22
		if !c.Secure || !c.HttpOnly || c.Path != "/" || c.SameSite != http.SameSiteLaxMode {
			t.Errorf("cookie %v", c)
		}
	}
	if !nonce {
		t.Errorf("cookies %v", response.Cookies())
	}
}

func TestBearerTokensOpenOrFailButNeverFallBack(t *testing.T) {
	t.Parallel()
	g := startGate(t)
	alice, bob := g.token("alice@example.com", private), g.token("bob@example.com", private)
	elsewhere := g.token("alice@example.com", public)
	parts := strings.Split(alice, ".")
	forged := parts[0] + "." + parts[1] + "." + strings.Repeat("A", len(parts[2]))
	g.get("app.test", "/", "Authorization: Bearer "+alice)
	assertion := headerOf(g.app.last(), "X-Goog-Iap-Jwt-Assertion")[0]
	for name, c := range map[string]struct {
		lines  []string
		status int
	}{
		"Alice's token":                     {[]string{"Authorization: Bearer " + alice}, 200},
		"Bob's token":                       {[]string{"Authorization: Bearer " + bob}, 403},
		"a token for another service":       {[]string{"Authorization: Bearer " + elsewhere}, 401},
		"a forged signature":                {[]string{"Authorization: Bearer " + forged}, 401},
		"an assertion":                      {[]string{"Authorization: Bearer " + assertion}, 401},
		"a forged token before a good one":  {[]string{"Proxy-Authorization: Bearer " + forged, "Authorization: Bearer " + alice}, 401},
		"two Authorization lines":           {[]string{"Authorization: Bearer " + alice, "Authorization: Bearer " + alice}, 401},
		"a good token beside a foreign one": {[]string{"Proxy-Authorization: Basic eDp5", "Authorization: Bearer " + alice}, 200},
		"no token":                          {[]string{"Authorization: Bearer "}, 401},
	} {
		t.Run(name, func(t *testing.T) {
			response, body := g.get("app.test", "/", c.lines...)
			if response.StatusCode != c.status {
				t.Errorf("status %d: %s", response.StatusCode, body)
			}
		})
	}
	g.clock.advance(2 * time.Hour)
	g.confirm()
	if response, _ := g.get("app.test", "/", "Authorization: Bearer "+alice); response.StatusCode != http.StatusUnauthorized {
		t.Errorf("an expired token: status %d", response.StatusCode)
	}
}

func TestAFailedTokenIsRefusedEvenWhereEverybodyMayEnter(t *testing.T) {
	t.Parallel()
	g := startGate(t)
	token := g.token("alice@example.com", public)
	if response, _ := g.get("public.test", "/", "Authorization: Bearer "+token[:len(token)-8]+"AAAAAAAA"); response.StatusCode != http.StatusUnauthorized {
		t.Errorf("status %d", response.StatusCode)
	}
	g.get("public.test", "/", "Authorization: Bearer "+token)
	if got := headerOf(g.app.last(), "X-Goog-Authenticated-User-Email"); len(got) != 1 {
		t.Errorf("somebody recognised arrives as %q", got)
	}
}

func TestTheRefusalSaysWhyAndWho(t *testing.T) {
	t.Parallel()
	g := startGate(t)
	response, body := g.get("app.test", "/x", g.as("bob@example.com", private), "Accept: text/html")
	if response.StatusCode != http.StatusForbidden || response.Header.Get("X-Goog-IAP-Generated-Response") != "true" {
		t.Fatalf("status %d %v", response.StatusCode, response.Header)
	}
	for _, want := range []string{"bob@example.com", "gcp-iap-mode=CLEAR_LOGIN_COOKIE", "not_granted"} {
		if !strings.Contains(body, want) {
			t.Errorf("the page lacks %q:\n%s", want, body)
		}
	}
	id := decisionID(body)
	explanation, err := g.server.Admin().Explain(t.Context(), id)
	if err != nil {
		t.Fatalf("decision %q: %v", id, err)
	}
	if explanation.Reason != "not_granted" {
		t.Errorf("explained as %+v", explanation)
	}
}

// decisionID finds the 26 characters on a page.
func decisionID(page string) string {
	for field := range strings.FieldsFuncSeq(page, func(r rune) bool {
		return !(r >= '0' && r <= '9' || r >= 'A' && r <= 'Z')
	}) {
		if len(field) == 26 {
			return field
		}
	}
	return ""
}

func TestAChangeCountsOnceItIsAnswered(t *testing.T) {
	t.Parallel()
	g := startGate(t)
	a, actor, ctx := g.server.Admin(), admin.System("test"), t.Context()
	bob := g.as("bob@example.com", private)
	status := func(want int, when string) {
		t.Helper()
		if response, _ := g.get("app.test", "/", bob); response.StatusCode != want {
			t.Errorf("%s: status %d, not %d", when, response.StatusCode, want)
		}
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	status(403, "before")
	_, err := a.SetIamPolicy(ctx, actor, private.Service.Name(), iam.Policy{Bindings: []iam.Binding{{Role: iam.RoleHTTPSResourceAccessor, Members: []string{"allAuthenticatedUsers"}}}})
	must(err)
	status(200, "with allAuthenticatedUsers")
	must(a.SetDisabled(ctx, actor, principal.User, "bob@example.com", true))
	status(403, "suspended")
	must(a.SetDisabled(ctx, actor, principal.User, "bob@example.com", false))
	status(200, "enabled again")
	_, err = a.SetIAPEnabled(ctx, actor, private.Service.Name(), false)
	must(err)
	if response, _ := g.get("app.test", "/"); response.StatusCode != 200 {
		t.Errorf("with the gate off: status %d", response.StatusCode)
	}
	_, err = a.SetIAPEnabled(ctx, actor, private.Service.Name(), true)
	must(err)
	_, err = a.DeleteAccount(ctx, actor, principal.User, "bob@example.com")
	must(err)
	status(403, "deleted")
}

func TestARestartKeepsKeysPolicyAndTokens(t *testing.T) {
	t.Parallel()
	g := startGate(t)
	token := g.as("alice@example.com", private)
	_, before := g.get("auth.test", "/iap/verify/public_key-jwk")
	g.stop()
	g.start()
	if _, after := g.get("auth.test", "/iap/verify/public_key-jwk"); after != before || !strings.Contains(before, `"ES256"`) {
		t.Errorf("keys %s, then %s", before, after)
	}
	if response, _ := g.get("app.test", "/", token); response.StatusCode != http.StatusOK {
		t.Errorf("status %d", response.StatusCode)
	}
}
