package signin_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/policy"
	"github.com/gatehouse-iap/gatehouse/internal/session"
	"github.com/gatehouse-iap/gatehouse/internal/signin"
)

// handoff signs a browser in up to the address that hands the token over, and does not go there.
func handoff(t testing.TB, b *browser, address, email string) string {
	t.Helper()
	release := b.step()
	defer release()
	form := b.get(b.get(address).Header.Get("Location"))
	p := b.post("/signin", map[string]string{"state": form.field("state"), "email": email, "password": "secret of " + email})
	to := p.Header.Get("Location")
	if p.StatusCode != http.StatusSeeOther || !strings.Contains(to, "redirect_token_v2=") {
		t.Fatalf("sign-in answers %s to %q: %s", p.Status, to, p.body)
	}
	return to
}

func TestAttacksOnTheRedirectToken(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const alice = "alice@example.com"
	changed := func(address string, at int) string {
		i := strings.Index(address, "redirect_token_v2=") + len("redirect_token_v2=") + at
		c := byte('A')
		if address[i] == c {
			c = 'B'
		}
		return address[:i] + string(c) + address[i+1:]
	}
	// Nobody ever gets a session by such a token. It ends in a sign-in of one's own: in a form, or, for those who are
	// signed in at the auth host, as oneself.
	const form = "the form"
	tests := []struct {
		name   string
		ends   string
		attack func(t *testing.T, b *browser, token string) page
	}{
		{"a token replayed in its own browser", form, func(t *testing.T, b *browser, token string) page {
			cookies := cookiesOf(t, b, appURL)
			b.get(token).wantHello(t, alice, appHost+"/x")
			again := newBrowser(t, w)
			again.give(appURL, cookies)
			return again.get(token)
		}},
		{"a token replayed after its browser's cookies were cleared", alice, func(t *testing.T, b *browser, token string) page {
			b.get(token)
			return b.get(token)
		}},
		{"a token on another host, with the browser's secret", alice, func(t *testing.T, b *browser, token string) page {
			b.give(otherURL, cookiesOf(t, b, appURL))
			return b.get(strings.Replace(token, appHost, otherHost, 1))
		}},
		{"a token after 60 seconds", alice, func(_ *testing.T, b *browser, token string) page {
			w.clock.advance(time.Minute)
			return b.get(token)
		}},
		{"a token in another browser, without a secret", form, func(t *testing.T, _ *browser, token string) page {
			return newBrowser(t, w).get(token)
		}},
		{"a token in another browser, with the secret of an attempt of its own", "bob@example.com", func(t *testing.T, _ *browser, token string) page {
			thief := newBrowser(t, w)
			handoff(t, thief, appURL+"/x", "bob@example.com")
			return thief.get(token)
		}},
		{"a token in another browser, with its own secret under the attempt's name", form, func(t *testing.T, b *browser, token string) page {
			thief := newBrowser(t, w)
			cookies := cookiesOf(t, b, appURL)
			for name := range cookies {
				if strings.HasPrefix(name, "__Host-GCP_IAP_XSRF_") {
					cookies[name] = strings.Repeat("A", 43)
				}
			}
			thief.give(appURL, cookies)
			return thief.get(token)
		}},
		{"the secret behind a planted one of the same name", form, func(t *testing.T, b *browser, token string) page {
			r := request(t, http.MethodGet, token, "")
			for name, value := range cookiesOf(t, b, appURL) {
				if strings.HasPrefix(name, "__Host-GCP_IAP_XSRF_") {
					r.Header.Set("Cookie", name+"=planted; "+name+"="+value)
				}
			}
			return newBrowser(t, w).do(r)
		}},
		{"only IAP's nonce cookie, without the secret", form, func(t *testing.T, b *browser, token string) page {
			cookies := cookiesOf(t, b, appURL)
			for name := range cookies {
				if strings.HasPrefix(name, "__Host-") {
					delete(cookies, name)
				}
			}
			thief := newBrowser(t, w)
			thief.give(appURL, cookies)
			return thief.get(token)
		}},
		{"a token whose attempt is changed", alice, func(_ *testing.T, b *browser, token string) page { return b.get(changed(token, 3)) }},
		{"a token whose secret is changed", alice, func(_ *testing.T, b *browser, token string) page { return b.get(changed(token, 40)) }},
		{"a truncated token", alice, func(_ *testing.T, b *browser, token string) page { return b.get(token[:len(token)-4]) }},
		{"a token that is given twice", alice, func(_ *testing.T, b *browser, token string) page {
			return b.get(token + token[strings.Index(token, "&"):])
		}},
		{"no token", alice, func(_ *testing.T, b *browser, token string) page { return b.get(token[:strings.Index(token, "&")]) }},
		{"a token that is asked for by HEAD", form, func(t *testing.T, b *browser, token string) page {
			p := b.do(request(t, http.MethodHead, token, ""))
			if p.StatusCode != http.StatusBadRequest || len(p.Cookies()) != 0 {
				t.Errorf("HEAD: %s, cookies %v", p.Status, p.Cookies())
			}
			b.get(token).wantHello(t, alice, appHost+"/x") // it was not used up
			return newBrowser(t, w).get(token)
		}},
		{"a token whose sign-in has been ended", form, func(t *testing.T, b *browser, token string) page {
			b.post("/signout", nil)
			return b.get(token)
		}},
		{"a token whose account is switched off as requests see it", form, func(t *testing.T, b *browser, token string) page {
			account, _ := w.accounts.Account(alice)
			defer w.accounts.put(account)
			off := account
			off.Disabled = true
			w.accounts.put(off)
			return b.get(token)
		}},
		{"a token whose account has been switched off", form, func(t *testing.T, _ *browser, _ string) page {
			w.create(t, "eve@example.com", "secret of eve@example.com")
			eve := newBrowser(t, w)
			token := handoff(t, eve, appURL+"/x", "eve@example.com")
			w.disable(t, "eve@example.com")
			return eve.get(token)
		}},
	}
	for _, tt := range tests { // one after the other: they share a clock
		b := newBrowser(t, w)
		token := handoff(t, b, appURL+"/x", alice)
		p := tt.attack(t, b, token)
		switch {
		case tt.ends == form && (p.field("state") == "" || p.Request.URL.Host != authHost):
			t.Errorf("%s: %s at %s: %.200q", tt.name, p.Status, p.Request.URL, p.body)
		case tt.ends != form && !strings.HasPrefix(p.body, "Hello "+tt.ends+" at "):
			t.Errorf("%s: %s at %s: %.200q", tt.name, p.Status, p.Request.URL, p.body)
		}
	}
}

func TestAnAttackOnATokenLeavesItToItsOwner(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := newBrowser(t, w)
	token := handoff(t, b, appURL+"/x", "alice@example.com")
	if p := newBrowser(t, w).get(token); p.field("state") == "" {
		t.Errorf("another browser: %s: %.200q", p.Status, p.body)
	}
	b.get(token).wantHello(t, "alice@example.com", appHost+"/x")
}

func TestAttacksOnTheState(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	attacker, victim := newBrowser(t, w), newBrowser(t, w)
	foreign := attacker.get(appURL + "/x").field("state")

	// The attacker's state in the victim's browser: the victim signs in, and the token fits neither browser.
	p := victim.post("/signin", map[string]string{"state": foreign, "email": "alice@example.com", "password": "secret of alice@example.com"})
	p.wantHello(t, "alice@example.com", appHost+"/x") // by an attempt of their own
	if attacker.step(); strings.HasPrefix(attacker.get(appURL+"/x").body, "Hello") {
		t.Error("the attacker is signed in by the victim's sign-in")
	}

	b := newBrowser(t, w)
	state := b.get(appURL + "/x").field("state")
	mutated := func(i int) string {
		c := byte('A')
		if state[i] == c {
			c = 'B'
		}
		return state[:i] + string(c) + state[i+1:]
	}
	foreignWorld := newWorld(t)
	foreignWorld.Sealer = foreignWorld.Sessions.Codec.Sealer // another purpose of the same root key
	tests := []struct{ name, state string }{
		{"no state", ""},
		{"a state that is no base64", "!!!!"},
		{"a state with its version changed", mutated(0)},
		{"a state with its key changed", mutated(4)},
		{"a state with its middle changed", mutated(len(state) / 2)},
		{"a state with its end changed", mutated(len(state) - 2)},
		{"a truncated state", state[:len(state)-8]},
		{"a state with more behind it", state + "AAAA"},
		{"a state of ten thousand characters", strings.Repeat("A", 10_000)},
		{"a state sealed for another purpose", newBrowser(t, foreignWorld).get(appURL + "/x").field("state")},
		{"a cookie of a session as state", w.Sessions.Codec.Seal(session.NewID(), w.clock.Now(), session.AuthCookieName, authHost)},
	}
	right := map[string]string{"email": "alice@example.com", "password": "secret of alice@example.com", "account": "alice@example.com"}
	for _, tt := range tests {
		right["state"] = tt.state
		b.get(authURL+"/o/oauth2/v2/auth?state="+url.QueryEscape(tt.state)).wantRefused(t, "GET with "+tt.name)
		b.post("/signin", right).wantRefused(t, "POST /signin with "+tt.name)
		b.post("/signin/account", right).wantRefused(t, "POST /signin/account with "+tt.name)
	}

	right["state"] = state
	w.gone[appHost] = true
	b.post("/signin", right).wantRefused(t, "a state of an application that is served no more")
	w.gone[appHost] = false
	w.clock.advance(10 * time.Minute)
	late := b.get(authURL + "/o/oauth2/v2/auth?state=" + state)
	if fresh := late.field("state"); fresh == "" || fresh == state {
		t.Errorf("an old sign-in page does not begin anew: %s: %.200q", late.Status, late.body)
	}
	b.post("/signin", right).wantRefused(t, "POST with a state after ten minutes")
}

func TestAttacksWithSessionCookies(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	alice, bob := newBrowser(t, w), newBrowser(t, w)
	alice.signIn(appURL+"/", "alice@example.com")
	bob.signIn(appURL+"/", "bob@example.com")
	alice.get(otherURL + "/")
	name, otherName := session.HostCookie(app.Resource).Name, session.HostCookie(other.Resource).Name
	a, b := cookiesOf(t, alice, appURL)[name], cookiesOf(t, bob, appURL)[name]
	atOther, atAuth := cookiesOf(t, alice, otherURL)[otherName], cookiesOf(t, alice, authURL)[session.AuthCookieName]
	tests := []struct{ name, address, cookie string }{
		{"a session cookie moved to another host", otherURL, name + "=" + a},
		{"a session cookie moved to another host under its name there", otherURL, otherName + "=" + a},
		{"a session cookie of another resource", appURL, name + "=" + atOther},
		{"a session cookie of the auth host", appURL, name + "=" + atAuth},
		{"a truncated session cookie", appURL, name + "=" + a[:len(a)-6]},
		{"a session cookie with more behind it", appURL, name + "=" + a + "AAAA"},
		{"a doubled session cookie of two people", appURL, name + "=" + a + "; " + name + "=" + b},
		{"a session cookie in another case", appURL, strings.ToLower(name) + "=" + a},
		{"a session id in plain", appURL, name + "=" + session.NewID().String()},
		{"the name of IAP's oldest cookie", appURL, "GCP_IAAP_AUTH_TOKEN_" + app.Resource.ID() + "=" + a},
	}
	for _, tt := range tests {
		thief := newBrowser(t, w)
		thief.step()
		r := request(t, http.MethodGet, tt.address+"/", "")
		r.Header.Set("Cookie", tt.cookie)
		if p := thief.do(r); p.StatusCode != http.StatusFound || !strings.HasPrefix(p.Header.Get("Location"), authURL) {
			t.Errorf("%s: %s: %s", tt.name, p.Status, p.body)
		}
	}
	r := request(t, http.MethodGet, authURL+"/", "")
	r.Header.Set("Cookie", session.AuthCookieName+"="+a)
	if p := newBrowser(t, w).do(r); strings.Contains(p.body, "alice@example.com") {
		t.Errorf("an application's session cookie at the auth host: %s", p.body)
	}
}

// A session that somebody planted in a browser, to see what its person does, ends when that person signs in.
func TestAPlantedSessionDoesNotSurviveSigningIn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	mallory, victim := newBrowser(t, w), newBrowser(t, w)
	mallory.signIn(appURL+"/", "bob@example.com")
	planted := cookiesOf(t, mallory, appURL)

	token := handoff(t, victim, appURL+"/x", "alice@example.com")
	victim.give(appURL, planted)
	victim.get(token).wantHello(t, "alice@example.com", appHost+"/x")
	name := session.HostCookie(app.Resource).Name
	if cookiesOf(t, victim, appURL)[name] == planted[name] {
		t.Error("the planted cookie is still there")
	}
	fresh := newBrowser(t, w)
	fresh.give(appURL, planted)
	if p := fresh.get(appURL + "/"); p.field("state") == "" {
		t.Errorf("the planted session lives on: %s: %s", p.Status, p.body)
	}
}

func TestFormsOfOtherSitesAreRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := newBrowser(t, w)
	b.signIn(appURL+"/", "alice@example.com")
	state := newBrowser(t, w).get(appURL + "/x").field("state")
	headers := []map[string]string{
		{"Sec-Fetch-Site": "cross-site"},
		{"Sec-Fetch-Site": "same-site"},
		{"Sec-Fetch-Site": "cross-site", "Origin": authURL},
		{"Origin": "https://evil.test"},
		{"Origin": "null"},
		{"Origin": appURL},
		{"Origin": authURL + ".evil.test"},
	}
	for _, path := range []string{"/signin", "/signin/account", "/signout"} {
		for _, header := range headers {
			form := url.Values{"state": {state}, "email": {"bob@example.com"}, "password": {"secret of bob@example.com"}, "account": {"alice@example.com"}}
			r := request(t, http.MethodPost, authURL+path, form.Encode())
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			for name, value := range header {
				r.Header.Set(name, value)
			}
			if p := b.do(r); p.StatusCode != http.StatusForbidden || len(p.Cookies()) != 0 {
				t.Errorf("POST %s with %v: %s, cookies %v", path, header, p.Status, p.Cookies())
			}
		}
	}
	if p := b.get(authURL + "/"); !strings.Contains(p.body, "alice@example.com") {
		t.Errorf("the session has suffered: %s", p.body)
	}
}

// returnTricks are request targets that try to become another origin on the way back.
var returnTricks = []string{
	"//evil.test", "//evil.test/", "///evil.test", "////evil.test", "/\\evil.test", "\\\\evil.test", "/\\/evil.test",
	"\\/evil.test", "/\t/evil.test", "/\n/evil.test", "/\r/evil.test", "/\r\nLocation: https://evil.test", "/\x00/evil.test",
	"\t//evil.test", " //evil.test", "//evil.test@" + appHost, "@evil.test", "@evil.test/", ".evil.test", ":80@evil.test",
	":8443/", "https://evil.test", "https:evil.test", "https:/evil.test", "https:///evil.test", "http://evil.test/",
	"javascript:alert(1)", "data:text/html,x", "/%2fevil.test", "/%2F%2Fevil.test", "/%5cevil.test", "/%09/evil.test", "/%0d%0aSet-Cookie:a=b",
	"/..//evil.test", "/.//evil.test", "/%2e%2e//evil.test", "/x/..//evil.test", "/;//evil.test", "/?//evil.test", "/#//evil.test",
	"/#@evil.test", "?//evil.test", "?https://evil.test", "#evil.test", "*", "", "/\u2028/evil.test", "/\u3002evil.test", "/\xff\xfeevil.test",
	"//[::1]/", "//evil.test:443/", "/https://evil.test", "/x?next=https://evil.test", "/x?gcp-iap-mode=AUTHENTICATING&redirect_token_v2=zzz",
	"/x?gcp-iap-mode=CLEAR_LOGIN_COOKIE", "/x?gcp%2Diap-mode=CLEAR_LOGIN_COOKIE", "//evil.test?gcp-iap-mode=CLEAR_LOGIN_COOKIE",
	"//evil.test?gcp-iap-mode=FORCE_LOGIN", "/x?gcp-iap-mode=DO_SESSION_REFRESH", "//evil.test/?gcp-iap-mode=DO_SESSION_REFRESH#@evil.test",
	"/_gcp_iap/clear_login_cookie//evil.test", "/_gcp_iap/..//evil.test", "/x?gcp-iap-mode=GATEHOUSE_SIGN_OUT&u=//evil.test",
	"/" + strings.Repeat("a", 5000), "//" + strings.Repeat("a", 1600) + ".evil.test/", "/x?" + strings.Repeat("b", 5000), "/%zz", "/%",
	"/x#", "/ /evil.test", "/x y?a b",
}

// asked is a request with a target that no client of Go's would send.
func asked(target string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "https://"+appHost+"/", nil)
	r.RequestURI = target
	if u, err := url.ParseRequestURI(target); err == nil {
		r.URL = u
	} else {
		r.URL = &url.URL{Path: target}
	}
	return r
}

// wantOwnOrigin fails unless a browser that is sent to an address ends at the application's origin: the address
// begins with it, the authority ends there, and nothing in it is dropped or turned by a browser's parser.
func wantOwnOrigin(t testing.TB, what, address string) {
	t.Helper()
	rest, found := strings.CutPrefix(address, appURL+"/")
	if !found {
		t.Errorf("%q leads to %q", what, address)
	}
	for i := range len(rest) {
		if c := rest[i]; c <= ' ' || c >= 0x7f || c == '\\' || c == '#' {
			t.Errorf("%q leads to %q with byte %#x in it", what, address, c)
		}
	}
	if u, err := url.Parse(address); err != nil || u.Scheme+"://"+u.Host != appURL || u.User != nil {
		t.Errorf("%q leads to %q, which is read as %v, %v", what, address, u, err)
	}
}

func TestReturnAddressesEndAtTheApplication(t *testing.T) {
	t.Parallel()
	if len(returnTricks) < 40 {
		t.Fatalf("only %d tricks", len(returnTricks))
	}
	w := newWorld(t)
	b := newBrowser(t, w)
	b.signIn(otherURL+"/", "alice@example.com")
	release := b.step()
	defer release()
	u, _ := url.Parse(appURL + "/")
	for _, trick := range returnTricks {
		begun := httptest.NewRecorder()
		w.Begin(begun, asked(trick), app, policy.NoCredential)
		b.jar.SetCookies(u, begun.Result().Cookies())
		handed := b.get(begun.Header().Get("Location")).Header.Get("Location") // signed in already
		wantOwnOrigin(t, trick, handed)
		p := b.get(handed)
		if p.StatusCode != http.StatusFound {
			t.Errorf("%q: completing answers %s: %s", trick, p.Status, p.body)
			continue
		}
		arrived := p.Header.Get("Location")
		wantOwnOrigin(t, trick, arrived)
		if strings.Contains(arrived, "AUTHENTICATING") || strings.Contains(arrived, "CLEAR_LOGIN_COOKIE") {
			t.Errorf("%q leads to another step of sign-in: %q", trick, arrived)
		}

		cleared := httptest.NewRecorder()
		w.Clear(cleared, asked(trick), app)
		wantOwnOrigin(t, trick, cleared.Header().Get("Location"))
		if n := len(cleared.Result().Header["Location"]); n != 1 || cleared.Header().Get("Set-Cookie") == "a=b" {
			t.Errorf("%q writes headers: %v", trick, cleared.Header())
		}

		gone := httptest.NewRecorder()
		w.GoOn(gone, asked(trick), app)
		wantOwnOrigin(t, trick, gone.Header().Get("Location"))
		left := httptest.NewRecorder()
		w.SignOut(left, asked(trick), app)
		if there, found := strings.CutPrefix(left.Header().Get("Location"), authURL+"/signout?return="); !found || strings.Contains(there, "evil") {
			t.Errorf("%q leads to %q", trick, left.Header().Get("Location"))
		}
	}
}

func TestLongAddressesAreCutBack(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", signin.MaxTarget)
	tests := []struct{ name, target, want string }{
		{"an ordinary address is kept byte for byte", "/a|b//c/%2F?b=1;c=2&x=%zz&y", "/a|b//c/%2F?b=1;c=2&x=%zz&y"},
		{"an address over the limit loses its query", "/path?" + long, "/path"},
		{"a path over the limit becomes the root", "/" + long, "/"},
		{"an address at the limit is kept", "/" + long[1:], "/" + long[1:]},
		{"characters beyond ASCII are escaped", "/gr\u00fc\u00dfe?q=\u20ac", "/gr%C3%BC%C3%9Fe?q=%E2%82%AC"},
		{"our own steps are taken out of the query", "/x?a=1&gcp-iap-mode=AUTHENTICATING&redirect_token_v2=t&b=2", "/x?a=1&b=2"},
		{"other modes of IAP stay", "/x?gcp-iap-mode=IDENTITY", "/x?gcp-iap-mode=IDENTITY"},
	}
	for _, tt := range tests {
		if got := signin.Target(asked(tt.target)); got != tt.want {
			t.Errorf("%s: %.60q becomes %.60q, want %.60q", tt.name, tt.target, got, tt.want)
		}
	}
	w := newWorld(t)
	r := asked("/?" + strings.Repeat(`"`, signin.MaxTarget-2)) // the worst that JSON can make of it is one more byte each
	begun := httptest.NewRecorder()
	w.Begin(begun, asked("/"+long[1:]), app, policy.NoCredential)
	size := 0
	for name, values := range begun.Header() {
		for _, value := range values {
			size += len(name) + len(value) + 4
		}
	}
	if size > 4096 {
		t.Errorf("the redirect of the longest address has %d bytes of headers, want at most 4096", size)
	}
	quoted := httptest.NewRecorder()
	w.Begin(quoted, r, app, policy.NoCredential)
	to, err := url.Parse(quoted.Header().Get("Location"))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := w.StateApp(to.Query().Get("state")); err != nil {
		t.Errorf("the longest state does not open: %v", err)
	}
}

func TestConcurrentSignInsSeeOnlyThemselves(t *testing.T) {
	t.Parallel()
	const people, times = 50, 20
	w := newWorld(t)
	emails := make([]string, people)
	for i := range people {
		emails[i] = fmt.Sprintf("p%d@example.com", i)
		w.create(t, emails[i], "secret of "+emails[i])
	}
	var wg sync.WaitGroup
	for i, email := range emails {
		wg.Go(func() {
			for range times {
				b := newBrowser(t, w)
				b.peer = fmt.Sprintf("10.0.0.%d:1", i)
				at := fmt.Sprintf("/of/%d", i)
				asked := b.get(appURL + at)
				form := map[string]string{"state": asked.field("state"), "email": email, "password": "secret of " + email}
				p := b.post("/signin", form)
				for p.StatusCode == http.StatusServiceUnavailable { // many are signing in: try again, as it says
					p = b.post("/signin", form)
				}
				p.wantHello(t, email, appHost+at)
				b.get(otherURL+at).wantHello(t, email, otherHost+at)
			}
		})
	}
	wg.Wait()
}

func TestTooManyPasswordChecksAreToldAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var wg sync.WaitGroup
	var mu sync.Mutex
	statuses := make(map[int]int)
	for i := range 80 {
		b := newBrowser(t, w)
		b.peer = fmt.Sprintf("10.1.0.%d:1", i)
		state := b.get(appURL + "/").field("state")
		wg.Go(func() { // accounts that do not exist cost what a new hash costs
			p := b.post("/signin", map[string]string{"state": state, "email": fmt.Sprintf("no%d@example.com", i), "password": "x"})
			mu.Lock()
			defer mu.Unlock()
			statuses[p.StatusCode]++
			if p.StatusCode == http.StatusServiceUnavailable && p.Header.Get("Retry-After") == "" {
				t.Error("503 without Retry-After")
			}
		})
	}
	began := time.Now()
	wg.Wait()
	t.Logf("%v in %v", statuses, time.Since(began))
	if statuses[http.StatusServiceUnavailable] == 0 || statuses[http.StatusUnauthorized] == 0 {
		t.Errorf("answers by status: %v, want some 401 and the rest 503", statuses)
	}
}

func FuzzTarget(f *testing.F) {
	for _, trick := range returnTricks {
		f.Add(trick)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		got := signin.Target(asked(raw))
		if len(got) > signin.MaxTarget {
			t.Errorf("%q becomes %d bytes", raw, len(got))
		}
		wantOwnOrigin(t, raw, appURL+got)
		if again := signin.Target(asked(got)); again != got {
			t.Errorf("%q becomes %q and then %q", raw, got, again)
		}
	})
}

func FuzzState(f *testing.F) {
	w := newWorld(f)
	b := newBrowser(f, w)
	f.Add(b.get(appURL + "/x?y=z").field("state"))
	f.Add("")
	f.Add("AQ")
	f.Add(strings.Repeat("_", 200))
	f.Fuzz(func(t *testing.T, state string) {
		host, target, err := w.StateApp(state)
		if err == nil && (host != appHost || target != "/x?y=z") {
			t.Errorf("%q opens to %q %q", state, host, target)
		}
	})
}
