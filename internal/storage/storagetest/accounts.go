package storagetest

import (
	"context"
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/admin"
	"github.com/gatehouse-iap/gatehouse/internal/directory"
	"github.com/gatehouse-iap/gatehouse/internal/principal"
	"github.com/gatehouse-iap/gatehouse/internal/session"
)

func accountSentences() []sentence {
	return []sentence{
		{"accounts come back as they were created, ordered by address", accountsComeBack},
		{"an address or a subject belongs to one account", accountTaken},
		{"an address is that of an account or of a group, never of both", addressHasOneMeaning},
		{"an update keeps kind, subject and creation time", accountUpdated},
		{"a deleted account is gone, and deleting needs one that is there", accountDeleted},
		{"deleting an account ends its sessions in the same transaction", endedBy(func(ctx context.Context, tx admin.Tx) error {
			return tx.Directory().DeleteAccount(ctx, "alice@example.com")
		})},
		{"disabling an account ends its sessions in the same transaction", endedBy(func(ctx context.Context, tx admin.Tx) error {
			a := account("alice")
			a.Disabled = true
			return tx.Directory().UpdateAccount(ctx, a)
		})},
		{"moving an account to another organisation ends its sessions", endedBy(func(ctx context.Context, tx admin.Tx) error {
			a := account("alice")
			a.HostedDomain = ""
			return tx.Directory().UpdateAccount(ctx, a)
		})},
		{"a new name or password ends no session", namesEndNothing},
		{"no session opens for an account that is disabled, gone or another", noSessionForDisabled},
	}
}

func accountsComeBack(t *testing.T, s store) {
	robot := directory.Account{
		Kind: principal.ServiceAccount, Email: "Z@robots.example.com", Subject: "1", Created: epoch, Disabled: true,
	}
	want := []directory.Account{robot, account("alice"), account("bob")} // bytewise, as canonical addresses are
	s.createAccounts("bob", "alice")
	s.do(func(tx admin.Tx) error { return tx.Directory().CreateAccount(t.Context(), robot) })
	s.view(func(ctx context.Context, tx admin.Tx) error {
		if got, err := tx.Directory().Accounts(ctx); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%v, %v", got, err)
		}
		for _, one := range want {
			if got, err := tx.Directory().Account(ctx, one.Email); err != nil || !reflect.DeepEqual(got, one) {
				t.Errorf("%v, %v", got, err)
			}
		}
		if _, err := tx.Directory().Account(ctx, "ALICE@example.com"); err != directory.ErrNotFound {
			t.Errorf("Account: %v", err)
		}
		return nil
	})
}

func accountTaken(t *testing.T, s store) {
	s.createAccounts("alice")
	sameSubject := account("bob")
	sameSubject.Subject = account("alice").Subject
	sameAddress := account("alice")
	sameAddress.Subject = "2"
	for _, a := range []directory.Account{sameSubject, sameAddress} {
		s.refused(directory.ErrExists, func(tx admin.Tx) error { return tx.Directory().CreateAccount(t.Context(), a) })
	}
}

func addressHasOneMeaning(t *testing.T, s store) {
	s.createAccounts("alice")
	s.putGroup("team@example.com")
	s.refused(directory.ErrExists, func(tx admin.Tx) error { return tx.Directory().CreateAccount(t.Context(), account("team")) })
	s.refused(directory.ErrExists, func(tx admin.Tx) error {
		return tx.Directory().PutGroup(t.Context(), directory.Group{Email: "alice@example.com"})
	})
}

func accountUpdated(t *testing.T, s store) {
	s.createAccounts("alice", "bob")
	want := account("alice")
	want.HostedDomain, want.DisplayName, want.PasswordHash, want.Disabled = "", "Alice A.", "", true
	want.Attributes = []principal.Attribute{{Name: "site", Values: []string{"Berlin", "Lisbon"}}}
	changed := want
	changed.Created = epoch.Add(time.Hour)
	update := func(a directory.Account) func(admin.Tx) error {
		return func(tx admin.Tx) error { return tx.Directory().UpdateAccount(t.Context(), a) }
	}
	s.do(update(changed))
	s.view(func(ctx context.Context, tx admin.Tx) error {
		got, err := tx.Directory().Accounts(ctx)
		if err != nil || !reflect.DeepEqual(got, []directory.Account{want, account("bob")}) {
			t.Errorf("%v, %v", got, err)
		}
		return nil
	})
	otherSubject, otherKind := want, want
	otherSubject.Subject, otherKind.Kind = "3", principal.ServiceAccount
	s.refused(directory.ErrInvalid, update(otherSubject))
	s.refused(directory.ErrInvalid, update(otherKind))
	s.refused(directory.ErrNotFound, update(account("carol")))
}

func accountDeleted(t *testing.T, s store) {
	remove := func(tx admin.Tx) error { return tx.Directory().DeleteAccount(t.Context(), "alice@example.com") }
	s.refused(directory.ErrNotFound, remove)
	s.createAccounts("alice", "bob")
	s.do(remove)
	s.refused(directory.ErrNotFound, remove)
	s.view(func(ctx context.Context, tx admin.Tx) error {
		got, err := tx.Directory().Accounts(ctx)
		if err != nil || len(got) != 1 || got[0].Email != "bob@example.com" {
			t.Errorf("%v, %v", got, err)
		}
		return nil
	})
	s.createAccounts("alice")
}

// local is a session of a local account.
func local(name string) session.Record {
	r := record(name)
	r.Identity = account(name).Identity()
	return r
}

// endedBy checks that a change ends Alice's sessions, and nobody else's, in its transaction.
func endedBy(change func(context.Context, admin.Tx) error) func(*testing.T, store) {
	return func(t *testing.T, s store) {
		s.createAccounts("alice", "bob")
		alice, bob, elsewhere := local("alice"), local("bob"), record("alice")
		app := child(alice)
		s.open(alice, bob, elsewhere, app)
		before := s.position()
		if _, err := s.Do(t.Context(), entry("test"), func(tx admin.Tx) error {
			must(t, change(t.Context(), tx))
			return errOurs
		}); err != errOurs {
			t.Fatal(err)
		}
		if alive := s.alive(alice, app); !alive[0] || !alive[1] {
			t.Error("sessions ended although the change was undone")
		}
		s.do(func(tx admin.Tx) error { return change(t.Context(), tx) })
		if alive := s.alive(alice, app, bob, elsewhere); !reflect.DeepEqual(alive, []bool{false, false, true, true}) {
			t.Errorf("alive: %v", alive)
		}
		told := map[string]bool{}
		for _, c := range s.changes(before) {
			told[c] = true
		}
		if len(told) != 3 || !told["account alice@example.com"] || !told["session "+alice.ID.String()] || !told["session "+app.ID.String()] {
			t.Errorf("changes %v", told)
		}
	}
}

func namesEndNothing(t *testing.T, s store) {
	s.createAccounts("alice")
	signedIn := local("alice")
	s.open(signedIn)
	a := account("alice")
	a.DisplayName, a.PasswordHash, a.Attributes = "Alice A.", "another", nil
	s.do(func(tx admin.Tx) error { return tx.Directory().UpdateAccount(t.Context(), a) })
	if !s.alive(signedIn)[0] {
		t.Error("the session ended")
	}
}

func noSessionForDisabled(t *testing.T, s store) {
	s.createAccounts("alice", "bob")
	disabled := account("alice")
	disabled.Disabled = true
	s.do(func(tx admin.Tx) error { return tx.Directory().UpdateAccount(t.Context(), disabled) })
	another := local("bob")
	another.Identity.Subject = "9"
	for _, r := range []session.Record{local("alice"), local("carol"), another} {
		if err := s.OpenSession(t.Context(), r); !errors.Is(err, session.ErrNotFound) {
			t.Errorf("OpenSession for %s: %v", r.Identity.Email, err)
		}
	}
	s.open(local("bob"))
}
