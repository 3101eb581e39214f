package browser

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/gatehouse-iap/gatehouse/test/harness"
)

// trap is a site that nobody who signs in may end up on.
func trap(t *testing.T) (origin string, visits *atomic.Int64) {
	t.Helper()
	visits = new(atomic.Int64)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/favicon.ico" {
			visits.Add(1)
		}
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write([]byte("<!doctype html><title>trap</title><p>TRAPPED"))
	}))
	t.Cleanup(server.Close)
	return strings.Replace(server.URL, "127.0.0.1", "evil.localhost", 1), visits
}

func TestAWayBackNeverLeavesTheApplication(t *testing.T) {
	t.Parallel()
	gate := harness.Start(t, "--upstream", harness.Echo(t).URL)
	evil, visits := trap(t)
	evilHost := strings.TrimPrefix(evil, "http://")
	for name, target := range map[string]string{
		"two slashes and a host":              "//" + evilHost + "/",
		"four slashes and a host":             "////" + evilHost + "/",
		"an encoded slash and a host":         "/%2f" + evilHost + "/",
		"an encoded backslash and a host":     "/%5c" + evilHost + "/",
		"a tab between slashes":               "/%09/" + evilHost + "/",
		"an at sign":                          "/@" + evilHost + "/",
		"a dot and a host":                    "/." + evilHost + "/",
		"an absolute URL as the path":         "/" + evil + "/",
		"a return parameter":                  "/?redirect_uri=" + url.QueryEscape(evil) + "&continue=" + url.QueryEscape(evil),
		"a mode that IAP does not know":       "/?gcp-iap-mode=" + url.QueryEscape(evil),
		"signing out of a doubtful path":      "//" + evilHost + "/?gcp-iap-mode=CLEAR_LOGIN_COOKIE",
		"signing out with a line break":       "/%0d%0aLocation:%20" + url.PathEscape(evil) + "/?gcp-iap-mode=CLEAR_LOGIN_COOKIE",
		"a token from nowhere":                "//" + evilHost + "/?gcp-iap-mode=AUTHENTICATING&redirect_token_v2=x",
		"a legacy sign-out path and two dots": "/_gcp_iap/clear_login_cookie//../" + evilHost,
	} {
		t.Run(name, func(t *testing.T) {
			page := chromium.NewPage(t)
			page.Open(gate.App + target)
			if strings.Contains(page.Text(), "Development accounts") {
				page.Click(harness.Alice)
				page.See("accounts.google.com:" + harness.Alice) // from the application
			}
			if got := page.Origin(); got != gate.App && got != gate.Auth {
				t.Errorf("%s ends at %s", target, got)
			}
		})
	}
	if visits.Load() > 0 {
		t.Errorf("the trap was visited %d times", visits.Load())
	}
}

func TestTheAuthHostSendsNobodyWhereTheRequestAsks(t *testing.T) {
	t.Parallel()
	gate := harness.Start(t)
	evil, visits := trap(t)
	begun := harness.Get(t, harness.Client(nil), gate.App+"/", "Accept", "text/html")
	if begun.StatusCode != http.StatusFound {
		t.Fatalf("a browser without a session gets %d, not 302", begun.StatusCode)
	}
	authorize, err := url.Parse(begun.Header.Get("Location"))
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(url.Values){
		"another redirect URI":      func(q url.Values) { q.Set("redirect_uri", evil+"/") },
		"two redirect URIs":         func(q url.Values) { q.Add("redirect_uri", evil+"/") },
		"a state that is a URL":     func(q url.Values) { q.Set("state", evil+"/") },
		"a state with a bit turned": func(q url.Values) { q.Set("state", turned(q.Get("state"))) },
		"another client":            func(q url.Values) { q.Set("client_id", "999-other.apps.googleusercontent.com") },
		"parameters of other kinds": func(q url.Values) { q.Set("continue", evil); q.Set("next", evil); q.Set("rt", evil) },
	} {
		t.Run(name, func(t *testing.T) {
			changed := *authorize
			query := changed.Query()
			change(query)
			changed.RawQuery = query.Encode()
			page := chromium.NewPage(t)
			page.Open(changed.String())
			if strings.Contains(page.Text(), "Development accounts") {
				page.Click(harness.Alice)
				// Begun in another browser, so it cannot be completed in this one: it is begun anew.
				page.See("Hello " + harness.Alice)
			}
			if got := page.Origin(); got != gate.App && got != gate.Auth {
				t.Errorf("%s leads to %s", changed.RawQuery, got)
			}
		})
	}
	if visits.Load() > 0 {
		t.Errorf("the trap was visited %d times", visits.Load())
	}
}

// Whoever starts a sign-in and has somebody else's browser finish it must not sign that browser in as themselves.
func TestARedirectTokenWorksInTheBrowserThatBeganOnly(t *testing.T) {
	t.Parallel()
	gate := harness.Start(t)
	client := harness.Client(harness.NewJar(t))
	handoff := handoffURL(t, gate, client)

	victim := chromium.NewPage(t)
	victim.Open(handoff)
	victim.See("Password") // a sign-in of their own
	for _, cookie := range victim.Cookies(gate.App) {
		if strings.Contains(cookie.Name, "AUTH_TOKEN") {
			t.Errorf("the other browser was given the session cookie %s", cookie.Name)
		}
	}

	if answer := harness.Get(t, client, handoff); answer.StatusCode != http.StatusFound || answer.Header.Get("Location") != gate.App+"/" {
		t.Errorf("the browser that began gets %d to %q, not a redirect to the application", answer.StatusCode, answer.Header.Get("Location"))
	}
	if again := harness.Get(t, client, handoff); again.StatusCode == http.StatusFound && again.Header.Get("Location") == gate.App+"/" && len(again.Cookies()) > 0 {
		t.Error("the token worked a second time")
	}
}

func turned(state string) string {
	if state == "" {
		return "A"
	}
	last := byte('A')
	if state[0] == last {
		last = 'B'
	}
	return string(last) + state[1:]
}
