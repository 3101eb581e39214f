package storagetest

import (
	"context"
	"fmt"
	"reflect"
	"sync"
	"testing"

	"github.com/gatehouse-iap/gatehouse/internal/admin"
	"github.com/gatehouse-iap/gatehouse/internal/directory"
	"github.com/gatehouse-iap/gatehouse/internal/session"
	"github.com/gatehouse-iap/gatehouse/internal/snapshot"
)

func feedSentences() []sentence {
	return []sentence{
		{"an empty store stands at position 0 and says that it is new", newStore},
		{"each write appends the changes it makes, and nothing else", ownChanges},
		{"changes are listed after a position, in order", listedAfter},
		{"commit order is the order of the feed, without gaps", commitOrder},
		{"a reading has the catalog, policies, directory and keys of its position", readingIsWhole},
	}
}

func newStore(t *testing.T, s store) {
	if !s.Created() || s.position() != 0 || s.changes(0) != nil {
		t.Errorf("created %v, position %d, changes %v", s.Created(), s.position(), s.changes(0))
	}
}

func ownChanges(t *testing.T, s store) {
	ctx := t.Context()
	alice, group := account("alice"), directory.Group{Email: "g@example.com", Members: addresses(2)}
	signedIn := record("alice")
	app := child(signedIn)
	s.open(signedIn)
	s.open(app)
	steps := []struct {
		name string
		step func(tx admin.Tx) error
		want []string
	}{
		{"PutService", func(tx admin.Tx) error { return tx.Catalog().PutService(ctx, service("app", "1")) },
			[]string{"service " + string(appName)}},
		{"DeleteService", func(tx admin.Tx) error { return tx.Catalog().DeleteService(ctx, appName) },
			[]string{"service " + string(appName)}},
		{"PutPolicy", func(tx admin.Tx) error {
			_, err := tx.Policies().PutPolicy(ctx, "projects/1", policy(), "")
			return err
		}, []string{"policy projects/1"}},
		{"CreateAccount", func(tx admin.Tx) error { return tx.Directory().CreateAccount(ctx, alice) },
			[]string{"account alice@example.com"}},
		{"UpdateAccount", func(tx admin.Tx) error { return tx.Directory().UpdateAccount(ctx, alice) },
			[]string{"account alice@example.com"}},
		{"DeleteAccount", func(tx admin.Tx) error { return tx.Directory().DeleteAccount(ctx, alice.Email) },
			[]string{"account alice@example.com"}},
		{"PutGroup", func(tx admin.Tx) error { return tx.Directory().PutGroup(ctx, group) },
			[]string{"group g@example.com"}},
		{"DeleteGroup", func(tx admin.Tx) error { return tx.Directory().DeleteGroup(ctx, group.Email) },
			[]string{"group g@example.com"}},
		{"PutKey", func(tx admin.Tx) error { return tx.Keys().PutKey(ctx, key("k1")) }, []string{"key k1"}},
		{"TouchSessions", func(tx admin.Tx) error {
			return tx.Sessions().TouchSessions(ctx, nil, epoch, session.DefaultLifetimes())
		}, []string{"entry target"}},
		{"OpenSession", func(tx admin.Tx) error { return tx.Sessions().OpenSession(ctx, record("bob")) },
			[]string{"entry target"}},
		{"EndSessions", func(tx admin.Tx) error {
			_, err := tx.Sessions().EndSessions(ctx, session.Filter{ID: app.ID})
			return err
		}, []string{"session " + app.ID.String()}},
		{"EndSessions of nobody", func(tx admin.Tx) error {
			_, err := tx.Sessions().EndSessions(ctx, session.Filter{ID: app.ID})
			return err
		}, []string{"entry target"}},
		{"nothing", func(admin.Tx) error { return nil }, []string{"entry target"}},
	}
	for _, step := range steps {
		before := s.position()
		position := s.do(step.step)
		if got := s.changes(before); !reflect.DeepEqual(got, step.want) {
			t.Errorf("%s: changes %v, want %v", step.name, got, step.want)
		}
		if position != before+int64(len(step.want)) || s.position() != position {
			t.Errorf("%s: position %d after %d, feed at %d", step.name, position, before, s.position())
		}
	}
}

func listedAfter(t *testing.T, s store) {
	ctx := t.Context()
	for _, name := range []string{"a", "b", "c"} {
		s.do(func(tx admin.Tx) error { return tx.Keys().PutKey(ctx, key(name)) })
	}
	for after, want := range [][]string{{"key a", "key b", "key c"}, {"key b", "key c"}, {"key c"}, nil, nil} {
		if got := s.changes(int64(after)); !reflect.DeepEqual(got, want) {
			t.Errorf("after %d: %v, want %v", after, got, want)
		}
	}
}

// commitOrder lets writers race while a reader follows the feed as the snapshot's builder does.
func commitOrder(t *testing.T, s store) {
	const writers, each = 4, 8
	ctx, finished := t.Context(), make(chan struct{})
	var writing sync.WaitGroup
	var mu sync.Mutex
	keyAt := map[int64]string{}
	for w := range writers {
		writing.Go(func() {
			for i := range each {
				name := fmt.Sprintf("w%d-%d", w, i)
				e := entry("test")
				position, err := s.Do(ctx, e, func(tx admin.Tx) error { return tx.Keys().PutKey(ctx, key(name)) })
				if err != nil || e.Seq != position {
					t.Errorf("position %d, entry at %d: %v", position, e.Seq, err)
				}
				mu.Lock()
				keyAt[position] = name
				mu.Unlock()
			}
		})
	}
	go func() { writing.Wait(); close(finished) }()

	followed := map[int64]string{}
	for last, ended := int64(0), false; !ended; {
		select {
		case <-finished:
			ended = true // one more reading, which must find the rest
		default:
		}
		must(t, s.Read(ctx, func(v snapshot.View) error {
			changes, err := v.Changes(ctx, last)
			for _, c := range changes {
				if c.Seq != last+1 {
					t.Errorf("change %d follows %d: what lay between is lost to followers", c.Seq, last)
				}
				last, followed[c.Seq] = c.Seq, c.Key
			}
			if position, err := v.Position(ctx); err != nil || position != last {
				t.Errorf("position %d after change %d, %v", position, last, err)
			}
			return err
		}))
	}
	if len(keyAt) != writers*each || !reflect.DeepEqual(followed, keyAt) {
		t.Errorf("followed %d changes %v, writers were told %v", len(followed), followed, keyAt)
	}
}

func readingIsWhole(t *testing.T, s store) {
	s.do(func(tx admin.Tx) error { return writeEverywhere(t.Context(), tx) })
	ctx := context.Context(t.Context())
	must(t, s.Read(ctx, func(v snapshot.View) error {
		services, err := v.Catalog().Services(ctx)
		must(t, err)
		policies, err := v.Policies().Policies(ctx)
		must(t, err)
		accounts, err := v.Directory().Accounts(ctx)
		must(t, err)
		groups, err := v.Directory().Groups(ctx)
		must(t, err)
		keys, err := v.Keys().Keys(ctx)
		must(t, err)
		if len(services) != 1 || len(policies) != 1 || len(accounts) != 1 || len(groups) != 1 || len(keys) != 1 {
			t.Error("something is missing from the reading")
		}
		s.do(func(tx admin.Tx) error { return tx.Keys().PutKey(ctx, key("later")) })
		if keys, err := v.Keys().Keys(ctx); err != nil || len(keys) != 1 {
			t.Errorf("a later change shows: %d keys, %v", len(keys), err)
		}
		return nil
	}))
}
