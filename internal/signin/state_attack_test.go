package signin_test

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/session"
)

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
