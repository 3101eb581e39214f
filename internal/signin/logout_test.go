package signin_test

import (
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/gatehouse-iap/gatehouse/internal/identityprovider"
	"github.com/gatehouse-iap/gatehouse/internal/signin/oidctest"
)

func TestSigningOutGoesOnToTheProvider(t *testing.T) {
	t.Parallel()
	f := newFederation(t)
	b := newBrowser(t, f.world)
	b.get(appURL + "/")
	b.get(otherURL + "/")
	release := b.step()
	out := b.post("/signout", nil)
	release()
	at, err := url.Parse(out.Header.Get("Location"))
	if err != nil || out.StatusCode != http.StatusSeeOther || !strings.HasPrefix(at.String(), f.corp.Issuer+"/logout?") {
		t.Fatalf("%s to %q", out.Status, out.Header.Get("Location"))
	}
	query := at.Query()
	if query.Get("client_id") != "0oa-corp" || query.Get("post_logout_redirect_uri") != authURL+"/signed-out" || strings.Count(query.Get("id_token_hint"), ".") != 2 {
		t.Errorf("query %v", query)
	}
	if done := b.get(at.String()); done.StatusCode != http.StatusOK || !strings.Contains(done.body, "You have signed out.") {
		t.Errorf("%s: %s", done.Status, done.body)
	}
	if b.in() || len(f.sessions(t)) != 0 {
		t.Error("still signed in")
	}
}

func TestSigningOutStaysHereWhereThatIsConfiguredOrTheProviderHasNoPlaceForIt(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*federation, *identityprovider.Provider){
		"configured": func(_ *federation, p *identityprovider.Provider) { p.OIDC.KeepProviderSession = true },
		"no place": func(f *federation, _ *identityprovider.Provider) {
			f.corp.Bend(oidctest.Bends{Discovery: remove("end_session_endpoint")})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFederation(t)
			p := f.corpProvider()
			change(f, &p)
			f.use(t, p)
			b := newBrowser(t, f.world)
			b.get(appURL + "/")
			release := b.step()
			out := b.post("/signout", nil)
			release()
			if out.Header.Get("Location") != "/signed-out" {
				t.Errorf("it goes to %q", out.Header.Get("Location"))
			}
		})
	}
}

// tell sends a logout token as a provider does.
func (f *federation) tell(t *testing.T, clientID, token string) page {
	t.Helper()
	r := request(t, http.MethodPost, authURL+"/v1/oauth/clientIds/"+clientID+":backchannelLogout", url.Values{"logout_token": {token}}.Encode())
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return newBrowser(t, f.world).do(r)
}

func TestALogoutTokenEndsTheSessionsThatItIsAbout(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		subject, session string
		in               []bool // Alice at work, Alice at home, Alice without a named session, Bob
	}{
		"of a person":                       {"alice-at-corp", "", []bool{false, false, false, true}},
		"of one session":                    {"", "work", []bool{false, true, true, true}},
		"of a person's session":             {"alice-at-corp", "work", []bool{false, true, false, true}},
		"of another's session":              {"bob-at-corp", "work", []bool{true, true, true, true}},
		"of a session that nobody has here": {"", "elsewhere", []bool{true, true, true, true}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFederation(t)
			var browsers []*browser
			for _, one := range []struct{ subject, email, sid string }{
				{"alice-at-corp", "alice@corp.example", "work"}, {"alice-at-corp", "alice@corp.example", "home"},
				{"alice-at-corp", "alice@corp.example", ""}, {"bob-at-corp", "bob@corp.example", "office"},
			} {
				claims := map[string]any{"email": one.email, "email_verified": true}
				if one.sid != "" {
					claims["sid"] = one.sid
				}
				f.corp.As(oidctest.Person{Subject: one.subject, Claims: claims})
				b := newBrowser(t, f.world)
				b.get(appURL+"/").wantHello(t, one.email, appHost+"/")
				browsers = append(browsers, b)
			}
			if p := f.tell(t, "0oa-corp", f.corp.LogoutToken(test.subject, test.session, nil)); p.StatusCode != http.StatusOK || p.Header.Get("Cache-Control") != "no-store" {
				t.Fatalf("%s: %s\n%s", p.Status, p.body, f.log)
			}
			for i, b := range browsers {
				if b.in() != test.in[i] {
					t.Errorf("browser %d: in is %v", i, !test.in[i])
				}
			}
		})
	}
}

func TestAttacksOnTheLogoutToken(t *testing.T) {
	t.Parallel()
	f := withPartner(t)
	stranger, own := oidctest.NewKey(t, "first"), oidctest.NewKey(t, "first")
	f.corp.Rotate(own)
	b := newBrowser(t, f.world)
	asked := b.get(appURL + "/")
	b.post("/signin/address", map[string]string{"state": asked.field("state"), "email": "alice@corp.example"}).wantHello(t, "alice@corp.example", appHost+"/")
	now := f.clock.Now().Unix()
	honest := map[string]any{
		"iss": f.corp.Issuer, "aud": "0oa-corp", "sub": "alice-at-corp", "iat": now, "jti": "forged",
		"events": map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}},
	}
	bent := func(bend func(map[string]any)) string { return f.corp.LogoutToken("alice-at-corp", "", bend) }
	for name, token := range map[string]string{
		"none":                            "",
		"no token":                        "opaque",
		"an ID token":                     f.corp.IDToken(oidctest.Person{Subject: "alice-at-corp"}, "n"),
		"with a nonce":                    bent(set("nonce", "n")),
		"with an empty nonce":             bent(set("nonce", "")),
		"without event":                   bent(remove("events")),
		"with another event":              bent(set("events", map[string]any{"http://schemas.openid.net/event/other": map[string]any{}})),
		"with an event that is no object": bent(set("events", map[string]any{"http://schemas.openid.net/event/backchannel-logout": "yes"})),
		"with an event that is null":      bent(set("events", map[string]any{"http://schemas.openid.net/event/backchannel-logout": nil})),
		"of another issuer":               bent(set("iss", "https://evil.test")),
		"for another client":              bent(set("aud", "another")),
		"without audience":                bent(remove("aud")),
		"without time":                    bent(remove("iat")),
		"an hour old":                     bent(func(c map[string]any) { c["iat"] = now - 3600; delete(c, "exp") }),
		"from the future":                 bent(set("iat", now+3600)),
		"expired":                         bent(set("exp", now-600)),
		"about nobody":                    bent(remove("sub")),
		"about nobody in text":            bent(set("sub", 7)),
		"without id":                      bent(remove("jti")),
		"signed by a stranger":            oidctest.Sign(stranger, map[string]any{"alg": "ES256", "kid": "first", "typ": "logout+jwt"}, honest),
		"not signed":                      strings.Join(strings.Split(bent(nil), ".")[:2], ".") + ".",
		"that is an access token":         oidctest.Sign(own, map[string]any{"alg": "ES256", "kid": "first", "typ": "at+jwt"}, honest),
		"that names its key":              oidctest.Sign(own, map[string]any{"alg": "ES256", "kid": "first", "typ": "logout+jwt", "jwk": own.Public()}, honest),
		"that says twice whom it is about": oidctest.SignText(own, map[string]any{"alg": "ES256", "kid": "first", "typ": "logout+jwt"},
			payload(honest, `"sub":"bob-at-corp",`, "")),
		"for another client, and for us in capitals": oidctest.SignText(own, map[string]any{"alg": "ES256", "kid": "first", "typ": "logout+jwt"},
			strings.Replace(payload(honest, "", `,"AUD":"0oa-corp"`), `"aud":"0oa-corp"`, `"aud":"another"`, 1)),
		"without algorithm":                       oidctest.Encode(map[string]any{"alg": "none", "typ": "logout+jwt"}) + "." + oidctest.Encode(honest) + ".",
		"by the client's secret":                  hs256("secret of 0oa-corp")(map[string]any{"typ": "logout+jwt"}, honest),
		"of another provider":                     f.partner.LogoutToken("alice-at-corp", "", nil),
		"of another provider in the first's name": f.partner.LogoutToken("alice-at-corp", "", func(c map[string]any) { c["iss"], c["aud"] = f.corp.Issuer, "0oa-corp" }),
	} {
		p := f.tell(t, "0oa-corp", token)
		if p.StatusCode != http.StatusBadRequest || !strings.Contains(p.body, `"invalid_request"`) {
			t.Errorf("a logout token %s: %s: %s", name, p.Status, p.body)
		}
		if !b.in() {
			t.Fatalf("a logout token %s signed Alice out", name)
		}
	}
	// The partner's own token is good, and ends none of corp's sessions.
	if p := f.tell(t, "partner-client", f.partner.LogoutToken("alice-at-corp", "", nil)); p.StatusCode != http.StatusOK || !b.in() {
		t.Errorf("%s; in: %v", p.Status, b.in())
	}
	if p := f.tell(t, "unknown", bent(nil)); p.StatusCode != http.StatusBadRequest {
		t.Errorf("a client that is none: %s", p.Status)
	}
	// What the forged ones were made of is good by itself.
	if p := f.tell(t, "0oa-corp", oidctest.Sign(own, map[string]any{"alg": "ES256", "kid": "first", "typ": "logout+jwt"}, honest)); p.StatusCode != http.StatusOK || b.in() {
		t.Errorf("the honest one: %s; in: %v\n%s", p.Status, b.in(), f.log)
	}
}

// Two providers may call their sessions alike.
func TestALogoutTokenEndsNoSessionOfAnotherProvider(t *testing.T) {
	t.Parallel()
	f := withPartner(t)
	f.corp.As(oidctest.Person{Subject: "alice", Claims: map[string]any{"email": "alice@corp.example", "email_verified": true, "sid": "s1"}})
	b := newBrowser(t, f.world)
	asked := b.get(appURL + "/")
	b.post("/signin/address", map[string]string{"state": asked.field("state"), "email": "alice@corp.example"}).wantHello(t, "alice@corp.example", appHost+"/")
	for _, token := range []string{f.partner.LogoutToken("", "s1", nil), f.partner.LogoutToken("alice", "", nil), f.partner.LogoutToken("alice", "s1", nil)} {
		if p := f.tell(t, "partner-client", token); p.StatusCode != http.StatusOK || !b.in() {
			t.Errorf("%s; in: %v", p.Status, b.in())
		}
	}
}

// One token, sent many times at once, ends sessions once: what is opened after the first use stays.
func TestALogoutTokenSentManyTimesAtOnceIsTakenOnce(t *testing.T) {
	t.Parallel()
	f := newFederation(t)
	token := f.corp.LogoutToken("alice-at-corp", "", nil)
	var group sync.WaitGroup
	var taken atomic.Int32
	for range 8 {
		group.Go(func() {
			if f.tell(t, "0oa-corp", token).StatusCode == http.StatusOK {
				taken.Add(1)
			}
		})
	}
	group.Wait()
	if taken.Load() != 1 {
		t.Errorf("it was taken %d times", taken.Load())
	}
}

func TestAfterSigningOutNobodyIsSentElsewhere(t *testing.T) {
	t.Parallel()
	f := newFederation(t)
	b := newBrowser(t, f.world)
	b.get(appURL + "/")
	release := b.step()
	defer release()
	for _, path := range []string{
		"/signed-out?post_logout_redirect_uri=https://evil.test/", "/signed-out?state=https://evil.test/&next=//evil.test", "/signed-out//evil.test", "/signed-out?url=javascript:alert(1)",
	} {
		if p := b.get(authURL + path); p.Header.Get("Location") != "" || p.Header.Get("Refresh") != "" || strings.Contains(p.body, "evil.test") || strings.Contains(p.body, "alert") {
			t.Errorf("%s: %s to %q: %s", path, p.Status, p.Header.Get("Location"), p.body)
		}
	}
	out := b.post("/signout?post_logout_redirect_uri=https://evil.test/&next=//evil.test", map[string]string{"post_logout_redirect_uri": "https://evil.test/"})
	if at := out.Header.Get("Location"); !strings.HasPrefix(at, f.corp.Issuer+"/logout?") || strings.Contains(at, "evil") {
		t.Errorf("signing out leads to %q", at)
	}
}

func TestALogoutTokenIsUsedOnce(t *testing.T) {
	t.Parallel()
	f := newFederation(t)
	token := f.corp.LogoutToken("alice-at-corp", "", nil)
	if p := f.tell(t, "0oa-corp", token); p.StatusCode != http.StatusOK {
		t.Fatalf("%s", p.Status)
	}
	b := newBrowser(t, f.world)
	b.get(appURL + "/")
	if p := f.tell(t, "0oa-corp", token); p.StatusCode != http.StatusBadRequest || !b.in() {
		t.Errorf("the second time: %s, in: %v", p.Status, b.in())
	}
	f.logged(t, "used before")
}
