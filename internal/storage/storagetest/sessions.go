package storagetest

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/admin"
	"github.com/gatehouse-iap/gatehouse/internal/session"
	"github.com/gatehouse-iap/gatehouse/internal/signin"
)

func sessionSentences() []sentence {
	return []sentence{
		{"a session comes back as it was opened", sessionComesBack},
		{"a session without an id, or with one that is taken, is refused", sessionIDTaken},
		{"a child whose parent is gone or has expired is refused", childNeedsParent},
		{"sessions are listed newest first, and by id and address", sessionsListed},
		{"the end of a parent ends its children", parentEndsChildren},
		{"the end of a child leaves its parent", childEndsAlone},
		{"sessions end by address, and an empty filter ends all", endByFilter},
		{"an end that is undone ends nothing and says nothing", endUndone},
		{"the stores of administration and of sign-in are the same", sameSessions},
	}
}

func (s store) end(filter session.Filter) []session.ID {
	s.t.Helper()
	ids, err := s.EndSessions(s.t.Context(), filter)
	must(s.t, err)
	return ids
}

func ids(records ...session.Record) []session.ID {
	var list []session.ID
	for _, r := range records {
		list = append(list, r.ID)
	}
	return list
}

func sorted(ids []session.ID) []session.ID {
	slices.SortFunc(ids, func(a, b session.ID) int { return slices.Compare(a[:], b[:]) })
	return ids
}

func sessionComesBack(t *testing.T, s store) {
	parent := record("alice")
	parent.Identity.HostedDomain = "example.com"
	app := child(parent)
	app.AMR, app.AuthTime = nil, epoch.Add(-time.Hour)
	app.Expires, app.LastSeen = epoch.Add(time.Hour), epoch.Add(time.Microsecond)
	s.open(parent, app)
	for _, want := range []session.Record{parent, app} {
		if got, err := s.Session(t.Context(), want.ID); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%v, %v; want %v", got, err, want)
		}
	}
	if _, err := s.Session(t.Context(), session.NewID()); err != session.ErrNotFound {
		t.Errorf("an unknown id: %v", err)
	}
}

func sessionIDTaken(t *testing.T, s store) {
	first := record("alice")
	s.open(first)
	second := record("bob")
	second.ID = first.ID
	if err := s.OpenSession(t.Context(), second); err == nil {
		t.Error("one id names two sessions")
	}
	second.ID = session.ID{}
	if err := s.OpenSession(t.Context(), second); err == nil {
		t.Error("a session has no id")
	}
	if got, err := s.Session(t.Context(), first.ID); err != nil || got.Identity != first.Identity {
		t.Errorf("%v, %v", got, err)
	}
}

func childNeedsParent(t *testing.T, s store) {
	parent := record("alice")
	if err := s.OpenSession(t.Context(), child(parent)); !errors.Is(err, session.ErrNotFound) {
		t.Errorf("a parent that never was: %v", err)
	}
	s.open(parent, child(parent))
	late := child(parent)
	late.Created = parent.Expires
	if err := s.OpenSession(t.Context(), late); !errors.Is(err, session.ErrNotFound) {
		t.Errorf("a parent that has expired: %v", err)
	}
	s.end(session.Filter{ID: parent.ID})
	if err := s.OpenSession(t.Context(), child(parent)); !errors.Is(err, session.ErrNotFound) {
		t.Errorf("a parent that has ended: %v", err)
	}
}

func sessionsListed(t *testing.T, s store) {
	alice, bob := record("alice"), record("bob")
	bob.Created = epoch.Add(time.Hour)
	app := child(alice)
	app.Created = epoch.Add(2 * time.Hour)
	s.open(alice, bob, app)
	for name, test := range map[string]struct {
		filter session.Filter
		want   []session.Record
	}{
		"all":                  {session.Filter{}, []session.Record{app, bob, alice}},
		"a parent":             {session.Filter{ID: alice.ID}, []session.Record{app, alice}},
		"a child":              {session.Filter{ID: app.ID}, []session.Record{app}},
		"an address":           {session.Filter{Email: "alice@example.com"}, []session.Record{app, alice}},
		"both":                 {session.Filter{ID: bob.ID, Email: "bob@example.com"}, []session.Record{bob}},
		"both, which differ":   {session.Filter{ID: bob.ID, Email: "alice@example.com"}, nil},
		"a provider":           {session.Filter{Provider: "elsewhere"}, []session.Record{app, bob, alice}},
		"another provider":     {session.Filter{Provider: "local"}, nil},
		"a provider's subject": {session.Filter{Provider: "elsewhere", ProviderSubject: "subject of bob"}, []session.Record{bob}},
		"a provider's session": {session.Filter{Provider: "elsewhere", ProviderSession: "sid of bob"}, []session.Record{bob}},
		"an unknown id":        {session.Filter{ID: session.NewID()}, nil},
		"an unknown address":   {session.Filter{Email: "carol@example.com"}, nil},
	} {
		if got, err := s.Sessions(t.Context(), test.filter); err != nil || !reflect.DeepEqual(got, test.want) {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}

func parentEndsChildren(t *testing.T, s store) {
	alice, bob := record("alice"), record("bob")
	first, second, other := child(alice), child(alice), child(bob)
	s.open(alice, bob, first, second, other)
	ended := s.end(session.Filter{ID: alice.ID})
	if want := ids(alice, first, second); !reflect.DeepEqual(sorted(ended), sorted(want)) {
		t.Errorf("ended %v, want %v", ended, want)
	}
	if alive := s.alive(alice, first, second, bob, other); !reflect.DeepEqual(alive, []bool{false, false, false, true, true}) {
		t.Errorf("alive: %v", alive)
	}
	if told := s.changes(0); len(told) != 3 {
		t.Errorf("changes %v", told)
	}
	if again := s.end(session.Filter{ID: alice.ID}); len(again) != 0 || s.position() != 3 {
		t.Errorf("ended twice: %v, position %d", again, s.position())
	}
}

func childEndsAlone(t *testing.T, s store) {
	alice := record("alice")
	first, second := child(alice), child(alice)
	s.open(alice, first, second)
	if ended := s.end(session.Filter{ID: first.ID}); !reflect.DeepEqual(ended, ids(first)) {
		t.Errorf("ended %v", ended)
	}
	if alive := s.alive(alice, first, second); !reflect.DeepEqual(alive, []bool{true, false, true}) {
		t.Errorf("alive: %v", alive)
	}
}

func endByFilter(t *testing.T, s store) {
	alice, bob := record("alice"), record("bob")
	app := child(alice)
	s.open(alice, bob, app)
	if ended := s.end(session.Filter{ID: bob.ID, Email: "alice@example.com"}); len(ended) != 0 {
		t.Errorf("ended %v", ended)
	}
	if ended := s.end(session.Filter{Email: "alice@example.com"}); len(ended) != 2 {
		t.Errorf("ended %v", ended)
	}
	if alive := s.alive(alice, app, bob); !reflect.DeepEqual(alive, []bool{false, false, true}) {
		t.Errorf("alive: %v", alive)
	}
	s.open(record("carol"))
	if ended := s.end(session.Filter{}); len(ended) != 2 {
		t.Errorf("ended %v", ended)
	}
	if left, err := s.Sessions(t.Context(), session.Filter{}); err != nil || len(left) != 0 {
		t.Errorf("left %v, %v", left, err)
	}
}

func endUndone(t *testing.T, s store) {
	alice := record("alice")
	s.open(alice, child(alice))
	ctx := endingAfter(t.Context(), 2) // while it waits for its turn, or in its first statement
	if ended, err := s.EndSessions(ctx, session.Filter{}); err == nil || ended != nil {
		t.Errorf("ended %v, %v", ended, err)
	}
	if !s.alive(alice)[0] || s.position() != 0 {
		t.Errorf("alive %v, position %d", s.alive(alice), s.position())
	}
}

func sameSessions(t *testing.T, s store) {
	alice := record("alice")
	app := child(alice)
	s.signIn(func(ctx context.Context, tx signin.Tx) error {
		must(t, tx.Sessions().OpenSession(ctx, alice))
		must(t, tx.Sessions().TouchSessions(ctx, nil, epoch, session.DefaultLifetimes()))
		return tx.Sessions().OpenSession(ctx, app) // its parent is of the same transaction
	})
	s.view(func(ctx context.Context, tx admin.Tx) error {
		if got, err := tx.Sessions().Session(ctx, app.ID); err != nil || !reflect.DeepEqual(got, app) {
			t.Errorf("%v, %v", got, err)
		}
		if got, err := tx.Sessions().Sessions(ctx, session.Filter{}); err != nil || len(got) != 2 {
			t.Errorf("%v, %v", got, err)
		}
		return nil
	})
	s.do(func(tx admin.Tx) error {
		ended, err := tx.Sessions().EndSessions(t.Context(), session.Filter{ID: alice.ID})
		if len(ended) != 2 {
			t.Errorf("ended %v", ended)
		}
		return err
	})
	if alive := s.alive(alice, app); alive[0] || alive[1] {
		t.Errorf("alive: %v", alive)
	}
}
