package signin_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/session"
	"github.com/gatehouse-iap/gatehouse/internal/signin/oidctest"
)

func TestWhoSignedInTooLongAgoIsAskedForThePasswordAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.demand = session.Demand{MaxAge: 10 * time.Minute}
	b := newBrowser(t, w)
	b.signIn(appURL+"/", "alice@example.com").wantHello(t, "alice@example.com", appHost+"/")
	w.clock.advance(11 * time.Minute)

	asked := b.get(appURL + "/deep?a=1")
	if asked.field("state") == "" || !strings.Contains(asked.body, "confirm that it is you") || asked.field("email") != "" && !strings.Contains(asked.body, "alice@example.com") {
		t.Fatalf("got %s: %s", asked.Status, asked.body)
	}
	b.post("/signin", map[string]string{"state": asked.field("state"), "email": "alice@example.com", "password": "secret of alice@example.com"}).
		wantHello(t, "alice@example.com", appHost+"/deep?a=1")
	b.get(appURL+"/again").wantHello(t, "alice@example.com", appHost+"/again")
	b.get(otherURL+"/").wantHello(t, "alice@example.com", otherHost+"/")
}

func TestNoButtonLeadsAroundProvingItAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := newBrowser(t, w)
	b.signIn(otherURL+"/", "alice@example.com").wantHello(t, "alice@example.com", otherHost+"/")
	w.clock.advance(11 * time.Minute)
	w.demand = session.Demand{MaxAge: 10 * time.Minute}
	asked := b.get(appURL + "/")
	state := asked.field("state")
	if state == "" {
		t.Fatalf("a session that is too old opened another application: %s", asked.body)
	}
	chosen := b.post("/signin/account", map[string]string{"state": state, "account": "alice@example.com"})
	if !strings.Contains(chosen.body, "confirm that it is you") {
		t.Errorf("the chooser's button led around it: %s %s", chosen.Status, chosen.body)
	}
}

func TestTheProviderIsAskedToProveItAgain(t *testing.T) {
	t.Parallel()
	f := newFederation(t)
	said := func(at time.Time) oidctest.Bends {
		return oidctest.Bends{Claims: set("auth_time", at.Unix())}
	}
	f.corp.Bend(said(f.clock.Now()))
	b := newBrowser(t, f.world)
	b.get(appURL+"/").wantHello(t, "alice@corp.example", appHost+"/")
	if f.corp.Asked().Has("max_age") {
		t.Error("the provider was asked for a recent sign-in that nobody demands")
	}

	f.demand = session.Demand{MaxAge: 10 * time.Minute, Factor: session.SecurityKey}
	f.clock.advance(11 * time.Minute)
	now := f.clock.Now()
	f.corp.Bend(oidctest.Bends{Claims: func(claims map[string]any) {
		claims["auth_time"], claims["amr"], claims["acr"] = now.Unix(), []string{"pwd"}, "phrh"
	}})
	b.get(appURL+"/").wantHello(t, "alice@corp.example", appHost+"/")
	asked := f.corp.Asked()
	for name, want := range map[string]string{"prompt": "login", "max_age": "600", "acr_values": "phrh phr", "login_hint": "alice@corp.example"} {
		if got := asked.Get(name); got != want {
			t.Errorf("asked with %s=%q, want %q", name, got, want)
		}
	}
}

func TestAProviderThatDoesNotProveItLetsNobodyIn(t *testing.T) {
	t.Parallel()
	for name, claims := range map[string]func(now time.Time, claims map[string]any){
		"it does not say when": func(_ time.Time, c map[string]any) { c["amr"] = []string{"hwk"} },
		"it signs in without asking": func(now time.Time, c map[string]any) {
			c["auth_time"], c["amr"] = now.Add(-time.Hour).Unix(), []string{"hwk"}
		},
		"it says when in words": func(_ time.Time, c map[string]any) { c["auth_time"], c["amr"] = "now", []string{"hwk"} },
		"a password where a key is needed": func(now time.Time, c map[string]any) {
			c["auth_time"], c["amr"] = now.Unix(), []string{"pwd", "otp", "mfa"}
		},
		"it does not say how": func(now time.Time, c map[string]any) { c["auth_time"] = now.Unix() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFederation(t)
			f.demand = session.Demand{MaxAge: 10 * time.Minute, Factor: session.SecurityKey}
			f.corp.Bend(oidctest.Bends{Claims: func(c map[string]any) { claims(f.clock.Now(), c) }})
			got := newBrowser(t, f.world).get(appURL + "/")
			if got.StatusCode != http.StatusForbidden || !strings.Contains(got.body, "Sign-in was not enough") {
				t.Errorf("got %s: %.300s", got.Status, got.body)
			}
			if len(f.sessions(t)) != 0 {
				t.Error("a session was opened")
			}
			if !strings.Contains(f.log.String(), "does not prove what the application demands") {
				t.Error("the log does not say why")
			}
		})
	}
}
