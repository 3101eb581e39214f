package signin_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/admin"
	"github.com/gatehouse-iap/gatehouse/internal/audit"
	"github.com/gatehouse-iap/gatehouse/internal/identityprovider"
	"github.com/gatehouse-iap/gatehouse/internal/session"
	"github.com/gatehouse-iap/gatehouse/internal/signin/oidcrp"
	"github.com/gatehouse-iap/gatehouse/internal/signin/oidctest"
)

// federation is a world whose people are vouched for by identity providers.
type federation struct {
	*world
	corp, partner *oidctest.Provider
	view          atomic.Pointer[identityprovider.View]
	dir           string
	relying       *oidcrp.RelyingParty
}

// newFederation has the provider corp for corp.example, where Alice is signed in.
func newFederation(t testing.TB) *federation {
	t.Helper()
	f := &federation{world: newWorld(t), dir: t.TempDir()}
	f.outside = map[string]http.Handler{}
	f.corp = f.provider(t, "0oa-corp", "alice-at-corp", "alice@corp.example")
	log := slog.New(slog.NewTextHandler(f.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	f.relying = &oidcrp.RelyingParty{Now: f.clock.Now, Log: log}
	f.SignIn.Redirecting = f.relying
	f.SignIn.Providers = f.view.Load
	f.use(t, f.corpProvider())
	return f
}

// withPartner adds the provider partner for partner.example, where Pat is signed in.
func withPartner(t testing.TB) *federation {
	t.Helper()
	f := newFederation(t)
	f.partner = f.provider(t, "partner-client", "pat-at-partner", "pat@partner.example")
	f.use(t, f.corpProvider(), f.partnerProvider())
	return f
}

func (f *federation) provider(t testing.TB, clientID, subject, email string) *oidctest.Provider {
	t.Helper()
	p := oidctest.New(t, clientID)
	p.Now = f.clock.Now
	p.SignedIn(subject, email)
	f.outside[p.Host()] = p
	return p
}

func (f *federation) corpProvider() identityprovider.Provider {
	return f.describe("corp", f.corp, "corp.example")
}

func (f *federation) partnerProvider() identityprovider.Provider {
	return f.describe("partner", f.partner, "partner.example")
}

func (f *federation) describe(name string, p *oidctest.Provider, domains ...string) identityprovider.Provider {
	secret := filepath.Join(f.dir, name)
	if err := os.WriteFile(secret, []byte(p.ClientSecret+"\n"), 0o600); err != nil {
		panic(err)
	}
	return identityprovider.Provider{
		Name: name, Kind: identityprovider.OIDC, DisplayName: "The sign-in of " + name, Domains: domains,
		OIDC: &identityprovider.OIDCConfig{Issuer: p.Issuer, ClientID: p.ClientID, ClientSecret: &identityprovider.Secret{File: secret}},
	}
}

// use configures providers, in the store and in what requests see.
func (f *federation) use(t testing.TB, providers ...identityprovider.Provider) {
	t.Helper()
	if err := identityprovider.ValidateAll(providers); err != nil {
		t.Fatal(err)
	}
	f.change(t, func(ctx context.Context, s identityprovider.Store) error {
		for _, p := range providers {
			if err := s.PutProvider(ctx, p); err != nil {
				return err
			}
		}
		return nil
	})
	f.view.Store(identityprovider.NewView(providers))
}

// change changes what is stored of providers, and not what requests see.
func (f *federation) change(t testing.TB, change func(context.Context, identityprovider.Store) error) {
	t.Helper()
	entry := &audit.Entry{Time: f.clock.Now(), Actor: audit.Actor{Kind: "system", Name: "test"}, Action: "test", Target: "test"}
	if _, err := f.db.Do(t.Context(), entry, func(tx admin.Tx) error { return change(t.Context(), tx.Providers()) }); err != nil {
		t.Error(err)
	}
}

// sessions lists the stored sessions of the auth host, of everybody.
func (f *federation) sessions(t testing.TB) (records []session.Record) {
	t.Helper()
	stored, err := f.db.Sessions(t.Context(), session.Filter{})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range stored {
		if r.Parent.IsZero() {
			records = append(records, r)
		}
	}
	return records
}

func TestASignInAtTheOneProvider(t *testing.T) {
	t.Parallel()
	f := newFederation(t)
	b := newBrowser(t, f.world)
	b.get(appURL+"/page?a=1&b=2").wantHello(t, "alice@corp.example", appHost+"/page?a=1&b=2")

	asked := f.corp.Asked()
	for name, want := range map[string]string{
		"client_id": "0oa-corp", "response_type": "code", "scope": "openid email", "code_challenge_method": "S256", "prompt": "",
		"redirect_uri": authURL + "/v1/oauth/clientIds/0oa-corp:handleRedirect",
	} {
		if got := asked.Get(name); got != want {
			t.Errorf("asked with %s=%q, want %q", name, got, want)
		}
	}
	stored := f.sessions(t)
	if len(stored) != 1 {
		t.Fatalf("%d sessions", len(stored))
	}
	who := stored[0].Identity
	if who.Provider != "corp" || who.HostedDomain != "corp.example" || len(who.Subject) != 21 || strings.Contains(who.Subject, "alice") {
		t.Errorf("identity %+v", who)
	}

	second := b.get(otherURL + "/")
	second.wantHello(t, "alice@corp.example", otherHost+"/")
	if f.corp.Calls("/authorize") != 1 {
		t.Error("single sign-on went to the provider again")
	}
	if text := f.log.String(); strings.Contains(text, "secret of 0oa-corp") || strings.Contains(text, "access ") {
		t.Error("the log has a secret")
	}
}

func TestAPersonKeepsTheirNumber(t *testing.T) {
	t.Parallel()
	f := newFederation(t)
	newBrowser(t, f.world).get(appURL + "/")
	first := f.sessions(t)[0].Identity
	f.corp.SignedIn("alice-at-corp", "alice.married@corp.example")
	newBrowser(t, f.world).get(appURL+"/").wantHello(t, "alice.married@corp.example", appHost+"/")
	f.corp.SignedIn("another-alice", "alice@corp.example")
	newBrowser(t, f.world).get(appURL+"/").wantHello(t, "alice@corp.example", appHost+"/")
	numbers := map[string]int{}
	for _, r := range f.sessions(t) {
		numbers[r.Identity.Subject]++
	}
	if len(numbers) != 2 || numbers[first.Subject] != 2 {
		t.Errorf("numbers %v; one person with two addresses keeps the number, two people with one address share none", numbers)
	}
}

func TestWithSeveralProvidersTheAddressDecides(t *testing.T) {
	t.Parallel()
	f := withPartner(t)
	b := newBrowser(t, f.world)
	asked := b.get(appURL + "/x")
	if asked.StatusCode != http.StatusOK || !strings.Contains(asked.body, `action="/signin/address"`) || strings.Contains(asked.body, `type="password"`) {
		t.Fatalf("it does not ask for the address: %s", asked.body)
	}
	form := func(email string) map[string]string {
		return map[string]string{"state": asked.field("state"), "email": email}
	}
	for email, says := range map[string]string{
		"nonsense":              "not an e-mail address",
		"pat@elsewhere.test":    "Nobody signs in here with an address at elsewhere.test",
		"pat@a@partner.example": "not an e-mail address",
	} {
		p := b.post("/signin/address", form(email))
		if p.StatusCode != http.StatusBadRequest || !strings.Contains(p.body, says) || p.field("state") == "" {
			t.Errorf("%s: %s: %s", email, p.Status, p.body)
		}
	}
	b.post("/signin/address", form("PAT@Partner.example")).wantHello(t, "pat@partner.example", appHost+"/x")
	if hint := f.partner.Asked().Get("login_hint"); hint != "pat@partner.example" {
		t.Errorf("login_hint %q", hint)
	}
	if f.corp.Calls("/authorize") != 0 {
		t.Error("the other provider was asked")
	}
}

func TestABrowserThatSentAFormGetsAPageThatLeadsToTheProvider(t *testing.T) {
	t.Parallel()
	f := withPartner(t)
	b := newBrowser(t, f.world)
	asked := b.get(appURL + "/")
	r := request(t, http.MethodPost, authURL+"/signin/address", url.Values{"state": {asked.field("state")}, "email": {"pat@partner.example"}}.Encode())
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	r.Header.Set("Sec-Fetch-Mode", "navigate")
	p := b.do(r)
	to, found := strings.CutPrefix(p.Header.Get("Refresh"), "0; url=")
	if p.StatusCode != http.StatusOK || !found || !strings.HasPrefix(to, f.partner.Issuer+"/authorize?") {
		t.Fatalf("%s, Refresh %q", p.Status, p.Header.Get("Refresh"))
	}
	b.get(to).wantHello(t, "pat@partner.example", appHost+"/")
}

func TestLocalAccountsBesideAProvider(t *testing.T) {
	t.Parallel()
	f := newFederation(t)
	ours := identityprovider.Provider{Name: "local", Kind: identityprovider.Local, Domains: []string{"example.com"}}
	f.use(t, f.corpProvider(), ours)
	b := newBrowser(t, f.world)
	asked := b.get(appURL + "/")
	form := b.post("/signin/address", map[string]string{"state": asked.field("state"), "email": "alice@example.com"})
	if !strings.Contains(form.body, `type="password"`) || !strings.Contains(form.body, `value="alice@example.com"`) {
		t.Fatalf("no password is asked for: %s", form.body)
	}
	b.post("/signin", map[string]string{"state": form.field("state"), "email": "alice@example.com", "password": "secret of alice@example.com"}).
		wantHello(t, "alice@example.com", appHost+"/")

	another := newBrowser(t, f.world)
	asked = another.get(appURL + "/")
	another.post("/signin", map[string]string{"state": asked.field("state"), "email": "alice@corp.example", "password": "x"}).
		wantHello(t, "alice@corp.example", appHost+"/")
}

func TestWhileALocalProviderIsNotConfiguredLocalAccountsDoNotSignIn(t *testing.T) {
	t.Parallel()
	f := newFederation(t)
	b := newBrowser(t, f.world)
	release := b.step()
	begun := b.get(appURL + "/")
	release()
	location, err := url.Parse(begun.Header.Get("Location"))
	if err != nil {
		t.Fatal(err)
	}
	p := b.post("/signin", map[string]string{
		"state": location.Query().Get("state"), "email": "alice@example.com", "password": "secret of alice@example.com",
	})
	if p.StatusCode != http.StatusUnauthorized || len(f.sessions(t)) != 0 {
		t.Errorf("%s, %d sessions", p.Status, len(f.sessions(t)))
	}
}

func TestChoosingAnotherAccountAsksTheProviderForOne(t *testing.T) {
	t.Parallel()
	f := newFederation(t)
	b := newBrowser(t, f.world)
	b.get(appURL + "/")
	asked := b.get(appURL + "/?gcp-iap-mode=CLEAR_LOGIN_COOKIE")
	if !strings.Contains(asked.body, "Use another account") {
		t.Fatalf("no chooser: %s", asked.body)
	}
	f.corp.SignedIn("bob-at-corp", "bob@corp.example")
	b.get(authURL+"/o/oauth2/v2/auth?prompt=login&state="+asked.field("state")).wantHello(t, "bob@corp.example", appHost+"/")
	if prompt := f.corp.Asked().Get("prompt"); prompt != "select_account" {
		t.Errorf("prompt=%q", prompt)
	}
	if left := f.sessions(t); len(left) != 1 || left[0].Identity.Email != "bob@corp.example" {
		t.Errorf("sessions %v: Alice's must have ended", left)
	}
}

func TestGroupsComeFromTheClaimThatIsConfigured(t *testing.T) {
	t.Parallel()
	f := newFederation(t)
	p := f.corpProvider()
	p.Groups = &identityprovider.GroupsClaim{Claim: "roles", Template: "{value}@corp.example"}
	f.use(t, p)
	f.corp.As(oidctest.Person{Subject: "alice-at-corp", Claims: map[string]any{
		"email": "alice@corp.example", "email_verified": true, "roles": []any{"admins", 7, "dev", ""}, "amr": []string{"pwd", "mfa"},
	}})
	newBrowser(t, f.world).get(appURL + "/")
	all, err := f.db.Sessions(t.Context(), session.Filter{})
	if err != nil || len(all) != 2 {
		t.Fatalf("%d sessions, %v", len(all), err)
	}
	for _, r := range all {
		if !slices.Equal(r.Groups, []string{"admins@corp.example", "dev@corp.example"}) || !slices.Equal(r.AMR, []string{"pwd", "mfa"}) {
			t.Errorf("groups %q, amr %q", r.Groups, r.AMR)
		}
	}
}

func TestThePageOfAProviderThatFailsSaysWhatToDo(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		bend   oidctest.Bends
		status int
		says   string
		logged string
	}{
		"discovery is down": {
			oidctest.Bends{Serve: status("/.well-known/openid-configuration", 503)}, 503, "provider_unavailable", "discovery",
		},
		"discovery is of another issuer": {
			oidctest.Bends{Discovery: set("issuer", "https://evil.test")}, 400, "Error code 11", "evil.test",
		},
		"the token endpoint is down": {oidctest.Bends{Serve: status("/token", 502)}, 503, "provider_unavailable", "status 502"},
		"the keys are gone":          {oidctest.Bends{Serve: status("/keys", 404)}, 503, "provider_unavailable", "404"},
		"the client is not known there": {
			oidctest.Bends{Serve: says("/token", 401, `{"error":"invalid_client"}`)}, 400,
			"Error code 11", "invalid_client",
		},
		"redirect URI is not registered": {
			oidctest.Bends{Authorize: func(a url.Values) { a.Del("code"); a.Set("error", "redirect_uri_mismatch") }}, 400,
			authURL + "/v1/oauth/clientIds/0oa-corp:handleRedirect", "redirect_uri_mismatch",
		},
		"the person said no": {
			oidctest.Bends{Authorize: func(a url.Values) { a.Del("code"); a.Set("error", "access_denied") }}, 403, "sign_in_declined", "access_denied",
		},
		"its clock is an hour ahead": {oidctest.Bends{Claims: shift(time.Hour)}, 400, "Error code 13", "clocks"},
		"its clock is an hour late":  {oidctest.Bends{Claims: shift(-time.Hour)}, 400, "Error code 13", "clocks"},
		"it signs with an algorithm that is not pinned": {
			oidctest.Bends{Discovery: set("id_token_signing_alg_values_supported", []string{"PS512"})}, 400, "Error code 11", "oidc.algorithms",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFederation(t)
			f.corp.Bend(test.bend)
			p := newBrowser(t, f.world).get(appURL + "/x")
			if p.StatusCode != test.status || !strings.Contains(p.body, test.says) || !strings.Contains(p.body, appURL+"/x") {
				t.Errorf("%s: %s, want %d with %q and a way to start again", p.Status, p.body, test.status, test.says)
			}
			if !strings.Contains(f.log.String(), test.logged) {
				t.Errorf("the log does not say %q: %s", test.logged, f.log)
			}
			if n := len(f.sessions(t)); n != 0 {
				t.Errorf("%d sessions", n)
			}
		})
	}
}

// Wherever a provider keeps people waiting, it is given up, and the page says that it does not answer.
func TestAProviderThatIsSlowIsAClearPage(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/.well-known/openid-configuration", "/token", "/keys"} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			f := newFederation(t)
			f.relying.Client = func(identityprovider.OIDCConfig) *http.Client { return &http.Client{Timeout: 100 * time.Millisecond} }
			f.corp.Bend(oidctest.Bends{Serve: func(_ http.ResponseWriter, r *http.Request) bool {
				if r.URL.Path == path {
					_, _ = io.Copy(io.Discard, r.Body) // or else the server does not see the client go
					<-r.Context().Done()
				}
				return r.URL.Path == path
			}})
			p := newBrowser(t, f.world).get(appURL + "/x")
			if p.StatusCode != http.StatusServiceUnavailable || p.Header.Get("Retry-After") == "" || !strings.Contains(p.body, "provider_unavailable") {
				t.Errorf("%s: %s", p.Status, p.body)
			}
			f.nobody(t, p)
			f.logged(t, "Client.Timeout")
		})
	}
}

func TestClocksMayDifferALittle(t *testing.T) {
	t.Parallel()
	for _, by := range []time.Duration{-6 * time.Minute, time.Minute} {
		f := newFederation(t)
		f.corp.Bend(oidctest.Bends{Claims: shift(by)})
		newBrowser(t, f.world).get(appURL+"/").wantHello(t, "alice@corp.example", appHost+"/")
	}
}

func TestAProviderMayReplaceItsKeys(t *testing.T) {
	t.Parallel()
	f := newFederation(t)
	newBrowser(t, f.world).get(appURL+"/").wantHello(t, "alice@corp.example", appHost+"/")
	f.clock.advance(2 * time.Minute)
	f.corp.Rotate(oidctest.NewRSAKey(t, "second", 2048))
	newBrowser(t, f.world).get(appURL+"/").wantHello(t, "alice@corp.example", appHost+"/")
	if n := f.corp.Calls("/keys"); n != 2 {
		t.Errorf("keys were fetched %d times", n)
	}
}

func TestUnknownKeysAreLookedUpOnceAMinuteAtMost(t *testing.T) {
	t.Parallel()
	f := newFederation(t)
	newBrowser(t, f.world).get(appURL + "/")
	f.clock.advance(2 * time.Minute)
	stranger := oidctest.NewKey(t, "stranger")
	f.corp.Bend(oidctest.Bends{Sign: func(header, claims map[string]any) string {
		header["kid"] = "stranger"
		return oidctest.Sign(stranger, header, claims)
	}})
	for range 5 {
		if p := newBrowser(t, f.world).get(appURL + "/"); !strings.Contains(p.body, "Error code 13") {
			t.Fatalf("%s: %s", p.Status, p.body)
		}
	}
	if n := f.corp.Calls("/keys"); n != 2 {
		t.Errorf("keys were fetched %d times", n)
	}
}

func TestDiscoveryServesWhileTheProviderIsDown(t *testing.T) {
	t.Parallel()
	f := newFederation(t)
	newBrowser(t, f.world).get(appURL + "/")
	f.corp.Bend(oidctest.Bends{Serve: status("/.well-known/openid-configuration", 500)})
	f.clock.advance(time.Hour)
	newBrowser(t, f.world).get(appURL+"/").wantHello(t, "alice@corp.example", appHost+"/")
}

// status makes a path answer with a status.
func status(path string, code int) func(http.ResponseWriter, *http.Request) bool {
	return says(path, code, "")
}

func says(path string, code int, body string) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path != path {
			return false
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code)
		_, _ = w.Write([]byte(body))
		return true
	}
}

func set(name string, value any) func(map[string]any) {
	return func(document map[string]any) { document[name] = value }
}

func remove(name string) func(map[string]any) {
	return func(document map[string]any) { delete(document, name) }
}

// shift moves the times of a token.
func shift(by time.Duration) func(map[string]any) {
	return func(claims map[string]any) {
		for _, name := range []string{"iat", "exp"} {
			claims[name] = claims[name].(int64) + int64(by/time.Second)
		}
	}
}
