package signin_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/gatehouse-iap/gatehouse/internal/session"
)

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
		{"a session cookie moved to another host of the same application", "https://" + secondHost, name + "=" + a},
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
