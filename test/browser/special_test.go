package browser

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-iap/gatehouse/assertion"
	"github.com/gatehouse-iap/gatehouse/internal/pages"
	"github.com/gatehouse-iap/gatehouse/test/harness"
	"github.com/gatehouse-iap/gatehouse/test/inprocess"
)

// site starts a web site whose pages are a text, on a host of its own.
func site(t *testing.T, host, html string) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write([]byte("<!doctype html><title>site</title>" + html))
	}))
	t.Cleanup(server.Close)
	return strings.Replace(server.URL, "127.0.0.1", host, 1)
}

func TestSigningOutEverywhereFromAnApplicationNeedsNoScript(t *testing.T) {
	t.Parallel()
	upstream := harness.Echo(t).URL
	gate := inprocess.Start(t,
		inprocess.App{Name: "wiki", Host: "wiki.localhost", Upstream: upstream},
		inprocess.App{Name: "shop", Host: "shop.other.localhost", Upstream: upstream})
	wiki, shop := gate.URL("wiki.localhost"), gate.URL("shop.other.localhost")
	page := chromium.NewPage(t)
	page.DisableScripts()
	page.Open(wiki + "/")
	page.Click(harness.Alice)
	page.See("accounts.google.com:" + harness.Alice)
	page.Open(shop + "/")
	page.See("accounts.google.com:" + harness.Alice)

	page.Open(shop + "/basket?item=1&gcp-iap-mode=GATEHOUSE_SIGN_OUT")
	page.See("Sign out of all applications?", harness.Alice, "all 2 applications")
	page.Click("Stay signed in: back to shop")
	page.See("accounts.google.com:" + harness.Alice)
	if got := page.Location(); got != shop+"/basket?item=1" {
		t.Errorf("the way back leads to %s", got)
	}

	page.Open(shop + "/basket?item=1&gcp-iap-mode=GATEHOUSE_SIGN_OUT")
	page.Click("Sign out of all applications")
	page.See("You have signed out.")
	page.Click("Back to shop")
	page.See("Password", "shop")
	page.Open(wiki + "/")
	page.See("Password")
}

func TestThePagesOfSigningOut(t *testing.T) {
	t.Parallel()
	gate := harness.Start(t)
	page := chromium.NewPage(t)
	page.Open(gate.App + "/")
	page.Click(harness.Alice)
	page.See("Hello " + harness.Alice)

	page.Open(gate.App + "/?gcp-iap-mode=CLEAR_LOGIN_COOKIE")
	page.See("Choose an account")
	page.Click("Sign out of all applications")
	page.See("Sign out of all applications?", harness.Alice)
	page.Inspect("sign-out")
	page.Click("Sign out of all applications")
	page.See("You have signed out.")
	page.Inspect("signed-out")
	page.Open(gate.Auth + "/signout")
	page.See("You are not signed in")
	page.Inspect("sign-out-nobody")
	page.Open(gate.App + "/?gcp-iap-mode=identity")
	page.See("Address not accepted", "special_url_invalid")
	page.Inspect("special-url-invalid")
}

// Pages of other sites, also of hosts below the application's own, which browsers call the same site and send its
// cookies to.
func TestNoPageOfAnotherSiteCallsASpecialURL(t *testing.T) {
	t.Parallel()
	gate := harness.Start(t)
	page := chromium.NewPage(t)
	page.Open(gate.App + "/")
	page.Click(harness.Alice)
	page.See("Hello " + harness.Alice)

	var html strings.Builder
	for _, mode := range []string{"CLEAR_LOGIN_COOKIE", "DO_SESSION_REFRESH", "FORCE_LOGIN", "IDENTITY", "SESSION_REFRESHER", "GATEHOUSE_SIGN_OUT"} {
		address := gate.App + "/?gcp-iap-mode=" + mode
		fmt.Fprintf(&html, `<img src="%[1]s"><iframe src="%[1]s"></iframe><script src="%[1]s"></script><link rel=stylesheet href="%[1]s">`+
			`<script>window.tries = (window.tries || []).concat(fetch("%[1]s", {mode: "no-cors", credentials: "include"}), fetch("%[1]s", {credentials: "include"}))</script>`, address)
	}
	fmt.Fprintf(&html, `<img src="%[1]s/signout"><iframe src="%[1]s/signout"></iframe><script>window.tries.push(fetch("%[1]s/signout", {method: "POST", mode: "no-cors", credentials: "include"}))</script>`, gate.Auth)
	for _, host := range []string{"evil.localhost", "evil.app.localhost", "evil.auth.localhost"} {
		evil := site(t, host, html.String())
		tab := page.NewTab()
		tab.Open(evil + "/") // waits for images, frames and scripts
		told := tab.Script(`Promise.all(window.tries.map(t => t.then(r => r.type == "opaque" ? "" : r.text(), e => ""))).then(all => all.join(""))`)
		if told != "" {
			t.Errorf("%s was told %q", host, told)
		}
		for i := range 7 {
			if seen := tab.Script(fmt.Sprintf(`(() => { try { return document.querySelectorAll("iframe")[%d].contentDocument ? "" : "closed" } catch (e) { return "closed" } })()`, i)); seen != "closed" {
				t.Errorf("%s can read into frame %d", host, i)
			}
		}
		page.Open(gate.App + "/")
		page.See("Hello " + harness.Alice)
		for _, name := range cookieNames(page, gate) {
			if strings.Contains(name, "XSRF") || strings.Contains(name, "SELECT_ACCOUNT") {
				t.Errorf("%s left the cookie %s", host, name)
			}
		}
		page.Open(gate.Auth + "/")
		page.See("Your account", harness.Alice)
	}

	// A form cannot do it either: it is refused, whoever sends it.
	forger := site(t, "evil.auth.localhost", `<form method=post action="`+gate.Auth+`/signout"><button>Win a prize</button></form>`)
	page.Open(forger + "/")
	page.Click("Win a prize")
	page.See("Not accepted")
	page.Open(gate.App + "/")
	page.See("Hello " + harness.Alice)
}

func TestARefreshLeadsToThePageThatKeepsTheSession(t *testing.T) {
	t.Parallel()
	gate := harness.Start(t)
	page := chromium.NewPage(t)
	page.Open(gate.App + "/claims?x=1&gcp-iap-mode=DO_SESSION_REFRESH")
	page.Click(harness.Alice)
	page.See("You stay signed in", harness.Alice)
	want := gate.App + "/claims?x=1&gcp-iap-mode=SESSION_REFRESHER"
	if got := page.Location(); got != want {
		t.Errorf("a refresh leads to %s, want %s", got, want)
	}
	page.Inspect("session-refresher")

	before := sessionCookies(page, gate.App)
	page.Click("Refresh now")
	page.See("You stay signed in", harness.Alice)
	if after := sessionCookies(page, gate.App); len(after) != 1 || after[0] != before[0] {
		t.Errorf("a refresh of a live session changes its cookie from %v to %v: other tabs would lose theirs", before, after)
	}

	gate.CLI(t, "sessions", "revoke", "--user="+harness.Alice)
	page.Click("Refresh now")
	page.See("Password")
}

// In the application's own frame, and in no other's.
func TestTheRefresherInAFrame(t *testing.T) {
	t.Parallel()
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write([]byte(`<!doctype html><title>app</title><h1>The application</h1><iframe src="/?gcp-iap-mode=SESSION_REFRESHER" title="Session"></iframe>`))
	}))
	t.Cleanup(app.Close)
	gate := harness.Start(t, "--upstream", app.URL)
	page := chromium.NewPage(t)
	page.Open(gate.App + "/")
	page.Click(harness.Alice)
	page.See("The application")
	page.SeeInFrame("You stay signed in", harness.Alice)

	// What the page does by itself after 45 minutes.
	page.Script(`document.querySelector("iframe").contentWindow.location = "/?gcp-iap-mode=DO_SESSION_REFRESH"`)
	page.SeeInFrame("You stay signed in")

	for _, host := range []string{"evil.localhost", "evil.app.localhost"} {
		other := page.NewTab()
		other.Open(site(t, host, `<iframe src="`+gate.App+`/?gcp-iap-mode=SESSION_REFRESHER"></iframe>`) + "/")
		if seen := other.Script(`document.querySelector("iframe").contentDocument ? "open" : "closed"`); seen != "closed" {
			t.Errorf("%s can read the frame", host)
		}
	}

	gate.CLI(t, "sessions", "revoke", "--user="+harness.Alice)
	page.Script(`document.querySelector("iframe").contentWindow.location = "/?gcp-iap-mode=DO_SESSION_REFRESH"`)
	page.SeeInFrame("Sign in again", "Sign in in a new window")
}

// The page that only frames show, on its own.
func TestTheRefresherOfSomebodySignedOut(t *testing.T) {
	t.Parallel()
	renderer, err := pages.New()
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, pages.StaticPrefix) {
			renderer.Static().ServeHTTP(w, r)
			return
		}
		renderer.Refresher(w, r, pages.Refresher{App: "wiki", SignInNeeded: true, SelfURL: "/", RefreshURL: "/refresh"})
	}))
	t.Cleanup(server.Close)
	page := chromium.NewPage(t)
	page.Open(server.URL + "/")
	page.See("Sign in again")
	page.Inspect("session-refresher-signed-out")
}

func TestSigningInToAnApplicationThatIsOpenToAll(t *testing.T) {
	t.Parallel()
	gate := harness.Start(t, "--upstream", harness.Echo(t).URL)
	gate.CLI(t, "iap", "web", "add-iam-policy-binding", "--resource-type=backend-services", "--service=app",
		"--member=allUsers", "--role=roles/iap.httpsResourceAccessor")
	page := chromium.NewPage(t)
	page.Open(gate.App + "/deep?x=1")
	page.See("/deep?x=1")
	page.DontSee("accounts.google.com:")
	page.Open(gate.App + "/deep?x=%2F&gcp-iap-mode=FORCE_LOGIN&y")
	page.Click(harness.Bob)
	page.See("accounts.google.com:" + harness.Bob)
	if got, want := page.Location(), gate.App+"/deep?x=%2F&y"; got != want {
		t.Errorf("signing in leads to %s, want %s", got, want)
	}
}

// The Hello application, which verifies assertions with our module, answers each test as it should.
func TestTheHelloApplicationCatchesEachTest(t *testing.T) {
	t.Parallel()
	gate := harness.Start(t)
	page := chromium.NewPage(t)
	page.Open(gate.App + "/?gcp-iap-mode=SECURE_TOKEN_TEST&iap-secure-token-test-type=NOT_SET")
	page.Click(harness.Alice)
	page.See("Hello " + harness.Alice)
	for test, reason := range map[string]assertion.Reason{
		"FUTURE_ISSUE": assertion.ErrIssuedInFuture, "PAST_EXPIRATION": assertion.ErrExpired, "ISSUER": assertion.ErrIssuer,
		"AUDIENCE": assertion.ErrAudience, "SIGNATURE": assertion.ErrSignature,
	} {
		for _, address := range []string{"/?gcp-iap-mode=SECURE_TOKEN_TEST&iap-secure-token-test-type=" + test, "/_gcp_iap/secure_token_test/" + test} {
			page.Open(gate.App + address)
			page.See("Nobody is signed in", reason.Text())
			page.DontSee("Hello " + harness.Alice)
		}
	}
	page.Open(gate.App + "/")
	page.See("Hello " + harness.Alice)
}

func TestASessionThatIsRefreshedDoesNotBecomeIdle(t *testing.T) {
	t.Parallel()
	gate := inprocess.Start(t, inprocess.App{Name: "wiki", Host: "wiki.localhost", Upstream: harness.Echo(t).URL})
	wiki := gate.URL("wiki.localhost")
	page := chromium.NewPage(t)
	page.Open(wiki + "/?gcp-iap-mode=SESSION_REFRESHER")
	page.Click(harness.Alice)
	page.See("You stay signed in")
	for range 3 { // longer than a session may be idle, in steps of the refresher's
		gate.Advance(t, pages.RefreshEvery)
		page.ClickThrough("Refresh now")
		page.See("You stay signed in")
	}
	page.Open(wiki + "/")
	page.See("accounts.google.com:" + harness.Alice)
	gate.Advance(t, 61*time.Minute)
	page.Open(wiki + "/")
	page.See("Password")
}
