package signin_test

import (
	"maps"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/signin/oidctest"
)

// meter counts, as the metrics do.
type meter struct {
	mu     sync.Mutex
	counts map[string]int
}

func newMeter() *meter { return &meter{counts: map[string]int{}} }

func (m *meter) SignIn(provider, outcome string)   { m.add(provider + " " + outcome) }
func (m *meter) Rechecked(provider, result string) { m.add(provider + " again " + result) }

func (m *meter) add(what string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.counts[what]++
}

func (m *meter) want(t *testing.T, want map[string]int) {
	t.Helper()
	m.mu.Lock()
	defer m.mu.Unlock()
	if !maps.Equal(m.counts, want) {
		t.Errorf("counted are %v, not %v", m.counts, want)
	}
}

func TestSignInsByPasswordAreCountedByOutcome(t *testing.T) {
	t.Parallel()
	w, m := newWorld(t), newMeter()
	w.Meter = m
	newBrowser(t, w).signIn(appURL+"/", "alice@example.com").wantHello(t, "alice@example.com", appHost+"/")
	attacker := newBrowser(t, w)
	state := attacker.get(appURL + "/").field("state")
	for range 6 {
		attacker.post("/signin", map[string]string{"state": state, "email": "bob@example.com", "password": "guess"})
	}
	m.want(t, map[string]int{"local success": 1, "local wrong_password": 5, "local too_many_attempts": 1})
}

func TestSignInsAndQuestionsAtAProviderAreCountedByOutcome(t *testing.T) {
	t.Parallel()
	f, b := refreshing(t)
	m := newMeter()
	f.Meter = m
	f.clock.advance(10 * time.Minute)
	f.recheck(t)
	f.corp.Bend(oidctest.Bends{Serve: status("/token", 503)})
	f.clock.advance(10 * time.Minute)
	f.recheck(t)
	newBrowser(t, f.world).get(appURL + "/")
	f.corp.Bend(oidctest.Bends{})
	f.corp.Revoke()
	f.clock.advance(10 * time.Minute)
	f.recheck(t)
	if b.in() {
		t.Error("still in")
	}
	newBrowser(t, f.world).get(appURL+"/").wantHello(t, "alice@corp.example", appHost+"/")
	m.want(t, map[string]int{
		"corp again confirmed": 1, "corp again unanswered": 1, "corp again ended": 1, "corp provider_unavailable": 1, "corp success": 1,
	})
}
