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
