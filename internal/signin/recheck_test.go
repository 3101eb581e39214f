package signin_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/identityprovider"
	"github.com/gatehouse-iap/gatehouse/internal/session"
	"github.com/gatehouse-iap/gatehouse/internal/signin"
	"github.com/gatehouse-iap/gatehouse/internal/signin/oidctest"
)

// refreshing has a browser signed in at a provider that gives refresh tokens.
func refreshing(t *testing.T) (*federation, *browser) {
	t.Helper()
	f := newFederation(t)
	f.corp.Refresh(true)
	p := f.corpProvider()
	p.OIDC.Scopes = []string{"offline_access"}
	p.Groups = &identityprovider.GroupsClaim{}
	f.use(t, p)
	b := newBrowser(t, f.world)
	b.get(appURL+"/").wantHello(t, "alice@corp.example", appHost+"/")
	if scope := f.corp.Asked().Get("scope"); scope != "openid email offline_access" {
		t.Errorf("scope %q", scope)
	}
	return f, b
}

// used keeps the browser's session from being idle, and the clock moving.
func (f *federation) pass(t *testing.T, b *browser, d time.Duration) {
	t.Helper()
	for d > 0 {
		step := min(d, 30*time.Minute)
		f.clock.advance(step)
		d -= step
		r := request(t, http.MethodPost, appURL+"/", "")
		b.do(r)
	}
}

func (f *federation) recheck(t *testing.T) {
	t.Helper()
	if err := f.Recheck(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// wantIn and wantOut look at the application without signing in again.
func (b *browser) in() bool {
	b.t.Helper()
	release := b.step()
	defer release()
	return strings.HasPrefix(b.get(appURL+"/").body, "Hello")
}

func TestTheProviderIsAskedAgainEveryTenMinutes(t *testing.T) {
	t.Parallel()
	f, b := refreshing(t)
	f.clock.advance(9 * time.Minute)
	f.recheck(t)
	if n := f.corp.Calls("/token"); n != 1 {
		t.Errorf("after 9 minutes the token endpoint was called %d times", n)
	}
	for round := range 3 {
		f.clock.advance(10 * time.Minute)
		f.recheck(t)
		if n := f.corp.Calls("/token"); n != round+2 {
			t.Errorf("round %d: the token endpoint was called %d times", round, n)
		}
		if !b.in() {
			t.Fatalf("round %d: out\n%s", round, f.log)
		}
	}
}

func TestAPersonWhomTheProviderDropsIsOutAtTheRecheck(t *testing.T) {
	t.Parallel()
	f, b := refreshing(t)
	f.corp.Revoke()
	f.clock.advance(10 * time.Minute)
	if !b.in() {
		t.Fatal("out before anybody asked")
	}
	f.recheck(t)
	if b.in() || len(f.sessions(t)) != 0 {
		t.Error("still in")
	}
	f.logged(t, "invalid_grant")
}

func TestWhatTheProviderSaysAtTheRecheckCounts(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		claims func(map[string]any)
		in     bool
		groups []string
	}{
		"new groups":                      {set("groups", []string{"b@corp.example"}), true, []string{"b@corp.example"}},
		"no groups any more":              {remove("groups"), true, nil},
		"an address that is not verified": {set("email_verified", false), false, nil},
		"another address":                 {set("email", "eve@corp.example"), false, nil},
		"an address of another domain":    {set("email", "alice@other.example"), false, nil},
		"another person":                  {set("sub", "eve-at-corp"), false, nil},
		"a token of another client":       {set("aud", "another"), true, []string{"a@corp.example"}}, // confirms nothing, ends nothing yet
		"a token without nonce is usual":  {remove("nonce"), true, []string{"a@corp.example"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, _ := refreshing(t)
			f.corp.As(oidctest.Person{Subject: "alice-at-corp", Claims: map[string]any{
				"email": "alice@corp.example", "email_verified": true, "groups": []string{"a@corp.example"},
			}})
			b := newBrowser(t, f.world)
			b.get(appURL + "/")
			f.corp.Bend(oidctest.Bends{Claims: test.claims})
			f.clock.advance(10 * time.Minute)
			f.recheck(t)
			if b.in() != test.in {
				t.Fatalf("in: %v\n%s", !test.in, f.log)
			}
			for _, r := range f.family(t, b) {
				if !slices.Equal(r.Groups, test.groups) {
					t.Errorf("groups %q, want %q", r.Groups, test.groups)
				}
			}
		})
	}
}

// family are the sessions of the browser's application, as requests see them.
func (f *federation) family(t *testing.T, b *browser) []session.Record {
	t.Helper()
	var cookies []string
	for _, c := range b.jar.Cookies(&url.URL{Scheme: "https", Host: appHost, Path: "/"}) {
		cookies = append(cookies, c.Name+"="+c.Value)
	}
	record, err := f.Sessions.Authenticate(t.Context(), []string{strings.Join(cookies, "; ")}, appHost, session.HostCookie(app.Resource).Name, app.Resource)
	if err != nil {
		return nil
	}
	return []session.Record{record}
}

func TestAProviderThatIsDownEndsNoSessionForAnHour(t *testing.T) {
	t.Parallel()
	f, b := refreshing(t)
	f.corp.Bend(oidctest.Bends{Serve: status("/token", 503)})
	for range 6 {
		f.clock.advance(10 * time.Minute)
		f.recheck(t)
		if !b.in() {
			t.Fatalf("out\n%s", f.log)
		}
	}
	f.clock.advance(10 * time.Minute)
	if b.in() {
		t.Error("still in, 70 minutes after the provider was last heard")
	}
	f.recheck(t)
	if n := len(f.sessions(t)); n != 0 {
		t.Errorf("%d sessions", n)
	}
}

func TestAProviderThatComesBackConfirms(t *testing.T) {
	t.Parallel()
	f, b := refreshing(t)
	f.corp.Bend(oidctest.Bends{Serve: status("/token", 503)})
	f.clock.advance(50 * time.Minute)
	f.recheck(t)
	b.in()
	f.corp.Bend(oidctest.Bends{})
	f.clock.advance(time.Minute)
	f.recheck(t)
	f.clock.advance(30 * time.Minute)
	if !b.in() {
		t.Errorf("out\n%s", f.log)
	}
}

func TestARefreshTokenIsRedeemedOnceByManyAskers(t *testing.T) {
	t.Parallel()
	f, b := refreshing(t)
	f.clock.advance(10 * time.Minute)
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			if err := f.Recheck(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if n := f.corp.Calls("/token"); n != 2 {
		t.Errorf("the token endpoint was called %d times", n)
	}
	if !b.in() {
		t.Error("out")
	}
}

func TestAnEndedGrantEndsNoSessionThatHasNewerTokens(t *testing.T) {
	t.Parallel()
	f, b := refreshing(t)
	f.clock.advance(10 * time.Minute)
	// While the provider refuses the old token, somebody else has stored a new one.
	f.corp.Bend(oidctest.Bends{Serve: func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path != "/token" {
			return false
		}
		f.replaceTokens(t)
		return says("/token", 400, `{"error":"invalid_grant"}`)(w, r)
	}})
	f.recheck(t)
	if !b.in() {
		t.Error("out")
	}
}

// replaceTokens stores other tokens, as another replica would have.
func (f *federation) replaceTokens(t *testing.T) {
	t.Helper()
	for _, r := range f.sessions(t) {
		if err := f.db.SignIn(t.Context(), func(tx signin.Tx) error {
			_, err := tx.Rechecks().ConfirmSession(t.Context(), r.ID, r.AtProvider.Tokens, signin.Confirmation{
				Tokens: []byte("newer"), Checked: f.clock.Now(), AskAfter: f.clock.Now().Add(time.Hour),
			})
			return err
		}); err != nil {
			t.Error(err)
		}
	}
}

func TestWithoutRefreshTokenTheNextNavigationAsksTheProvider(t *testing.T) {
	t.Parallel()
	f := newFederation(t)
	b := newBrowser(t, f.world)
	b.get(appURL + "/")
	before := f.sessions(t)[0]
	f.clock.advance(10 * time.Minute)
	if !before.Silent || !before.Ask(f.clock.Now()) {
		t.Fatalf("the session is not to be asked for: %+v", before)
	}
	begun := appURL + "/page?x=1"
	f.begin(b, begun).wantHello(t, "alice@corp.example", appHost+"/page?x=1")
	if prompt := f.corp.Asked().Get("prompt"); prompt != "none" {
		t.Errorf("prompt=%q", prompt)
	}
	if hint := f.corp.Asked().Get("login_hint"); hint != "alice@corp.example" {
		t.Errorf("login_hint=%q", hint)
	}
	after := f.sessions(t)
	if len(after) != 1 || after[0].ID != before.ID || after[0].Ask(f.clock.Now()) {
		t.Errorf("sessions %v: the one that there was must be confirmed", after)
	}
	if family := f.family(t, b); len(family) != 1 || family[0].Ask(f.clock.Now()) {
		t.Error("the application's session is still to be asked for: it would go round in circles")
	}
}

// begin does what enforcement does when a session is to be asked for.
func (f *federation) begin(b *browser, address string) page {
	f.forceBegin.Store(true)
	return b.get(address)
}

func TestAQuietSignInThatFindsNobodyAsks(t *testing.T) {
	t.Parallel()
	f := newFederation(t)
	b := newBrowser(t, f.world)
	b.get(appURL + "/")
	f.clock.advance(10 * time.Minute)
	f.corp.As(oidctest.Person{}) // signed out there
	p := f.begin(b, appURL+"/")
	if p.StatusCode != http.StatusForbidden || f.corp.Asked().Get("prompt") != "" {
		t.Errorf("%s; the last request had prompt=%q, want none: a sign-in that may ask", p.Status, f.corp.Asked().Get("prompt"))
	}
}

func TestAQuietSignInThatFindsSomebodyElseIsTheirs(t *testing.T) {
	t.Parallel()
	f := newFederation(t)
	b := newBrowser(t, f.world)
	b.get(appURL + "/")
	f.clock.advance(10 * time.Minute)
	f.corp.SignedIn("bob-at-corp", "bob@corp.example")
	f.begin(b, appURL+"/").wantHello(t, "bob@corp.example", appHost+"/")
	if left := f.sessions(t); len(left) != 1 || left[0].Identity.Email != "bob@corp.example" {
		t.Errorf("sessions %v", left)
	}
}

func TestAQuietSignInThatNamesNobodyConfirmsNobody(t *testing.T) {
	t.Parallel()
	f := newFederation(t)
	b := newBrowser(t, f.world)
	b.get(appURL + "/")
	f.clock.advance(10 * time.Minute)
	f.corp.Bend(oidctest.Bends{Claims: remove("sub")})
	if p := f.begin(b, appURL+"/"); p.StatusCode != http.StatusBadRequest {
		t.Errorf("%s: %s", p.Status, p.body)
	}
	if stored := f.sessions(t); len(stored) != 1 || !stored[0].Ask(f.clock.Now()) {
		t.Errorf("sessions %v: the one that there is must not be confirmed", stored)
	}
}

func TestAQuietSignInWhileTheProviderIsDownPostpones(t *testing.T) {
	t.Parallel()
	f := newFederation(t)
	b := newBrowser(t, f.world)
	b.get(appURL + "/")
	f.clock.advance(10 * time.Minute)
	f.corp.Bend(oidctest.Bends{Serve: status("/token", 503)})
	f.begin(b, appURL+"/").wantHello(t, "alice@corp.example", appHost+"/")
	if family := f.family(t, b); len(family) != 1 || family[0].Ask(f.clock.Now()) || !family[0].Ask(f.clock.Now().Add(time.Minute)) {
		t.Error("it is not to be asked again in a minute")
	}
	f.pass(t, b, time.Hour)
	if b.in() {
		t.Error("still in, an hour after the provider should have confirmed")
	}
}

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
	b := newBrowser(t, f.world)
	asked := b.get(appURL + "/")
	b.post("/signin/address", map[string]string{"state": asked.field("state"), "email": "alice@corp.example"}).wantHello(t, "alice@corp.example", appHost+"/")
	now := f.clock.Now().Unix()
	stranger := oidctest.NewKey(t, "first")
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
		"signed by a stranger":            oidctest.Sign(stranger, map[string]any{"alg": "ES256", "kid": "first", "typ": "logout+jwt"}, map[string]any{"iss": f.corp.Issuer, "aud": "0oa-corp", "sub": "alice-at-corp", "iat": now, "jti": "x", "events": map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}}}),
		"not signed":                      strings.Join(strings.Split(bent(nil), ".")[:2], ".") + ".",
		"of another provider":             f.partner.LogoutToken("alice-at-corp", "", nil),
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
