package storagetest

import (
	"context"
	"errors"
	"reflect"
	"testing"

	"github.com/gatehouse-iap/gatehouse/internal/admin"
	"github.com/gatehouse-iap/gatehouse/internal/audit"
	"github.com/gatehouse-iap/gatehouse/internal/catalog"
	"github.com/gatehouse-iap/gatehouse/internal/directory"
	"github.com/gatehouse-iap/gatehouse/internal/session"
	"github.com/gatehouse-iap/gatehouse/internal/signin"
	"github.com/gatehouse-iap/gatehouse/internal/storage"
)

var errOurs = errors.New("our own error")

func transactionSentences() []sentence {
	return []sentence{
		{"what a transaction wrote is there together, with its entry and its changes", togetherThere},
		{"an error undoes everything, the entry and the changes included", undoneByError},
		{"a panic undoes everything and lets the next writer in", undoneByPanic},
		{"an error in sign-in undoes everything", signInUndone},
		{"a transaction reads what it wrote, and others do not before it commits", unseenBeforeCommit},
		{"a view cannot write through any store", viewCannotWrite},
		{"a view stays at one moment while others write", viewStays},
		{"stores are of no use after their transaction", uselessAfterwards},
		{"wakers are called after commits with changes, and only then", wakers},
	}
}

// writeEverywhere writes through every store of a transaction.
func writeEverywhere(ctx context.Context, tx admin.Tx) error {
	if err := tx.Catalog().PutService(ctx, service("app", "1")); err != nil {
		return err
	}
	if _, err := tx.Policies().PutPolicy(ctx, appName, policy("user:a@example.com"), ""); err != nil {
		return err
	}
	if err := tx.Directory().CreateAccount(ctx, account("new")); err != nil {
		return err
	}
	if err := tx.Directory().PutGroup(ctx, directory.Group{Email: "g@example.com", Members: addresses(3)}); err != nil {
		return err
	}
	if err := tx.Keys().PutKey(ctx, key("k1")); err != nil {
		return err
	}
	_, err := tx.Sessions().EndSessions(ctx, session.Filter{})
	return err
}

// writtenEverywhere reports, store by store, whether writeEverywhere's traces are there.
func writtenEverywhere(s store, before session.Record) []bool {
	s.t.Helper()
	var there []bool
	s.view(func(ctx context.Context, tx admin.Tx) error {
		_, noService := tx.Catalog().Service(ctx, appName)
		stored, err := tx.Policies().Policy(ctx, appName)
		must(s.t, err)
		_, noAccount := tx.Directory().Account(ctx, "new@example.com")
		_, noGroup := tx.Directory().Group(ctx, "g@example.com")
		keys, err := tx.Keys().Keys(ctx)
		must(s.t, err)
		_, noSession := tx.Sessions().Session(ctx, before.ID)
		there = []bool{noService == nil, len(stored.Bindings) > 0, noAccount == nil, noGroup == nil, len(keys) > 0, noSession != nil}
		return nil
	})
	entries, err := s.Entries(s.t.Context(), 10)
	must(s.t, err)
	return append(there, len(entries) > 0, s.position() > 0, len(s.changes(0)) > 0)
}

func all(value bool) []bool {
	list := make([]bool, 9)
	for i := range list {
		list[i] = value
	}
	return list
}

func togetherThere(t *testing.T, s store) {
	before := record("before")
	s.open(before)
	position := s.do(func(tx admin.Tx) error { return writeEverywhere(t.Context(), tx) })
	if there := writtenEverywhere(s, before); !reflect.DeepEqual(there, all(true)) {
		t.Errorf("written: %v", there)
	}
	if position != 6 || s.position() != 6 {
		t.Errorf("position %d, feed at %d; want the last of six changes", position, s.position())
	}
}

func undoneByError(t *testing.T, s store) {
	before := record("before")
	s.open(before)
	e := entry("test")
	position, err := s.Do(t.Context(), e, func(tx admin.Tx) error {
		must(t, writeEverywhere(t.Context(), tx))
		return errOurs
	})
	if err != errOurs || position != 0 || e.Seq != 0 {
		t.Errorf("Do = %d, %v; entry at %d", position, err, e.Seq)
	}
	if there := writtenEverywhere(s, before); !reflect.DeepEqual(there, all(false)) {
		t.Errorf("written: %v", there)
	}
}

func undoneByPanic(t *testing.T, s store) {
	before := record("before")
	s.open(before)
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic was swallowed")
			}
		}()
		s.do(func(tx admin.Tx) error {
			must(t, writeEverywhere(t.Context(), tx))
			panic("ours")
		})
	}()
	if there := writtenEverywhere(s, before); !reflect.DeepEqual(there, all(false)) {
		t.Errorf("written: %v", there)
	}
	s.do(func(tx admin.Tx) error { return writeEverywhere(t.Context(), tx) })
}

func signInUndone(t *testing.T, s store) {
	kept, opened := record("kept"), record("opened")
	s.open(kept)
	err := s.SignIn(t.Context(), func(tx signin.Tx) error {
		must(t, tx.Sessions().OpenSession(t.Context(), opened))
		must(t, tx.Handoffs().PutHandoff(t.Context(), handoff(opened)))
		_, err := tx.Sessions().EndSessions(t.Context(), session.Filter{ID: kept.ID})
		must(t, err)
		return errOurs
	})
	if err != errOurs {
		t.Errorf("SignIn: %v", err)
	}
	if alive := s.alive(kept, opened); !alive[0] || alive[1] || s.position() != 0 {
		t.Errorf("alive %v, position %d", alive, s.position())
	}
}

func unseenBeforeCommit(t *testing.T, s store) {
	ctx := t.Context()
	s.do(func(tx admin.Tx) error {
		must(t, tx.Catalog().PutService(ctx, service("app", "1")))
		if _, err := tx.Catalog().Service(ctx, appName); err != nil {
			t.Errorf("its own write: %v", err)
		}
		s.view(func(ctx context.Context, other admin.Tx) error {
			if _, err := other.Catalog().Service(ctx, appName); err != catalog.ErrNotFound {
				t.Errorf("another's reading: %v", err)
			}
			return nil
		})
		return nil
	})
	s.view(func(ctx context.Context, tx admin.Tx) error {
		_, err := tx.Catalog().Service(ctx, appName)
		return err
	})
}

func viewCannotWrite(t *testing.T, s store) {
	s.createAccounts("alice")
	before, kept := s.position(), record("kept")
	s.open(kept)
	s.view(func(ctx context.Context, tx admin.Tx) error {
		_, putPolicy := tx.Policies().PutPolicy(ctx, appName, policy(), "")
		_, end := tx.Sessions().EndSessions(ctx, session.Filter{})
		for name, err := range map[string]error{
			"PutService":    tx.Catalog().PutService(ctx, service("app", "1")),
			"DeleteService": tx.Catalog().DeleteService(ctx, appName),
			"PutPolicy":     putPolicy,
			"CreateAccount": tx.Directory().CreateAccount(ctx, account("new")),
			"UpdateAccount": tx.Directory().UpdateAccount(ctx, account("alice")),
			"DeleteAccount": tx.Directory().DeleteAccount(ctx, "alice@example.com"),
			"PutGroup":      tx.Directory().PutGroup(ctx, directory.Group{Email: "g@example.com"}),
			"PutKey":        tx.Keys().PutKey(ctx, key("k1")),
			"OpenSession":   tx.Sessions().OpenSession(ctx, record("new")),
			"EndSessions":   end,
			"TouchSessions": tx.Sessions().TouchSessions(ctx, nil, epoch.AddDate(1, 0, 0), session.DefaultLifetimes()),
		} {
			if !errors.Is(err, storage.ErrReadOnly) {
				t.Errorf("%s in a view: %v", name, err)
			}
		}
		return nil
	})
	if s.position() != before || !s.alive(kept)[0] {
		t.Error("a view wrote")
	}
}

func viewStays(t *testing.T, s store) {
	s.view(func(ctx context.Context, tx admin.Tx) error {
		first, err := tx.Catalog().Services(ctx)
		must(t, err)
		s.do(func(tx admin.Tx) error { return writeEverywhere(ctx, tx) })
		second, err := tx.Catalog().Services(ctx)
		must(t, err)
		groups, err := tx.Directory().Groups(ctx)
		must(t, err)
		if len(first) != 0 || len(second) != 0 || len(groups) != 0 {
			t.Errorf("%d services, then %d, and %d groups", len(first), len(second), len(groups))
		}
		return nil
	})
}

func uselessAfterwards(t *testing.T, s store) {
	ctx := t.Context()
	var kept admin.Tx
	s.do(func(tx admin.Tx) error { kept = tx; return nil })
	if err := kept.Catalog().PutService(ctx, service("app", "1")); err == nil {
		t.Error("a store wrote after its transaction")
	}
	s.view(func(_ context.Context, tx admin.Tx) error { kept = tx; return nil })
	if _, err := kept.Catalog().Services(ctx); err == nil {
		t.Error("a store read after its view")
	}
}

func wakers(t *testing.T, s store) {
	ctx := t.Context()
	var woken, visible int64
	s.Notify(func() { woken++ })
	s.Notify(func() { visible = s.position() })
	expect := func(after string, want int64) {
		t.Helper()
		if woken != want {
			t.Errorf("after %s: woken %d times, want %d", after, woken, want)
		}
	}
	r := record("alice")
	s.open(r)
	must(t, s.TouchSessions(ctx, nil, epoch, session.DefaultLifetimes()))
	must(t, s.SetMeta(ctx, "name", []byte("value")))
	expect("writes without change rows", 0)
	if _, err := s.Do(ctx, entry("test"), func(admin.Tx) error { return errOurs }); err == nil {
		t.Error("no error")
	}
	expect("a change that was undone", 0)
	position := s.do(func(admin.Tx) error { return nil })
	expect("an entry", 1)
	if visible != position {
		t.Errorf("a waker saw position %d, want %d", visible, position)
	}
	_, err := s.EndSessions(ctx, session.Filter{ID: r.ID})
	must(t, err)
	expect("the end of a session", 2)
	must(t, s.AppendEntry(ctx, audit.Entry{Time: epoch, Actor: audit.Actor{Kind: "system"}, Action: "start"}))
	expect("an entry of its own", 3)
}
