package storagetest

import (
	"context"
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/admin"
	"github.com/gatehouse-iap/gatehouse/internal/directory"
	"github.com/gatehouse-iap/gatehouse/internal/identityprovider"
	"github.com/gatehouse-iap/gatehouse/internal/principal"
	"github.com/gatehouse-iap/gatehouse/internal/session"
	"github.com/gatehouse-iap/gatehouse/internal/signin"
	"github.com/gatehouse-iap/gatehouse/internal/snapshot"
)

func providerSentences() []sentence {
	return []sentence{
		{"providers come back as they were put, ordered by name", providersComeBack},
		{"a change to a provider is one change row", providerChangeRow},
		{"deleting a provider needs one that is there, and ends the sessions that it vouched for", providerDeleted},
		{"switching a provider off ends its sessions, and none opens until it is on again", providerDisabled},
		{"no session of a provider opens under the address of a disabled account", disabledAccountBarsProvider},
	}
}

func linkSentences() []sentence {
	return []sentence{
		{"a link keeps its number, and notes address and time of each sign-in", linkKept},
		{"a number names one person", numberTaken},
		{"links are listed by address, and deleted by issuer and subject", linksListed},
	}
}

func recheckSentences() []sentence {
	return []sentence{
		{"sessions that are due are given to one asker", recheckClaimedOnce},
		{"only sessions of the auth host with a refresh token are due", recheckWhose},
		{"a confirmation is noted on a session and its children", confirmationNoted},
		{"a confirmation by tokens that are no longer the stored ones is refused", confirmationOutrun},
		{"a postponed session and its children are due later", recheckPostponed},
		{"a logout token is used once until it expires", logoutTokenOnce},
	}
}

// due is a session that its provider has to confirm at a time.
func due(name string, at time.Time) session.Record {
	r := record(name)
	r.Silent, r.AskAfter = false, at
	return r
}

func (s store) claim(now, until time.Time, limit int) (claimed []session.ID) {
	s.t.Helper()
	s.signIn(func(ctx context.Context, tx signin.Tx) error {
		records, err := tx.Rechecks().ClaimRechecks(ctx, now, until, limit)
		for _, r := range records {
			claimed = append(claimed, r.ID)
		}
		return err
	})
	return claimed
}

func recheckClaimedOnce(t *testing.T, s store) {
	late, early, later := due("late", epoch.Add(time.Minute)), due("early", epoch), due("later", epoch.Add(time.Hour))
	s.open(late, early, later)
	now, until := epoch.Add(2*time.Minute), epoch.Add(3*time.Minute)
	if got := s.claim(now, until, 1); !reflect.DeepEqual(got, ids(early)) {
		t.Errorf("the first: %v", got)
	}
	if got := s.claim(now, until, 10); !reflect.DeepEqual(got, ids(late)) {
		t.Errorf("the second: %v", got)
	}
	if got := s.claim(now, until, 10); len(got) != 0 {
		t.Errorf("the third: %v", got)
	}
	if got := s.claim(until, until.Add(time.Minute), 10); len(got) != 2 {
		t.Errorf("when their time has run out: %v", got)
	}
}

func recheckWhose(t *testing.T, s store) {
	s.createAccounts("bob")
	silent, ended, parent := due("silent", epoch), due("ended", epoch), due("parent", epoch.Add(time.Hour))
	silent.Silent, ended.Expires = true, epoch
	app := child(parent)
	app.AskAfter = epoch
	ours := local("bob")
	ours.AskAfter, ours.Checked = time.Time{}, time.Time{}
	s.open(silent, ended, parent, app, ours)
	if got := s.claim(epoch.Add(time.Minute), epoch.Add(2*time.Minute), 10); len(got) != 0 {
		t.Errorf("%v", got)
	}
}

func confirmationNoted(t *testing.T, s store) {
	alice, bob := due("alice", epoch), due("bob", epoch)
	app := child(alice)
	app.AtProvider = session.AtProvider{}
	s.open(alice, bob, app)
	later := epoch.Add(time.Hour)
	c := signin.Confirmation{Tokens: []byte("new"), Groups: []string{"new@example.com"}, Attributes: []principal.Attribute{{Name: "department", Values: []string{"Law"}}}, Checked: later, AskAfter: later.Add(time.Minute), Silent: true}
	s.signIn(func(ctx context.Context, tx signin.Tx) error {
		family, err := tx.Rechecks().ConfirmSession(ctx, alice.ID, alice.AtProvider.Tokens, c)
		if len(family) != 2 {
			t.Errorf("family %v", family)
		}
		return err
	})
	for _, want := range []session.Record{alice, app} {
		want.Attributes = c.Attributes
		want.Groups, want.Checked, want.AskAfter, want.Silent = c.Groups, c.Checked, c.AskAfter, true
		if want.Parent.IsZero() {
			want.AtProvider.Tokens = c.Tokens
		}
		if got, err := s.Session(t.Context(), want.ID); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%+v, %v, want %+v", got, err, want)
		}
	}
	if got, err := s.Session(t.Context(), bob.ID); err != nil || !reflect.DeepEqual(got, bob) {
		t.Errorf("another's: %v, %v", got, err)
	}
}

func confirmationOutrun(t *testing.T, s store) {
	alice := due("alice", epoch)
	s.open(alice)
	for want, id := range map[error]session.ID{signin.ErrNewer: alice.ID, session.ErrNotFound: session.NewID()} {
		err := s.SignIn(t.Context(), func(tx signin.Tx) error {
			_, err := tx.Rechecks().ConfirmSession(t.Context(), id, []byte("other"), signin.Confirmation{Tokens: []byte("new")})
			return err
		})
		if !errors.Is(err, want) {
			t.Errorf("%v, want %v", err, want)
		}
	}
	if got, err := s.Session(t.Context(), alice.ID); err != nil || !reflect.DeepEqual(got, alice) {
		t.Errorf("%v, %v", got, err)
	}
}

func recheckPostponed(t *testing.T, s store) {
	alice := due("alice", epoch)
	app := child(alice)
	s.open(alice, app)
	later := epoch.Add(time.Hour)
	s.signIn(func(ctx context.Context, tx signin.Tx) error {
		_, err := tx.Rechecks().PostponeRecheck(ctx, alice.ID, later)
		return err
	})
	for _, r := range []session.Record{alice, app} {
		if got, err := s.Session(t.Context(), r.ID); err != nil || !got.AskAfter.Equal(later) {
			t.Errorf("%v, %v", got.AskAfter, err)
		}
	}
}

func logoutTokenOnce(t *testing.T, s store) {
	use := func(id string, now time.Time) error {
		return s.SignIn(t.Context(), func(tx signin.Tx) error {
			return tx.Rechecks().UseLogoutToken(t.Context(), id, epoch.Add(time.Minute), now)
		})
	}
	must(t, use("a", epoch))
	must(t, use("b", epoch))
	if err := use("a", epoch); !errors.Is(err, signin.ErrReplayed) {
		t.Errorf("again: %v", err)
	}
	must(t, use("a", epoch.Add(time.Minute))) // forgotten: by now its age speaks against it
}

func provider(name string, domains ...string) identityprovider.Provider {
	return identityprovider.Provider{
		Name: name, Kind: identityprovider.OIDC, Domains: domains,
		OIDC:   &identityprovider.OIDCConfig{Issuer: "https://" + name + ".test", ClientID: name, ClientSecret: &identityprovider.Secret{Env: "S"}},
		Groups: &identityprovider.GroupsClaim{Table: map[string]string{"a": "a@example.com"}},
	}
}

func (s store) putProviders(providers ...identityprovider.Provider) {
	s.t.Helper()
	s.do(func(tx admin.Tx) error {
		for _, p := range providers {
			must(s.t, tx.Providers().PutProvider(s.t.Context(), p))
		}
		return nil
	})
}

func providersComeBack(t *testing.T, s store) {
	first, second := provider("elsewhere", "example.com"), provider("okta", "corp.example", "b.example")
	s.putProviders(second, first)
	second.DisplayName, second.Groups = "Okta", nil
	s.putProviders(second)
	want := []identityprovider.Provider{first, second}
	s.view(func(ctx context.Context, tx admin.Tx) error {
		if got, err := tx.Providers().Providers(ctx); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%v, %v", got, err)
		}
		return nil
	})
	must(t, s.Read(t.Context(), func(v snapshot.View) error {
		if got, err := v.Providers().Providers(t.Context()); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("as the snapshot reads them: %v, %v", got, err)
		}
		return nil
	}))
}

func providerChangeRow(t *testing.T, s store) {
	s.putProviders(provider("okta"))
	if got := s.changes(0); !reflect.DeepEqual(got, []string{"provider okta"}) {
		t.Errorf("changes %v", got)
	}
}

func providerDeleted(t *testing.T, s store) {
	remove := func(tx admin.Tx) error { return tx.Providers().DeleteProvider(t.Context(), "elsewhere") }
	s.refused(identityprovider.ErrNotFound, remove)
	s.putProviders(provider("elsewhere"))
	s.createAccounts("bob")
	alice, bob := record("alice"), local("bob")
	app := child(alice)
	s.open(alice, bob, app)
	before := s.position()
	s.do(remove)
	if alive := s.alive(alice, app, bob); !reflect.DeepEqual(alive, []bool{false, false, true}) {
		t.Errorf("alive: %v", alive)
	}
	if got := s.changes(before); len(got) != 3 || got[0] != "provider elsewhere" {
		t.Errorf("changes %v", got)
	}
	s.refused(identityprovider.ErrNotFound, remove)
}

func providerDisabled(t *testing.T, s store) {
	on, off := provider("elsewhere"), provider("elsewhere")
	off.Disabled = true
	s.putProviders(on)
	alice := record("alice")
	s.open(alice)
	s.putProviders(off)
	if s.alive(alice)[0] {
		t.Error("the session is alive")
	}
	if err := s.OpenSession(t.Context(), record("alice")); !errors.Is(err, session.ErrNotFound) {
		t.Errorf("opening a session while it is off: %v", err)
	}
	s.putProviders(on)
	s.open(record("alice"))
}

func disabledAccountBarsProvider(t *testing.T, s store) {
	s.createAccounts("alice")
	s.open(record("alice"))
	disabled := account("alice")
	disabled.Disabled = true
	s.do(func(tx admin.Tx) error { return tx.Directory().UpdateAccount(t.Context(), disabled) })
	if err := s.OpenSession(t.Context(), record("alice")); !errors.Is(err, session.ErrNotFound) {
		t.Errorf("OpenSession: %v", err)
	}
}

func link(subject, number, email string) identityprovider.Link {
	return identityprovider.Link{
		Issuer: "https://okta.test", Subject: subject, Number: number, Email: email, Created: epoch, LastSignIn: epoch,
	}
}

// linked signs somebody in and returns the link that there is then.
func (s store) linked(l identityprovider.Link) (stored identityprovider.Link) {
	s.t.Helper()
	s.signIn(func(ctx context.Context, tx signin.Tx) (err error) {
		stored, err = tx.Links().Link(ctx, l)
		return err
	})
	return stored
}

func linkKept(t *testing.T, s store) {
	first := link("a", "1", "alice@example.com")
	if got := s.linked(first); got != first {
		t.Errorf("first sign-in: %v", got)
	}
	again := link("a", "2", "alice@married.example")
	again.LastSignIn = epoch.Add(time.Hour)
	want := again
	want.Number = "1"
	if got := s.linked(again); got != want {
		t.Errorf("second sign-in: %v, want %v", got, want)
	}
	elsewhere := link("a", "3", "alice@married.example")
	elsewhere.Issuer = "https://entra.test"
	if got := s.linked(elsewhere); got.Number != "3" {
		t.Errorf("the same subject of another issuer: %v", got)
	}
}

func numberTaken(t *testing.T, s store) {
	s.createAccounts("alice")
	s.linked(link("a", "1", "a@example.com"))
	for _, number := range []string{"1", account("alice").Subject} {
		err := s.SignIn(t.Context(), func(tx signin.Tx) error {
			_, err := tx.Links().Link(t.Context(), link("b", number, "b@example.com"))
			return err
		})
		if !errors.Is(err, identityprovider.ErrNumberTaken) {
			t.Errorf("number %s: %v", number, err)
		}
	}
	bob := account("bob")
	bob.Subject = "1"
	s.refused(directory.ErrExists, func(tx admin.Tx) error { return tx.Directory().CreateAccount(t.Context(), bob) })
}

func linksListed(t *testing.T, s store) {
	a, b, c := link("a", "1", "x@example.com"), link("b", "2", "x@example.com"), link("c", "3", "y@example.com")
	for _, l := range []identityprovider.Link{c, b, a} {
		s.linked(l)
	}
	c.Email = "z@example.com"
	s.do(func(tx admin.Tx) error { return tx.Links().PutLink(t.Context(), c) })
	remove := func(tx admin.Tx) error { return tx.Links().DeleteLink(t.Context(), a.Issuer, "b") }
	list := func(email string, want ...identityprovider.Link) {
		t.Helper()
		s.view(func(ctx context.Context, tx admin.Tx) error {
			if got, err := tx.Links().Links(ctx, email); err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("%q: %v, %v", email, got, err)
			}
			return nil
		})
	}
	list("", a, b, c)
	list("x@example.com", a, b)
	list("z@example.com", c)
	s.do(remove)
	list("x@example.com", a)
	s.refused(identityprovider.ErrNoLink, remove)
}
