package bearer

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/directory"
	"github.com/gatehouse-iap/gatehouse/internal/identityprovider"
	"github.com/gatehouse-iap/gatehouse/internal/issuer"
	"github.com/gatehouse-iap/gatehouse/internal/principal"
)

func (v *Verifier) kept(token string) bool {
	p := v.cache.get(digestOf(token))
	return p != nil && p.stands(v, v.View(), v.Now())
}

func TestWhatWasVerifiedIsKeptOnlyAsLongAsItHolds(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	store := &memoryStore{keys: f.keys}
	view := f.view()
	var keys atomic.Pointer[issuer.KeySet]
	keys.Store(f.set)
	now := start
	verifier := f.verifierOf(func() time.Time { return now }, func() View {
		current := view
		current.Keys = keys.Load()
		return current
	})
	token := f.mint(t, "alice@example.com")
	verify := func() error { _, err := verifier.Verify(t.Context(), token, forApp); return err }

	if err := verify(); err != nil || !verifier.kept(token) {
		t.Fatalf("Verify: %v", err)
	}
	if _, err := verifier.Verify(t.Context(), token, Request{ClientID: "2-other.apps.googleusercontent.com"}); err == nil {
		t.Error("what was verified for one audience counts for another")
	}
	now = start.Add(reuse)
	if verifier.kept(token) {
		t.Error("kept for five minutes")
	}
	now = start.Add(time.Hour - time.Second)
	if err := verify(); err != nil || !verifier.kept(token) {
		t.Fatalf("Verify: %v", err)
	}
	now = start.Add(time.Hour)
	if verifier.kept(token) {
		t.Error("kept after it expired")
	}
	now = start.Add(-time.Minute)
	if verifier.kept(token) {
		t.Error("kept for a clock that was set back before it was issued")
	}
	now = start.Add(time.Minute)
	if err := verify(); err != nil {
		t.Fatal(err)
	}
	if _, err := issuer.Revoke(t.Context(), store, f.sealer, f.kid, now); err != nil {
		t.Fatal(err)
	}
	set, err := issuer.Compile(store.keys, f.sealer, keys.Load())
	if err != nil {
		t.Fatal(err)
	}
	keys.Store(set)
	if err := verify(); err == nil {
		t.Error("the token of a withdrawn key is accepted")
	}
}

func TestAKeyThatIsNoLongerPublishedVerifiesNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	end := start.Add(time.Minute)
	retired := f.keys[1]
	retired.SignUntil, retired.PublishUntil = start.Add(time.Second), end
	set, err := issuer.Compile([]issuer.Key{retired}, f.sealer, nil)
	if err != nil {
		t.Fatal(err)
	}
	f.set = set
	token, now := f.mint(t, "alice@example.com"), start
	verifier := f.verifier(func() time.Time { return now })
	if _, err := verifier.Verify(t.Context(), token, forApp); err != nil {
		t.Fatal(err)
	}
	now = end
	if _, err := verifier.Verify(t.Context(), token, forApp); err == nil {
		t.Error("what was verified outlives the publication of its key")
	}
}

// A token that has just been verified ends with the key that it was verified by.
func TestWithdrawingTheKeyOfAVerifiedTokenEndsIt(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	update := func(v *directory.View, u directory.Update) *directory.View {
		return v.With(u, (&principal.Interner{}).Edit())
	}
	changed := func(change func(*View)) View {
		v := f.view()
		change(&v)
		return v
	}
	selfSigned := f.selfSigned(t, nil)
	provided := f.provided(t, nil)
	expired := f.robotKey
	expired.Expires = start
	off := f.robotKey
	off.Disabled = true
	for name, c := range map[string]struct {
		token string
		after View
	}{
		"deleted key": {selfSigned, changed(func(v *View) {
			v.Directory = update(v.Directory, directory.Update{Keys: map[string]*directory.AccountKey{f.robotKey.ID: nil}})
		})},
		"disabled key": {selfSigned, changed(func(v *View) {
			v.Directory = update(v.Directory, directory.Update{Keys: map[string]*directory.AccountKey{f.robotKey.ID: &off}})
		})},
		"expired key": {selfSigned, changed(func(v *View) {
			v.Directory = update(v.Directory, directory.Update{Keys: map[string]*directory.AccountKey{f.robotKey.ID: &expired}})
		})},
		"provider switched off": {provided, changed(func(v *View) {
			v.Providers = identityprovider.NewView([]identityprovider.Provider{{
				Name: "corp", Kind: identityprovider.OIDC, Disabled: true, Domains: []string{"corp.example"},
				OIDC: &identityprovider.OIDCConfig{Issuer: providerIssuer},
			}})
		})},
		"domain of another provider": {provided, changed(func(v *View) {
			v.Providers = identityprovider.NewView([]identityprovider.Provider{
				{Name: "corp", Kind: identityprovider.OIDC, Domains: []string{"other.example"}, OIDC: &identityprovider.OIDCConfig{Issuer: providerIssuer}},
				{Name: "local", Kind: identityprovider.Local, Domains: []string{"corp.example"}},
			})
		})},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			before := f.view()
			current := &before
			verifier := f.verifierOf(at(start), func() View { return *current })
			if _, err := verifier.Verify(t.Context(), c.token, forApp); err != nil {
				t.Fatal(err)
			}
			current = &c.after
			if _, err := verifier.Verify(t.Context(), c.token, forApp); err == nil {
				t.Error("the token is still accepted")
			}
		})
	}
}

func TestAChangeElsewhereInTheDirectoryKeepsWhatWasVerified(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	view := f.view()
	verifier := f.verifierOf(at(start), func() View { return view })
	token := f.selfSigned(t, nil)
	if _, err := verifier.Verify(t.Context(), token, forApp); err != nil {
		t.Fatal(err)
	}
	view.Directory = view.Directory.With(directory.Update{Keys: map[string]*directory.AccountKey{f.otherKey.ID: nil}}, (&principal.Interner{}).Edit())
	if !verifier.kept(token) {
		t.Error("deleting another account's key made every token be verified anew")
	}
}

func TestNobodyPassesWhoseNumberCannotBeLookedUp(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	verifier := f.verifier(at(start))
	verifier.People = people{errors.New("the store is down")}
	token := f.provided(t, nil)
	for range 2 {
		if _, err := verifier.Verify(context.Background(), token, forApp); !errors.Is(err, ErrStore) {
			t.Fatalf("Verify: %v", err)
		}
	}
}

func TestTheCacheIsBoundedAndKeepsWhatIsNew(t *testing.T) {
	t.Parallel()
	c := &cache{}
	c.ready(64)
	for i := range 1000 {
		c.put(&proof{digest: digestOf(fmt.Sprint(i)), until: start.Add(time.Duration(i) * time.Second)}, start)
		if c.get(digestOf(fmt.Sprint(i))) == nil {
			t.Fatalf("token %d was not kept", i)
		}
	}
	kept := 0
	for i := range 1000 {
		if c.get(digestOf(fmt.Sprint(i))) != nil {
			kept++
		}
	}
	if kept > 64 || kept < 48 {
		t.Errorf("%d entries kept", kept)
	}
}
