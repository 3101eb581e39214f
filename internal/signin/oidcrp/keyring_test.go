package oidcrp

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/identityprovider"
	"github.com/gatehouse-iap/gatehouse/internal/signin/oidctest"
)

// ringWorld is a keyring, a provider, and a clock that tests move.
type ringWorld struct {
	t        *testing.T
	keyring  *Keyring
	provider *oidctest.Provider
	view     atomic.Pointer[identityprovider.View]
	now      atomic.Int64
}

func newRingWorld(t *testing.T) *ringWorld {
	t.Helper()
	w := &ringWorld{t: t, provider: oidctest.New(t, "client")}
	w.now.Store(time.Now().Unix())
	w.serve(identityprovider.Provider{
		Name: "corp", Kind: identityprovider.OIDC, Domains: []string{"corp.example"},
		OIDC: &identityprovider.OIDCConfig{Issuer: w.provider.Issuer, ClientID: "client"},
	})
	party := &RelyingParty{Now: func() time.Time { return time.Unix(w.now.Load(), 0) }, Log: slog.New(slog.DiscardHandler)}
	w.keyring = &Keyring{RelyingParty: party, Providers: w.view.Load}
	return w
}

func (w *ringWorld) serve(providers ...identityprovider.Provider) {
	w.view.Store(identityprovider.NewView(providers))
}

// refresh lets the background do what it would, and waits for it.
func (w *ringWorld) refresh() {
	var done sync.WaitGroup
	w.keyring.Refresh(context.Background(), &done)
	done.Wait()
}

func (w *ringWorld) has(id string) bool {
	_, found := w.keyring.Current("corp").Find(id, "ES256")
	return found
}

func (w *ringWorld) fetches() int { return w.provider.Calls("/keys") }

func TestKeysAreAtHandAndAreRenewedOnceAMinute(t *testing.T) {
	t.Parallel()
	w := newRingWorld(t)
	if w.keyring.Current("corp") != nil {
		t.Fatal("there are keys before anything was fetched")
	}
	w.refresh()
	if !w.has("first") {
		t.Fatal("the keys were not fetched")
	}
	held, fetched := w.keyring.Current("corp"), w.fetches()
	w.refresh()
	if w.keyring.Current("corp") != held || w.fetches() != fetched {
		t.Error("keys that are fresh were fetched again, or count as others")
	}
	w.provider.Rotate(oidctest.NewKey(t, "second"))
	for range 50 { // tokens that name keys which nobody has
		w.keyring.Renew("corp")
		w.refresh()
	}
	if w.fetches() != fetched {
		t.Errorf("%d fetches within a minute of the last", w.fetches()-fetched)
	}
	w.now.Add(61)
	w.keyring.Renew("corp")
	w.refresh()
	if w.fetches() != fetched+1 || !w.has("second") {
		t.Errorf("%d fetches; the new key is there: %v", w.fetches()-fetched, w.has("second"))
	}
}

func TestKeysGrowOldWithoutBeingAskedFor(t *testing.T) {
	t.Parallel()
	w := newRingWorld(t)
	w.refresh()
	w.provider.Rotate(oidctest.NewKey(t, "second"))
	w.now.Add(16 * 60)
	w.refresh() // begins to fetch, and goes on with what it has
	late := time.After(20 * time.Second)
	for !w.has("second") {
		select {
		case <-late:
			t.Fatal("the new key is not there")
		case <-time.After(5 * time.Millisecond):
			w.refresh()
		}
	}
	if w.has("first") {
		t.Error("a key that was withdrawn is still taken")
	}
}

func TestKeysOfAProviderThatDoesNotAnswerAreKeptForADay(t *testing.T) {
	t.Parallel()
	w := newRingWorld(t)
	w.refresh()
	w.provider.Bend(oidctest.Bends{Serve: func(rw http.ResponseWriter, _ *http.Request) bool {
		rw.WriteHeader(http.StatusServiceUnavailable)
		return true
	}})
	w.now.Add(23 * 3600)
	w.refresh()
	if !w.has("first") {
		t.Error("dropped within a day")
	}
	w.now.Add(2 * 3600)
	w.refresh()
	if w.has("first") {
		t.Error("kept for longer than a day")
	}
}

func TestKeysGoWithTheirProvider(t *testing.T) {
	t.Parallel()
	w := newRingWorld(t)
	w.refresh()
	w.serve(identityprovider.Provider{Name: "local", Kind: identityprovider.Local, Domains: []string{"*"}})
	w.refresh()
	if w.keyring.Current("corp") != nil {
		t.Error("keys of a provider that is gone are at hand")
	}
	w.keyring.Renew("corp") // must not panic, or wait
}
