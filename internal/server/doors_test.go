package server_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// Every token that anybody is given, tried at every place that takes one: each opens its own door only.
func TestATokenOpensOnlyItsOwnDoor(t *testing.T) {
	t.Parallel()
	g, corp, _ := federated(t)
	r := g.robot("nightly-report")
	p, v, now := g.program(), newVisitor(t, g), time.Now()
	v.visit(appURL)
	assertion := headerOf(g.app.last(), "X-Goog-Iap-Jwt-Assertion")
	if len(assertion) != 1 {
		t.Fatal("no assertion reached the application")
	}
	first, second := newLogin(), newLogin()
	_, given := p.post("/token", first.redemption(v.code(first)))
	refreshToken, access := given["refresh_token"].(string), given["access_token"].(string)
	_, forApp := p.post("/token", refresh(refreshToken, "audience", private.OAuthClientID))
	_, robotAccess := p.post("/token", byAssertion(r.assertion(t, now, "")))
	cookie := ""
	for name, value := range v.cookies["app.test"] {
		if strings.Contains(name, "AUTH_TOKEN") {
			cookie = name + "=" + value
		}
	}
	_, cookieValue, _ := strings.Cut(cookie, "=")
	provided := corp.Signed(map[string]any{
		"iss": corp.Issuer, "sub": "alice-at-corp", "aud": private.OAuthClientID, "email": "alice@corp.example", "email_verified": true,
		"iat": now.Unix(), "exp": now.Unix() + 600,
	}, "JWT")
	location, _ := newVisitor(t, g).ask(http.MethodGet, appURL)
	away, err := url.Parse(location.Header.Get("Location"))
	if err != nil {
		t.Fatal(err)
	}
	tokens := map[string]string{
		"assertion":                    assertion[0],
		"ID token for the application": forApp["id_token"].(string),
		"ID token for the program":     given["id_token"].(string),
		"access token of a person":     access,
		"access token of a robot":      robotAccess["access_token"].(string),
		"refresh token":                refreshToken,
		"code":                         v.code(second),
		"robot's token for the app":    r.bearer(t, now, "http://app.test/*"),
		"robot's token for /token":     r.assertion(t, now, private.OAuthClientID),
		"ID token of the provider":     provided,
		"logout token of the provider": corp.LogoutToken("nobody", "", nil),
		"session cookie":               cookieValue,
		"state of a sign-in":           away.Query().Get("state"),
		"consent":                      v.consentPage(newLogin()),
	}
	name, _, _ := strings.Cut(cookie, "=")
	gives := func(form url.Values) bool { status, _ := p.post("/token", form); return status == http.StatusOK }
	doors := map[string]struct {
		opens  func(token string) bool
		owners []string
	}{
		"a bearer at the application": {func(token string) bool { status, _ := p.app(appURL, token); return status == http.StatusOK },
			[]string{"ID token for the application", "robot's token for the app", "ID token of the provider"}},
		"a bearer in Proxy-Authorization": {func(token string) bool {
			response, _ := p.do(http.MethodGet, appURL, "", "Proxy-Authorization", "Bearer "+token)
			return response.StatusCode == http.StatusOK
		}, []string{"ID token for the application", "robot's token for the app", "ID token of the provider"}},
		"the session cookie": {func(token string) bool {
			response, _ := p.do(http.MethodPost, appURL, "", "Cookie", name+"="+token)
			return response.StatusCode == http.StatusOK
		}, []string{"session cookie"}},
		"/token as an assertion":    {func(token string) bool { return gives(byAssertion(token)) }, []string{"robot's token for /token"}},
		"/token as a refresh token": {func(token string) bool { return gives(refresh(token)) }, []string{"refresh token"}},
		"/token as a code":          {func(token string) bool { return gives(second.redemption(token)) }, []string{"code"}},
		"/v1/userinfo": {func(token string) bool {
			response, _ := p.do(http.MethodGet, "http://auth.test/v1/userinfo", "", "Authorization", "Bearer "+token)
			return response.StatusCode == http.StatusOK
		}, []string{"access token of a person", "access token of a robot"}},
		"the answer of a consent": {func(token string) bool { _, answer := v.decide(token, "allow"); return answer.Has("code") }, []string{"consent"}},
		"the redirect token": {func(token string) bool {
			response, _ := p.do(http.MethodGet, appURL+"?gcp-iap-mode=AUTHENTICATING&redirect_token_v2="+url.QueryEscape(token), "", "Accept", "text/html")
			return strings.Contains(strings.Join(response.Header["Set-Cookie"], " "), "AUTH_TOKEN")
		}, nil},
		"the state of a sign-in": {func(token string) bool {
			response, _ := v.ask(http.MethodGet, "http://auth.test/o/oauth2/v2/auth?state="+url.QueryEscape(token))
			return response.StatusCode < 400
		}, []string{"state of a sign-in"}},
		"a provider's logout token": {func(token string) bool {
			response, _ := p.do(http.MethodPost, "http://auth.test/v1/oauth/clientIds/corp-client:backchannelLogout", url.Values{"logout_token": {token}}.Encode(), "Content-Type", "application/x-www-form-urlencoded")
			return response.StatusCode == http.StatusOK
		}, []string{"logout token of the provider"}},
	}
	waitForKeys(t, g, provided)
	for door, d := range doors {
		want := map[string]bool{}
		for _, name := range d.owners {
			want[name] = true
		}
		for name, token := range tokens {
			g.clock.advance(350 * time.Millisecond) // guesses are slowed down
			if got := d.opens(token); got != want[name] {
				t.Errorf("%s at %s: accepted = %v", name, door, got)
			}
		}
	}
}

// waitForKeys waits until the gate has the keys of the provider, which it fetches in the background.
func waitForKeys(t *testing.T, g *gate, token string) {
	t.Helper()
	p, late := g.program(), time.After(20*time.Second)
	for {
		if status, _ := p.app(appURL, token); status != http.StatusUnauthorized {
			return
		}
		select {
		case <-late:
			t.Fatal("the gate does not have the provider's keys")
		case <-time.After(20 * time.Millisecond):
		}
	}
}
