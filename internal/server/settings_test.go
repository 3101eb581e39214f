package server_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/gatehouse-iap/gatehouse/internal/admin"
	"github.com/gatehouse-iap/gatehouse/internal/catalog"
	"github.com/gatehouse-iap/gatehouse/internal/policy/iam"
	"github.com/gatehouse-iap/gatehouse/internal/resource"
	"github.com/gatehouse-iap/gatehouse/internal/session"
	"github.com/gatehouse-iap/gatehouse/internal/settings"
)

// set puts settings on a resource, as a document says them.
func (g *gate) set(name resource.Name, text string) {
	g.t.Helper()
	d, err := settings.Parse([]byte(text))
	if err != nil {
		g.t.Fatal(err)
	}
	if _, err := g.server.Admin().UpdateIapSettings(g.t.Context(), admin.System("test"), name, d, nil); err != nil {
		g.t.Fatal(err)
	}
}

const onProject = resource.Name("projects/123456789012")

func TestOPTIONSPassesWithoutAWordOfOursWhereSettingsAllowIt(t *testing.T) {
	t.Parallel()
	g := startGate(t)
	options := func(target string, lines ...string) *http.Response {
		response, _ := g.raw("OPTIONS " + target + " HTTP/1.1\r\nHost: app.test\r\n" + joinLines(lines) + "Connection: close\r\n\r\n")
		return response
	}
	preflight := []string{"Origin: https://spa.test", "Access-Control-Request-Method: PUT"}
	if response := options("/x", preflight...); response.StatusCode != http.StatusUnauthorized {
		t.Errorf("as long as nothing is set: %s", response.Status)
	}
	g.set(onProject, `{accessSettings: {corsSettings: {allowHttpOptions: true}}}`)
	for name, lines := range map[string][]string{
		"a preflight":                      preflight,
		"forged identity":                  {"X-Goog-IAP-JWT-Assertion: mallory", "X_Goog_Authenticated_User_Email: mallory", "Cookie: GCP_IAP_UID=mallory"},
		"a token for us":                   {g.as("alice@example.com", private)},
		"a token for us that fails":        {g.as("alice@example.com", public)},
		"a token for us in the other name": {"Proxy-" + g.as("alice@example.com", private)},
	} {
		if response := options("/x?y=z", lines...); response.StatusCode != http.StatusOK {
			t.Errorf("%s: %s", name, response.Status)
		}
		seen := g.app.last()
		if !strings.HasPrefix(seen, "OPTIONS /x?y=z HTTP/1.1\r\n") || strings.Contains(seen, "mallory") ||
			strings.Contains(strings.ToLower(seen), "x-goog") || strings.Contains(seen, "Authorization") {
			t.Errorf("%s reached the app as\n%s", name, seen)
		}
	}
	if options("/x", "Authorization: Basic b3duOm93bg=="); !strings.Contains(g.app.last(), "Authorization: Basic b3duOm93bg==") {
		t.Error("the application's own credential did not reach it")
	}
	for _, method := range []string{"GET", "POST", "Options", "HEAD"} {
		response, _ := g.raw(method + " / HTTP/1.1\r\nHost: app.test\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
		if response.StatusCode == http.StatusOK {
			t.Errorf("%s passes too", method)
		}
	}
	g.set(private.Service.Name(), `{accessSettings: {corsSettings: {allowHttpOptions: false}}}`)
	if response := options("/x", preflight...); response.StatusCode != http.StatusUnauthorized {
		t.Errorf("a service that says otherwise: %s", response.Status)
	}
}

func TestAHostThatIsNotAllowedIsRefusedWithIAPsCodeWhoeverAsks(t *testing.T) {
	t.Parallel()
	g := startGate(t)
	g.set(onProject, `{accessSettings: {corsSettings: {allowHttpOptions: true}, allowedDomainsSettings: {enable: true, domains: [public.test, "*.app.test"]}}}`)
	for name, request := range map[string]string{
		"nobody":                "GET / HTTP/1.1\r\nHost: app.test\r\n",
		"somebody with a token": "GET / HTTP/1.1\r\nHost: APP.test.:80\r\n" + g.as("alice@example.com", private) + "\r\n",
		"a preflight":           "OPTIONS / HTTP/1.1\r\nHost: app.test\r\n",
		"a step of sign-in":     "GET /?gcp-iap-mode=AUTHENTICATING HTTP/1.1\r\nHost: app.test\r\n",
	} {
		response, body := g.raw(request + "Accept: text/html\r\nConnection: close\r\n\r\n")
		if response.StatusCode != http.StatusBadRequest || !strings.Contains(body, "53") || !strings.Contains(body, "domain_refused") || len(response.Cookies()) > 0 {
			t.Errorf("%s: %s, %v\n%s", name, response.Status, response.Header, body)
		}
	}
	if seen := g.app.last(); seen != "" {
		t.Errorf("the application got\n%s", seen)
	}
	if response, _ := g.get("public.test", "/"); response.StatusCode != http.StatusOK {
		t.Errorf("an allowed host: %s", response.Status)
	}
	if response, _ := g.get("open.test", "/"); response.StatusCode != http.StatusOK {
		t.Errorf("a service whose gate is off: %s", response.Status)
	}
}

var decisionInAddress = regexp.MustCompile(`[?&]gatehouse_decision=([0-9A-Z]+)`)

// withoutDecision takes the id of the decision out of an address.
func withoutDecision(address string) (rest, id string) {
	if found := decisionInAddress.FindStringSubmatch(address); found != nil {
		id = found[1]
	}
	return decisionInAddress.ReplaceAllString(address, ""), id
}

func TestPeopleWhoAreTurnedAwayGoWhereTheSettingsSayUnlessTheyWouldBeTurnedAwayThere(t *testing.T) {
	t.Parallel()
	g, corp, _ := federated(t)
	corp.SignedIn("bob-at-corp", "bob@corp.example")
	v := newVisitor(t, g)
	if response, _ := v.visit(appURL); response.StatusCode != http.StatusForbidden {
		t.Fatalf("%s", response.Status)
	}
	page := func(uri string) {
		g.set(onProject, `{applicationSettings: {accessDeniedPageSettings: {accessDeniedPageUri: "`+uri+`"}}}`)
	}
	for uri, goes := range map[string]bool{
		"https://help.example/denied?from=iap":   true,
		"https://help.example/denied?from=iap#x": true,
		"https://help.example#denied?":           true,
		"http://public.test/denied":              true, // allUsers
		"http://open.test/denied":                true, // the gate is off
		"http://app.test/denied":                 false,
		"https://APP.test.:8443/":                false,
		"http://engine.test/":                    false,
		"http://prefixed.test/api":               false,
		"http://prefixed.test/elsewhere":         false, // ours, and nothing answers there
		"http://public.test/%00":                 false, // ours, and refused for its form
		"https://help.example/%00":               true,
	} {
		page(uri)
		response, body := v.ask(http.MethodGet, appURL, "Accept: text/html")
		led, id := withoutDecision(response.Header.Get("Location"))
		switch {
		case goes && (response.StatusCode != http.StatusFound || led != uri || len(id) != 26 || response.Header.Get("X-Goog-Iap-Generated-Response") != "true"):
			t.Errorf("%s: %s, %v", uri, response.Status, response.Header)
		case !goes && (response.StatusCode != http.StatusForbidden || !strings.Contains(body, "not_granted")):
			t.Errorf("%s: %s, %v", uri, response.Status, response.Header)
		}
	}
	page("https://help.example/denied")
	for name, line := range map[string]string{
		"a script":                     "X-Requested-With: XMLHttpRequest",
		"a program that wants no page": "Accept: application/json",
	} {
		if response, _ := v.ask(http.MethodGet, appURL, line); response.StatusCode != http.StatusForbidden {
			t.Errorf("%s: %s", name, response.Status)
		}
	}
	if response, _ := v.ask(http.MethodPost, appURL, "Accept: text/html"); response.StatusCode != http.StatusForbidden {
		t.Errorf("a form: %s", response.Status)
	}
	if response, _ := v.ask(http.MethodGet, appURL+"?gcp-iap-mode=SECURE_TOKEN_TEST&iap-secure-token-test-type=NOT_SET", "Accept: text/html"); response.StatusCode != http.StatusForbidden {
		t.Errorf("a special URL: %s", response.Status)
	}
	if response, _ := g.get("app.test", "/", g.as("bob@example.com", private), "Accept: text/html"); response.StatusCode != http.StatusForbidden {
		t.Errorf("a bearer: %s", response.Status)
	}
	if response, _ := newVisitor(t, g).ask(http.MethodGet, appURL, "Accept: text/html"); !strings.HasPrefix(response.Header.Get("Location"), "http://auth.test/") {
		t.Errorf("somebody who is not signed in goes to %s", response.Header.Get("Location"))
	}
}

// siblings are two hosts of one service, and one of another, all in one domain.
func siblings(t *testing.T) (g *gate, shared, apart catalog.Service) {
	t.Helper()
	g, _, _ = federated(t)
	shared, apart = backend("shared", "21", "a.corp.test"), backend("apart", "22", "c.corp.test")
	shared.Hosts = []string{"a.corp.test", "b.corp.test", "elsewhere.test"}
	for _, s := range []catalog.Service{shared, apart} {
		s.Upstream = "http://" + g.app.address
		if err := g.server.Admin().PutService(t.Context(), admin.System("test"), s); err != nil {
			t.Fatal(err)
		}
		policy := iam.Policy{Bindings: []iam.Binding{{Role: iam.RoleHTTPSResourceAccessor, Members: []string{"user:alice@corp.example"}}}}
		if _, err := g.server.Admin().SetIamPolicy(t.Context(), admin.System("test"), s.Service.Name(), policy); err != nil {
			t.Fatal(err)
		}
	}
	return g, shared, apart
}

func TestHostsOfOneServiceShareASessionWithinTheCookieDomain(t *testing.T) {
	t.Parallel()
	g, shared, _ := siblings(t)
	g.set(shared.Service.Name(), `{applicationSettings: {cookieDomain: .Corp.test}}`)
	v := newVisitor(t, g)
	if response, body := v.visit("http://a.corp.test/"); response.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s", response.Status, body)
	}
	name := "GCP_IAAP_AUTH_TOKEN_" + shared.Service.Name().ID()
	if v.cookies[".corp.test"][name] == "" || v.cookies[".corp.test"]["GCP_IAP_UID"] == "" {
		t.Errorf("the cookies are %v", v.cookies)
	}
	if response, _ := v.ask(http.MethodGet, "http://b.corp.test/"); response.StatusCode != http.StatusOK {
		t.Errorf("at its other host in the domain: %s", response.Status)
	}
	if seen := g.app.last(); strings.Contains(seen, "GCP_IA") {
		t.Errorf("the application sees\n%s", seen)
	}
	if response, _ := v.ask(http.MethodGet, "http://elsewhere.test/"); response.StatusCode != http.StatusFound {
		t.Errorf("at its host outside the domain: %s", response.Status)
	}
	v.visit("http://elsewhere.test/")
	if v.cookies["elsewhere.test"][session.HostCookie(shared.Service.Name()).Name] == "" {
		t.Errorf("the cookies are %v", v.cookies)
	}
	v.ask(http.MethodGet, "http://b.corp.test/?gcp-iap-mode=CLEAR_LOGIN_COOKIE")
	if len(v.cookies[".corp.test"]) > 0 {
		t.Errorf("after signing out: %v", v.cookies)
	}
}

func TestASharedCookieOpensNothingButItsResourceInItsDomain(t *testing.T) {
	t.Parallel()
	g, shared, apart := siblings(t)
	g.set(onProject, `{applicationSettings: {cookieDomain: corp.test}}`)
	v := newVisitor(t, g)
	v.visit("http://a.corp.test/")
	own, other := session.DomainCookie(shared.Service.Name(), "corp.test").Name, session.DomainCookie(apart.Service.Name(), "corp.test").Name
	host := session.HostCookie(shared.Service.Name()).Name
	value := v.cookies[".corp.test"][own]
	for name, c := range map[string]struct{ host, cookie string }{
		"at another service of the domain":                 {"c.corp.test", own},
		"at another service of the domain, under its name": {"c.corp.test", other},
		"as the cookie of one host":                        {"a.corp.test", host},
		"outside the domain":                               {"elsewhere.test", own},
		"outside the domain, as the cookie of one host":    {"elsewhere.test", host},
		"at the auth host":                                 {"auth.test", session.AuthCookieName},
	} {
		thief := newVisitor(t, g)
		response, body := thief.ask(http.MethodGet, "http://"+c.host+"/", "Cookie: "+c.cookie+"="+value)
		if response.StatusCode == http.StatusOK && (c.host != "auth.test" || strings.Contains(body, "alice")) {
			t.Errorf("%s: %s %s", name, response.Status, body)
		}
	}
	// The cookie of one host, from before there was a domain, opens nothing either; and one of another domain.
	g.set(onProject, `{}`)
	before := newVisitor(t, g)
	before.visit("http://a.corp.test/")
	g.set(onProject, `{applicationSettings: {cookieDomain: corp.test}}`)
	for _, cookie := range []string{host, own} {
		response, _ := newVisitor(t, g).ask(http.MethodGet, "http://a.corp.test/", "Cookie: "+cookie+"="+before.cookies["a.corp.test"][host])
		if response.StatusCode != http.StatusFound {
			t.Errorf("a cookie of one host as %s: %s", cookie, response.Status)
		}
	}
	g.set(onProject, `{applicationSettings: {cookieDomain: a.corp.test}}`)
	if response, _ := newVisitor(t, g).ask(http.MethodGet, "http://a.corp.test/", "Cookie: "+own+"="+value); response.StatusCode != http.StatusFound {
		t.Errorf("a cookie of a wider domain: %s", response.Status)
	}
}

// The hand-off stays bound to one host: a token that is made for one of two hosts which share cookies is worth nothing at
// the other, although the browser is the same.
func TestATokenForOneHostIsNotRedeemedAtASiblingThatSharesItsCookies(t *testing.T) {
	t.Parallel()
	g, shared, _ := siblings(t)
	g.set(shared.Service.Name(), `{applicationSettings: {cookieDomain: corp.test}}`)
	v := newVisitor(t, g)
	address := "http://a.corp.test/"
	for !strings.Contains(address, "redirect_token_v2") {
		response, _ := v.ask(http.MethodGet, address)
		next, err := response.Request.URL.Parse(response.Header.Get("Location"))
		if err != nil {
			t.Fatal(err)
		}
		address = next.String()
	}
	for name := range v.cookies["a.corp.test"] {
		if strings.HasPrefix(name, "__Host-GCP_IAP_XSRF_") {
			if v.cookies["b.corp.test"] == nil {
				v.cookies["b.corp.test"] = map[string]string{}
			}
			v.cookies["b.corp.test"][name] = v.cookies["a.corp.test"][name] // no browser would
		}
	}
	moved, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	moved.Host = "b.corp.test"
	if response, _ := v.ask(http.MethodGet, moved.String()); !strings.HasPrefix(response.Header.Get("Location"), "http://b.corp.test/?gcp-iap-mode=AUTHENTICATING&gatehouse_restart=") || len(v.cookies[".corp.test"]) > 0 {
		t.Errorf("at the sibling: %s, to %s, %v", response.Status, response.Header.Get("Location"), v.cookies)
	}
	if response, _ := v.ask(http.MethodGet, address); response.StatusCode != http.StatusFound || v.cookies[".corp.test"] == nil {
		t.Errorf("at its host: %s, %v", response.Status, v.cookies)
	}
}

func TestTheLoginHintGoesWithTheRedirect(t *testing.T) {
	t.Parallel()
	g := startGate(t)
	if response, _ := g.get("app.test", "/"); strings.Contains(response.Header.Get("Location"), "hd=") {
		t.Errorf("%s", response.Header.Get("Location"))
	}
	g.set(onProject, `{accessSettings: {oauthSettings: {loginHint: "corp.example&prompt=none"}}}`)
	response, _ := g.get("app.test", "/")
	location, err := url.Parse(response.Header.Get("Location"))
	if err != nil {
		t.Fatal(err)
	}
	if query := location.Query(); query.Get("hd") != "corp.example&prompt=none" || query.Has("prompt") || query.Get("state") == "" {
		t.Errorf("%s", location)
	}
}
