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
	return []session.Record{*record}
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
