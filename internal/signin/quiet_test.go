package signin_test

import (
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/signin/oidctest"
)

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

// Whoever is switched off at the provider can have their browser bring any answer. An outage that only it reports is
// none: it would put off the question that they cannot answer.
func TestAnOutageThatOnlyTheBrowserReportsPostponesNothing(t *testing.T) {
	t.Parallel()
	for _, code := range []string{"server_error", "temporarily_unavailable", "login_required", "access_denied", "made_up"} {
		t.Run(code, func(t *testing.T) {
			t.Parallel()
			f := newFederation(t)
			b := newBrowser(t, f.world)
			b.get(appURL + "/")
			f.clock.advance(10 * time.Minute)
			f.corp.As(oidctest.Person{})
			f.corp.Bend(oidctest.Bends{Authorize: func(answer url.Values) { answer.Set("error", code) }})
			f.begin(b, appURL+"/")
			if asked := f.corp.AllAsked(); len(asked) != 3 || asked[1].Get("prompt") != "none" || asked[2].Get("prompt") != "" {
				t.Errorf("the provider was asked %v; the last request must be one that may ask the person", asked)
			}
			if stored := f.sessions(t); len(stored) != 1 || !stored[0].Ask(f.clock.Now()) {
				t.Errorf("sessions %+v: it is still to be asked for", stored)
			}
		})
	}
}
