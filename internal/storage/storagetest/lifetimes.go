package storagetest

import (
	"reflect"
	"testing"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/session"
)

func lifetimeSentences() []sentence {
	return []sentence{
		{"touching a session moves its last-seen time, and its parent's", touchMoves},
		{"a last-seen time never moves back, nor past now", touchForwardOnly},
		{"touching a session that has ended does not bring it back", touchUnknown},
		{"sessions that expired or idled too long are removed, with their children, and no others", reaped},
		{"a session in use keeps its parent alive", inUseKeepsParent},
		{"however many are touched, none is reaped before its time is written", manyTouched},
	}
}

func (s store) touch(now time.Time, seen ...session.Seen) {
	s.t.Helper()
	must(s.t, s.TouchSessions(s.t.Context(), seen, now, session.DefaultLifetimes()))
}

func (s store) lastSeen(records ...session.Record) (times []time.Time) {
	s.t.Helper()
	for _, r := range records {
		stored, err := s.Session(s.t.Context(), r.ID)
		must(s.t, err)
		times = append(times, stored.LastSeen)
	}
	return times
}

func touchMoves(t *testing.T, s store) {
	alice, bob := record("alice"), record("bob")
	used, unused := child(alice), child(alice)
	s.open(alice, bob, used, unused)
	later, now := epoch.Add(10*time.Minute), epoch.Add(20*time.Minute)
	s.touch(now, session.Seen{ID: used.ID, Time: later})
	if got := s.lastSeen(used, alice, unused, bob); !reflect.DeepEqual(got, []time.Time{later, later, epoch, epoch}) {
		t.Errorf("last seen %v", got)
	}
}

func touchForwardOnly(t *testing.T, s store) {
	alice := record("alice")
	s.open(alice)
	later, now := epoch.Add(10*time.Minute), epoch.Add(20*time.Minute)
	s.touch(now, session.Seen{ID: alice.ID, Time: later}, session.Seen{ID: alice.ID, Time: epoch})
	if got := s.lastSeen(alice); !got[0].Equal(later) {
		t.Errorf("last seen %v, want %v", got, later)
	}
	s.touch(now, session.Seen{ID: alice.ID, Time: epoch.AddDate(100, 0, 0)})
	if got := s.lastSeen(alice); !got[0].Equal(now) {
		t.Errorf("last seen %v, want %v", got, now)
	}
}

func touchUnknown(t *testing.T, s store) {
	alice := record("alice")
	s.open(alice)
	s.end(session.Filter{})
	s.touch(epoch, session.Seen{ID: alice.ID, Time: epoch}, session.Seen{ID: session.NewID(), Time: epoch})
	if s.alive(alice)[0] {
		t.Error("the session is back")
	}
}

func reaped(t *testing.T, s store) {
	now := epoch.Add(30 * time.Minute)
	idle := session.DefaultLifetimes().Idle
	expired, almostExpired := record("a"), record("b")
	expired.Expires, almostExpired.Expires = now, now.Add(time.Microsecond)
	idled, almostIdle := record("c"), record("d")
	idled.LastSeen, almostIdle.LastSeen = now.Add(-idle), now.Add(-idle+time.Microsecond)
	orphan := child(expired)
	orphan.Expires = epoch.Add(time.Hour)
	short := child(almostIdle)
	short.Expires = epoch.Add(time.Minute)
	all := []session.Record{expired, almostExpired, idled, almostIdle, orphan, short}
	s.open(all...)
	s.touch(now)
	var want []bool
	for _, r := range all {
		want = append(want, r.Live(now, session.DefaultLifetimes()) && r.ID != orphan.ID)
	}
	if alive := s.alive(all...); !reflect.DeepEqual(alive, want) {
		t.Errorf("alive %v, want %v", alive, want)
	}
	if s.position() != 0 {
		t.Errorf("the feed moved to %d", s.position())
	}
}

func inUseKeepsParent(t *testing.T, s store) {
	alice := record("alice")
	app := child(alice)
	s.open(alice, app)
	now := epoch
	for range 10 { // five hours, of which the auth host sees nothing
		now = now.Add(30 * time.Minute)
		s.touch(now, session.Seen{ID: app.ID, Time: now})
	}
	if alive := s.alive(alice, app); !alive[0] || !alive[1] {
		t.Errorf("alive: %v", alive)
	}
	s.touch(now.Add(session.DefaultLifetimes().Idle))
	if alive := s.alive(alice, app); alive[0] || alive[1] {
		t.Errorf("alive after idling: %v", alive)
	}
}

func manyTouched(t *testing.T, s store) {
	alice := record("alice")
	s.open(alice)
	now := epoch.Add(session.DefaultLifetimes().Idle)
	seen := make([]session.Seen, 2500) // several transactions
	for i := range seen {
		seen[i] = session.Seen{ID: session.NewID(), Time: now}
	}
	seen[len(seen)-1].ID = alice.ID
	s.touch(now, seen...)
	if !s.alive(alice)[0] {
		t.Error("the session was reaped before its time was written")
	}
}
