package signin_test

import (
	"html"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/session"
)

const (
	appURL   = "https://" + appHost
	otherURL = "https://" + otherHost
	authURL  = "https://" + authHost
)

func TestSigningIn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := newBrowser(t, w)
	b.signIn(appURL+"/report?month=3&x=%zz", "alice@example.com").wantHello(t, "alice@example.com", appHost+"/report?month=3&x=%zz")
	b.get(appURL+"/again").wantHello(t, "alice@example.com", appHost+"/again")
	b.get(otherURL+"/one?sign=on").wantHello(t, "alice@example.com", otherHost+"/one?sign=on")

	stranger := newBrowser(t, w)
	if p := stranger.get(appURL + "/again"); p.field("state") == "" {
		t.Errorf("another browser: %s: %s", p.Status, p.body)
	}
}

func TestRedirectIsTheOneOfIAP(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := newBrowser(t, w)
	b.step()
	p := b.get(appURL + "/x")
	to, err := p.Location()
	if err != nil {
		t.Fatal(err)
	}
	if p.StatusCode != http.StatusFound || p.body != "Invalid IAP credentials: empty token" ||
		p.Header.Get("X-Goog-IAP-Generated-Response") != "true" || !strings.HasPrefix(p.Header.Get("Content-Type"), "text/html") {
		t.Errorf("got %s %v %q", p.Status, p.Header, p.body)
	}
	if to.Host != authHost || to.Path != "/o/oauth2/v2/auth" {
		t.Errorf("leads to %v", to)
	}
	for name, want := range map[string]string{
		"client_id": app.ClientID, "response_type": "code", "scope": "openid email", "code_challenge_method": "S256",
		"cred_ref": "true", "redirect_uri": authURL + "/v1/oauth/clientIds/" + app.ClientID + ":handleRedirect", "prompt": "",
	} {
		if got := to.Query().Get(name); got != want {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
	if len(to.Query().Get("code_challenge")) != 43 || to.Query().Get("state") == "" {
		t.Errorf("challenge and state in %v", to)
	}
	if !strings.HasPrefix(to.RawQuery, "client_id="+app.ClientID+"&") {
		t.Errorf("client_id does not come first: %s", to.RawQuery)
	}
	head := b.do(request(t, http.MethodHead, appURL+"/x", ""))
	if head.StatusCode != http.StatusFound || head.body != "" || head.Header.Get("Content-Length") != "0" {
		t.Errorf("HEAD: %s, %d bytes, Content-Length %q", head.Status, len(head.body), head.Header.Get("Content-Length"))
	}
}

func TestCookiesHaveTheirAttributes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := newBrowser(t, w)
	var seen []*http.Cookie
	b.step()
	p := b.get(appURL + "/x")
	seen = append(seen, p.Cookies()...)
	form := b.get(p.Header.Get("Location"))
	p = b.post("/signin", map[string]string{"state": form.field("state"), "email": "alice@example.com", "password": "secret of alice@example.com"})
	if p.StatusCode != http.StatusSeeOther {
		t.Fatalf("sign-in answers %s", p.Status)
	}
	seen = append(seen, p.Cookies()...)
	p = b.get(p.Header.Get("Location"))
	seen = append(seen, p.Cookies()...)
	seen = append(seen, b.get(appURL+"/x?gcp-iap-mode=CLEAR_LOGIN_COOKIE").Cookies()...)

	found := make(map[string]bool)
	for _, c := range seen {
		kind := strings.TrimRight(c.Name, "-_ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789")
		for _, prefix := range []string{"__Host-GCP_IAP_AUTH_TOKEN_", "GCP_IAP_XSRF_NONCE_", "__Host-GCP_IAP_XSRF_"} {
			if strings.HasPrefix(c.Name, prefix) {
				kind = prefix
			}
		}
		if kind == "" {
			kind = c.Name
		}
		found[kind] = true
		if !c.Secure || c.Path != "/" || c.Domain != "" || c.SameSite != http.SameSiteLaxMode || c.HttpOnly != (c.Name != "GCP_IAP_UID") {
			t.Errorf("attributes of %s", c.Raw)
		}
		account, _ := w.accounts.Account("alice@example.com")
		if c.Name == "GCP_IAP_UID" && c.MaxAge >= 0 && c.Value != account.Subject {
			t.Errorf("GCP_IAP_UID = %q, want the bare digits %q", c.Value, account.Subject)
		}
		if strings.HasPrefix(c.Name, "GCP_IAP_XSRF_NONCE_") && c.MaxAge > 0 && (c.Value != "1" || c.MaxAge != 600 || len(c.Name) != len("GCP_IAP_XSRF_NONCE_")+22) {
			t.Errorf("nonce cookie %s", c.Raw)
		}
	}
	for _, kind := range []string{
		"__Host-GCP_IAP_AUTH_TOKEN_", "GCP_IAP_XSRF_NONCE_", "__Host-GCP_IAP_XSRF_", "__Host-GCP_IAP_AUTH_SESSION",
		"GCP_IAP_UID", "__Host-GCP_IAP_DEVICE", "__Host-GCP_IAP_SELECT_ACCOUNT",
	} {
		if !found[kind] {
			t.Errorf("no %s cookie was set; there were %v", kind, found)
		}
	}
	u, _ := url.Parse(appURL)
	for _, c := range b.jar.Cookies(u) {
		if strings.Contains(c.Name, "XSRF") {
			t.Errorf("%s is left behind", c.Name)
		}
	}
}

func TestASentFormIsEndedByAPageInBrowsers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := newBrowser(t, w)
	form := b.get(appURL + "/x")
	body := url.Values{"state": {form.field("state")}, "email": {"alice@example.com"}, "password": {"secret of alice@example.com"}}
	r := request(t, http.MethodPost, authURL+"/signin", body.Encode())
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	r.Header.Set("Sec-Fetch-Mode", "navigate")
	p := b.do(r)
	_, rest, found := strings.Cut(p.body, `href="`+appURL)
	link, _, _ := strings.Cut(rest, `"`)
	if p.StatusCode != http.StatusOK || !found {
		t.Fatalf("got %s: %s", p.Status, p.body)
	}
	b.get(appURL+html.UnescapeString(link)).wantHello(t, "alice@example.com", appHost+"/x")
}

func TestWrongPasswordsSayNothingAboutAccounts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.create(t, "dora@example.com", "secret of dora@example.com")
	w.disable(t, "dora@example.com")
	tests := []struct{ name, email, password, cause string }{
		{"a wrong password", "alice@example.com", "wrong", "wrong account or password"},
		{"an account that does not exist", "nobody@example.com", "wrong", "no such account"},
		{"a disabled account with its right password", "dora@example.com", "secret of dora@example.com", "account is disabled"},
		{"a disabled account with a wrong password", "dora@example.com", "wrong", "account is disabled"},
		{"something that is no address", "alice", "wrong", "no such account"},
		{"an address with two @", "alice@example.com@evil.test", "wrong", "no such account"},
		{"no password", "alice@example.com", "", "wrong account or password"},
	}
	var first string
	for _, tt := range tests {
		b := newBrowser(t, w)
		form := b.get(appURL + "/x")
		p := b.post("/signin", map[string]string{"state": form.field("state"), "email": tt.email, "password": tt.password})
		if p.StatusCode != http.StatusUnauthorized || !strings.Contains(p.body, "do not belong together") {
			t.Errorf("%s: %s: %s", tt.name, p.Status, p.body)
		}
		same := strings.ReplaceAll(strings.ReplaceAll(p.body, p.field("state"), "STATE"), tt.email, "EMAIL")
		if first == "" {
			first = same
		}
		if same != first {
			t.Errorf("%s: the page differs:\n%s\nfrom\n%s", tt.name, same, first)
		}
		if !strings.Contains(w.log.String(), tt.cause) {
			t.Errorf("%s: the log does not say %q", tt.name, tt.cause)
		}
		for _, c := range p.Cookies() {
			t.Errorf("%s: sets %s", tt.name, c.Raw)
		}
	}
	if strings.Contains(w.log.String(), "nobody@example.com") {
		t.Error("the log holds what was typed for an account that does not exist")
	}
}

func TestGuessingIsThrottledButNotForTheBrowserThatIsKnown(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	known := newBrowser(t, w)
	known.signIn(appURL+"/", "alice@example.com").wantHello(t, "alice@example.com", appHost+"/")
	known.post("/signout", nil)

	attacker := newBrowser(t, w)
	state := attacker.get(appURL + "/").field("state")
	var p page
	for range 6 {
		p = attacker.post("/signin", map[string]string{"state": state, "email": "alice@example.com", "password": "guess"})
	}
	if p.StatusCode != http.StatusTooManyRequests || p.Header.Get("Retry-After") != "1" || !strings.Contains(p.body, "Try again in 1 second.") {
		t.Errorf("the sixth guess: %s, Retry-After %q: %s", p.Status, p.Header.Get("Retry-After"), p.body)
	}
	p = attacker.post("/signin", map[string]string{"state": state, "email": "alice@example.com", "password": "secret of alice@example.com"})
	if p.StatusCode != http.StatusTooManyRequests {
		t.Errorf("the right password during the wait: %s", p.Status)
	}
	known.signIn(appURL+"/", "alice@example.com").wantHello(t, "alice@example.com", appHost+"/")
}

func TestClearLoginCookieAsksForAnAccount(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Quick = []string{"bob@example.com"}
	b := newBrowser(t, w)
	b.signIn(appURL+"/", "alice@example.com")
	b.get(otherURL+"/").wantHello(t, "alice@example.com", otherHost+"/")
	old, err := w.db.Sessions(t.Context(), session.Filter{Email: "alice@example.com"})
	if err != nil || len(old) != 3 {
		t.Fatalf("%d sessions, %v; want those of the auth host and of two applications", len(old), err)
	}

	chooser := b.get(appURL + "/page?a=1&gcp-iap-mode=CLEAR_LOGIN_COOKIE&b=2")
	for _, want := range []string{"alice@example.com", "Use another account", "bob@example.com", "Choose an account"} {
		if !strings.Contains(chooser.body, want) {
			t.Errorf("the chooser does not offer %q: %s", want, chooser.body)
		}
	}
	if left, _ := w.db.Sessions(t.Context(), session.Filter{Email: "alice@example.com"}); len(left) != 2 {
		t.Errorf("%d sessions are left, want 2: only the application's has ended", len(left))
	}
	b.get(otherURL+"/").wantHello(t, "alice@example.com", otherHost+"/")

	form := b.get(authURL + "/o/oauth2/v2/auth?prompt=login&state=" + chooser.field("state"))
	if !strings.Contains(form.body, `name="password"`) {
		t.Errorf("use another account: %s", form.body)
	}
	b.post("/signin/account", map[string]string{"state": chooser.field("state"), "account": "alice@example.com"}).
		wantHello(t, "alice@example.com", appHost+"/page?a=1&b=2")

	b.get(appURL + "/?gcp-iap-mode=CLEAR_LOGIN_COOKIE")
	release := b.step()
	asked := b.get(strings.ReplaceAll(b.get(appURL+"/").Header.Get("Location"), "prompt=", "x="))
	release()
	if !strings.Contains(asked.body, "Choose an account") {
		t.Errorf("that an account must be chosen is not in the sealed state: %s", asked.body)
	}
	b.post("/signin/account", map[string]string{"state": asked.field("state"), "account": "bob@example.com"}).
		wantHello(t, "bob@example.com", appHost+"/")
	b.get(otherURL+"/").wantHello(t, "bob@example.com", otherHost+"/") // the old sign-in was replaced
	if left, _ := w.db.Sessions(t.Context(), session.Filter{Email: "alice@example.com"}); len(left) != 0 {
		t.Errorf("%d sessions of the replaced sign-in are left", len(left))
	}
}

func TestOneClickIsOnlyForQuickAccounts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Quick = []string{"bob@example.com", "dora@example.com"}
	w.create(t, "dora@example.com", "x")
	w.disable(t, "dora@example.com")
	for _, email := range []string{"alice@example.com", "dora@example.com", "nobody@example.com", "", "BOB@example.com"} {
		b := newBrowser(t, w)
		form := b.get(appURL + "/")
		p := b.post("/signin/account", map[string]string{"state": form.field("state"), "account": email})
		if p.StatusCode != http.StatusOK || !strings.Contains(p.body, `name="password"`) || len(p.Cookies()) != 0 {
			t.Errorf("one click as %q: %s: %.80s, cookies %v", email, p.Status, p.body, p.Cookies())
		}
	}
	b := newBrowser(t, w)
	form := b.get(appURL + "/")
	b.post("/signin/account", map[string]string{"state": form.field("state"), "account": "bob@example.com"}).
		wantHello(t, "bob@example.com", appHost+"/")
}

func TestSignOutEndsEverySession(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := newBrowser(t, w)
	b.signIn(appURL+"/", "alice@example.com")
	b.get(otherURL + "/")
	if p := b.get(authURL + "/"); !strings.Contains(p.body, "alice@example.com") || !strings.Contains(p.body, "2 applications") {
		t.Errorf("the auth host's page: %s", p.body)
	}
	stolen := cookiesOf(t, b, appURL)
	elsewhere := newBrowser(t, w)
	elsewhere.signIn(appURL+"/", "alice@example.com")

	if p := b.post("/signout", nil); !strings.Contains(p.body, "You are not signed in") {
		t.Errorf("after signing out: %s: %s", p.Status, p.body)
	}
	for _, address := range []string{appURL + "/", otherURL + "/"} {
		if p := b.get(address); p.field("state") == "" {
			t.Errorf("%s after signing out: %s: %s", address, p.Status, p.body)
		}
	}
	thief := newBrowser(t, w)
	thief.give(appURL, stolen)
	if p := thief.get(appURL + "/"); p.field("state") == "" {
		t.Errorf("a copy of the cookie after signing out: %s: %s", p.Status, p.body)
	}
	elsewhere.get(appURL+"/").wantHello(t, "alice@example.com", appHost+"/")
}

func TestDisablingAnAccountStopsSingleSignOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := newBrowser(t, w)
	b.signIn(appURL+"/", "alice@example.com")
	account, _ := w.accounts.Account("alice@example.com")
	account.Disabled = true
	w.accounts.put(account) // requests see it; the table of sessions has not been told yet
	if p := b.get(otherURL + "/"); !strings.Contains(p.body, `name="password"`) {
		t.Errorf("single sign-on of a disabled account: %s: %s", p.Status, p.body)
	}
}

func TestSessionsEndByTime(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := newBrowser(t, w)
	b.signIn(appURL+"/", "alice@example.com")
	for range 15 { // busy all day
		w.clock.advance(time.Hour - time.Minute)
		b.get(appURL+"/").wantHello(t, "alice@example.com", appHost+"/")
	}
	b.get(otherURL+"/").wantHello(t, "alice@example.com", otherHost+"/") // the auth host's session is not idle
	w.clock.advance(45 * time.Minute)
	b.get(appURL + "/")
	b.get(otherURL+"/").wantHello(t, "alice@example.com", otherHost+"/")
	w.clock.advance(30 * time.Minute)
	for _, address := range []string{appURL + "/", otherURL + "/"} { // no session outlives the sign-in
		if p := b.get(address); p.field("state") == "" {
			t.Errorf("%s after 16 hours: %s: %s", address, p.Status, p.body)
		}
	}
	b.signIn(appURL+"/", "alice@example.com")
	w.clock.advance(time.Hour)
	if p := b.get(appURL + "/"); p.field("state") == "" {
		t.Errorf("after an idle hour: %s: %s", p.Status, p.body)
	}
}

func TestManyTabsAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := newBrowser(t, w)
	b.signIn(otherURL+"/", "alice@example.com")
	stop := b.step()
	var tabs []string
	for range 5 {
		tabs = append(tabs, b.get(appURL+"/tab").Header.Get("Location"))
	}
	for i, tab := range tabs {
		tabs[i] = b.get(tab).Header.Get("Location")
	}
	stop()
	b.get(tabs[0]).wantHello(t, "alice@example.com", appHost+"/tab")
	before := cookiesOf(t, b, appURL)[session.HostCookie(app.Resource).Name]
	for _, tab := range tabs[1:] {
		b.get(tab).wantHello(t, "alice@example.com", appHost+"/tab")
	}
	if after := cookiesOf(t, b, appURL)[session.HostCookie(app.Resource).Name]; after != before {
		t.Error("a tab that came back later replaced the session that the others use")
	}
}

func TestRoutesOfTheAuthHost(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := newBrowser(t, w)
	b.step()
	tests := []struct {
		method, path string
		want         int
		allow        string
	}{
		{"GET", "/", 200, ""},
		{"HEAD", "/", 200, ""},
		{"POST", "/", 405, "GET"},
		{"GET", "/signin", 405, "POST"},
		{"GET", "/signin/account", 405, "POST"},
		{"PUT", "/signout", 405, "GET, POST"},
		{"POST", "/o/oauth2/v2/auth", 405, "GET"},
		{"GET", "/o/oauth2/v2/auth", 400, ""},
		{"POST", "/signin", 400, ""},
		{"POST", "/signin/account", 400, ""},
		{"GET", "/signin/", 404, ""},
		{"GET", "/nothing", 404, ""},
		{"GET", "//o/oauth2/v2/auth", 404, ""},
	}
	for _, tt := range tests {
		p := b.do(request(t, tt.method, authURL+tt.path, ""))
		if p.StatusCode != tt.want || p.Header.Get("Allow") != tt.allow {
			t.Errorf("%s %s: %s, Allow %q; want %d, %q", tt.method, tt.path, p.Status, p.Header.Get("Allow"), tt.want, tt.allow)
		}
		if p.Header.Get("X-Goog-IAP-Generated-Response") != "true" || p.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s %s: headers %v", tt.method, tt.path, p.Header)
		}
	}
}

// cookiesOf returns the cookies that a browser would send.
func cookiesOf(t testing.TB, b *browser, address string) map[string]string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	cookies := make(map[string]string)
	for _, c := range b.jar.Cookies(u) {
		cookies[c.Name] = c.Value
	}
	return cookies
}

// give puts cookies into a browser.
func (b *browser) give(address string, cookies map[string]string) {
	b.t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		b.t.Fatal(err)
	}
	for name, value := range cookies {
		b.jar.SetCookies(u, []*http.Cookie{{Name: name, Value: value, Path: "/", Secure: true}})
	}
}
