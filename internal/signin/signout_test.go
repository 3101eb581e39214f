package signin_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/gatehouse-iap/gatehouse/internal/policy"
	"github.com/gatehouse-iap/gatehouse/internal/session"
)

func TestFromAnApplicationToSignedOutEverywhereAndBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := newBrowser(t, w)
	b.signIn(appURL+"/", "alice@example.com")
	b.get(otherURL+"/").wantHello(t, "alice@example.com", otherHost+"/")

	asked := b.get(appURL + "/page?a=1&gcp-iap-mode=GATEHOUSE_SIGN_OUT&b=%20")
	for _, want := range []string{"Sign out of all applications?", "alice@example.com", "all 2 applications", `href="` + appURL + `/page?a=1&amp;b=%20"`} {
		if !strings.Contains(asked.body, want) {
			t.Errorf("the page lacks %q: %s", want, asked.body)
		}
	}
	if left, _ := w.db.Sessions(t.Context(), session.Filter{Email: "alice@example.com"}); len(left) != 3 {
		t.Errorf("%d sessions are left after only looking, want 3", len(left))
	}

	out := b.post("/signout", map[string]string{"return": asked.field("return")})
	if !strings.Contains(out.body, "You have signed out.") || !strings.Contains(out.body, `href="`+appURL+`/page?a=1&amp;b=%20"`) {
		t.Errorf("after signing out: %s: %s", out.Status, out.body)
	}
	if left, _ := w.db.Sessions(t.Context(), session.Filter{Email: "alice@example.com"}); len(left) != 0 {
		t.Errorf("%d sessions are left", len(left))
	}
	for _, address := range []string{appURL + "/", otherURL + "/"} {
		if p := b.get(address); p.field("state") == "" {
			t.Errorf("%s after signing out: %s: %s", address, p.Status, p.body)
		}
	}
	if again := b.get(authURL + "/signout"); !strings.Contains(again.body, "You are not signed in") || again.field("return") != "" {
		t.Errorf("nobody is asked: %s", again.body)
	}
}

func TestTheChooserOffersToSignOutEverywhere(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := newBrowser(t, w)
	b.signIn(appURL+"/", "alice@example.com")
	chooser := b.get(appURL + "/x?gcp-iap-mode=CLEAR_LOGIN_COOKIE")
	_, rest, found := strings.Cut(chooser.body, `href="/signout?return=`)
	sealed, _, _ := strings.Cut(rest, `"`)
	if !found || !strings.Contains(b.get(authURL+"/signout?return="+sealed).body, `href="`+appURL+`/x"`) {
		t.Errorf("the chooser leads to no page that signs out: %s", chooser.body)
	}
}

// Where the page leads back to is sealed, so nobody else can have it lead anywhere.
func TestAWayBackThatIsNotOursIsNotOffered(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := newBrowser(t, w)
	b.signIn(appURL+"/", "alice@example.com")
	release := b.step()
	leave, err := url.Parse(b.get(appURL + "/?gcp-iap-mode=GATEHOUSE_SIGN_OUT").Header.Get("Location"))
	state, err2 := url.Parse(newBrowserAt(t, w, appURL+"/"))
	release()
	if err != nil || err2 != nil || leave.Host != authHost || leave.Path != "/signout" {
		t.Fatalf("it leads to %s (%v, %v)", leave, err, err2)
	}
	sealed := leave.Query().Get("return")
	for name, written := range map[string]string{
		"nothing":                       "",
		"an address":                    "https://evil.test/",
		"a path":                        "//evil.test/",
		"one with a byte turned":        sealed[:len(sealed)-2] + "AA",
		"one that is cut off":           sealed[:20],
		"the state of a sign-in":        state.Query().Get("state"),
		"more than anybody would write": strings.Repeat("A", 1<<16),
	} {
		page := b.get(authURL + "/signout?return=" + url.QueryEscape(written))
		if page.StatusCode != http.StatusOK || strings.Contains(page.body, "evil.test") || strings.Contains(page.body, appURL) || page.field("return") != "" {
			t.Errorf("%s: %s: %s", name, page.Status, page.body)
		}
	}
	if page := b.get(leave.String()); !strings.Contains(page.body, appURL) {
		t.Errorf("ours is not offered: %s", page.body)
	}
	w.gone[appHost] = true
	if page := b.get(leave.String()); strings.Contains(page.body, appURL) {
		t.Errorf("a host that is served no more is offered: %s", page.body)
	}
	if page := b.get(authURL + "/o/oauth2/v2/auth?state=" + sealed); page.StatusCode != http.StatusBadRequest {
		t.Errorf("it opens as the state of a sign-in: %s", page.Status)
	}
}

// newBrowserAt returns where a browser of nobody is sent from an address.
func newBrowserAt(t *testing.T, w *world, address string) string {
	t.Helper()
	b := newBrowser(t, w)
	defer b.step()()
	return b.get(address).Header.Get("Location")
}

func TestNoGETEndsASignIn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := newBrowser(t, w)
	b.signIn(appURL+"/", "alice@example.com")
	for _, address := range []string{
		authURL + "/signout", authURL + "/signout?confirm=yes", authURL + "/signed-out", appURL + "/?gcp-iap-mode=GATEHOUSE_SIGN_OUT",
		authURL + "/", authURL + "/signout?return=x",
	} {
		b.get(address)
		r := request(t, http.MethodHead, address, "")
		b.do(r)
		b.get(appURL+"/").wantHello(t, "alice@example.com", appHost+"/")
	}
}

func TestSigningInWhereNobodyHasToGoesBackToTheAddress(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := newBrowser(t, w)
	b.signIn(appURL+"/x?a=1&gcp-iap-mode=FORCE_LOGIN&b=2", "alice@example.com").wantHello(t, "alice@example.com", appHost+"/x?a=1&b=2")
	b.get(appURL+"/y?gcp-iap-mode=FORCE_LOGIN").wantHello(t, "alice@example.com", appHost+"/y")
	if p := b.get(otherURL + "//evil.test?gcp-iap-mode=FORCE_LOGIN"); p.Request.URL.Host != otherHost {
		t.Errorf("it leads to %s", p.Request.URL)
	}
}

func TestAfterClearingTheRestOfTheAddressIsByteForByteTheSame(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	long := strings.Repeat("x", 2000)
	for target, want := range map[string]string{
		"/a%2Fb;c=d//e?x=%zz&&gcp-iap-mode=CLEAR_LOGIN_COOKIE&y=+%20;z=%C3%A9&": "/a%2Fb;c=d//e?x=%zz&&y=+%20;z=%C3%A9&",
		"/?gcp-iap-mode=CLEAR_LOGIN_COOKIE":                                     "/",
		"//evil.test/?gcp-iap-mode=CLEAR_LOGIN_COOKIE":                          "//evil.test/",
		"/p?q=" + long + "&gcp-iap-mode=CLEAR_LOGIN_COOKIE":                     "/p?q=" + long,
		"/_gcp_iap/clear_login_cookie?x=1":                                      "/?x=1",
	} {
		answer := httptest.NewRecorder()
		w.Clear(answer, asked(target), app)
		if got := answer.Header().Get("Location"); answer.Code != http.StatusFound || got != appURL+want {
			t.Errorf("%.60s leads to %.90s, want %.90s", target, got, appURL+want)
		}
	}
}

func TestARefreshGoesThroughTheAuthHostToTheRefresher(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, target := range []string{"/x?a=1&gcp-iap-mode=DO_SESSION_REFRESH", "/_gcp_iap/do_session_refresh?a=1"} {
		answer := httptest.NewRecorder()
		w.Begin(answer, asked(target), app, policy.SpecialURL)
		location, err := url.Parse(answer.Header().Get("Location"))
		if err != nil || location.Host != authHost {
			t.Fatalf("%s leads to %q", target, answer.Header().Get("Location"))
		}
		_, resumed, err := w.StateApp(location.Query().Get("state"))
		path, _, _ := strings.Cut(target, "?")
		if strings.HasPrefix(path, "/_") {
			path = "/"
		}
		if want := path + "?a=1&gcp-iap-mode=SESSION_REFRESHER"; err != nil || resumed != want {
			t.Errorf("%s comes back to %s (%v), want %s", target, resumed, err, want)
		}
	}
}
