package session

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestAuthenticateReadsTheCookies(t *testing.T) {
	t.Parallel()
	table, _, _ := newTable(t)
	alice, bob := open(t, table, ID{}), open(t, table, ID{})
	a, b := table.header(alice)[0], table.header(bob)[0]
	foreign := alice
	foreign.ID, foreign.Resource = NewID(), "projects/1/iap_web/compute/services/8"
	if err := table.Store.OpenSession(t.Context(), foreign); err != nil {
		t.Fatal(err)
	}
	garbage := testCookie + "=AVF5qgarbage"
	tests := []struct {
		name   string
		header []string
		want   error
	}{
		{"no Cookie header is no session", nil, ErrNone},
		{"other cookies are no session", []string{"a=b; " + AuthCookieName + "=x"}, ErrNone},
		{"a good cookie is a session", []string{a}, nil},
		{"a good cookie among others is a session", []string{"x=y; " + a + "; z=1"}, nil},
		{"the same cookie twice is one session", []string{a + "; " + a}, nil},
		{"two cookies of the same session are that session", []string{a, table.header(alice)[0]}, nil},
		{"a doubled cookie of two sessions is none", []string{a + "; " + b}, ErrInvalid},
		{"cookies of two sessions on two lines are none", []string{a, b}, ErrInvalid},
		{"garbage before a good cookie is passed over", []string{garbage + "; " + a}, nil},
		{"garbage after a good cookie is passed over", []string{a, garbage}, nil},
		{"garbage alone is invalid", []string{garbage}, ErrInvalid},
		{"an empty cookie is invalid", []string{testCookie + "="}, ErrInvalid},
		{"five twins are refused unread", []string{strings.Repeat(a+";", 5)}, ErrInvalid},
		{"a truncated cookie is invalid", []string{a[:len(a)-4]}, ErrInvalid},
		{"a session of another resource under this name is invalid", table.header(foreign), ErrInvalid},
	}
	for _, tt := range tests {
		got, err := table.authenticate(t, tt.header)
		if !errors.Is(err, tt.want) {
			t.Errorf("%s: error %v, want %v", tt.name, err, tt.want)
		}
		if err == nil && got.ID != alice.ID || err != nil && got != nil {
			t.Errorf("%s: session %v", tt.name, got)
		}
	}
	if _, err := table.Authenticate(t.Context(), []string{a}, "other.example.com", testCookie, testName); !errors.Is(err, ErrInvalid) {
		t.Errorf("a cookie moved to another host: error %v, want ErrInvalid", err)
	}
}

func TestAHitTouchesNoStore(t *testing.T) {
	t.Parallel()
	table, store, _ := newTable(t)
	r := open(t, table, ID{})
	table.Add(r)
	store.err = errors.New("the store is down")
	if got, err := table.authenticate(t, table.header(r)); err != nil || got.Identity != r.Identity {
		t.Errorf("session in memory, store down: %v, %v", got, err)
	}
	if store.readCount() != 0 {
		t.Errorf("%d reads, want none", store.reads)
	}
}

func TestAMissReadsOnceForAll(t *testing.T) {
	t.Parallel()
	table, store, _ := newTable(t)
	r := open(t, table, ID{})
	header := table.header(r)
	store.reading, store.resume = make(chan struct{}), make(chan struct{})
	const waiters = 20
	var wg sync.WaitGroup
	results := make(chan error, waiters)
	for range waiters {
		wg.Go(func() {
			_, err := table.authenticate(t, header)
			results <- err
		})
	}
	<-store.reading
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := table.Authenticate(ctx, header, testHost, testCookie, testName); !errors.Is(err, ErrStore) {
		t.Errorf("a waiting request whose client is gone: %v, want ErrStore", err)
	}
	store.resume <- struct{}{}
	wg.Wait()
	for range waiters {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
	if store.readCount() != 1 {
		t.Errorf("%d reads, want 1", store.reads)
	}
}

func TestAReadOutlivesTheClientThatBeganIt(t *testing.T) {
	t.Parallel()
	table, store, _ := newTable(t)
	r := open(t, table, ID{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := table.Authenticate(ctx, table.header(r), testHost, testCookie, testName); err != nil {
		t.Errorf("the first of several readers has gone: %v", err)
	}
	if _, err := table.authenticate(t, table.header(r)); err != nil || store.readCount() != 1 {
		t.Errorf("the next request: %v after %d reads", err, store.reads)
	}
}

func TestStoreDownOnAMissIsAnErrorNotNobody(t *testing.T) {
	t.Parallel()
	table, store, _ := newTable(t)
	r := open(t, table, ID{})
	store.err = errors.New("disk on fire")
	if _, err := table.authenticate(t, table.header(r)); !errors.Is(err, ErrStore) {
		t.Errorf("error %v, want ErrStore", err)
	}
	store.err = nil
	if _, err := table.authenticate(t, table.header(r)); err != nil {
		t.Errorf("store back: %v", err)
	}
}

func TestACookieOfAGoneSessionReadsTheStoreOnce(t *testing.T) {
	t.Parallel()
	table, store, _ := newTable(t)
	r := open(t, table, ID{})
	delete(store.records, r.ID)
	for range 5 {
		if _, err := table.authenticate(t, table.header(r)); !errors.Is(err, ErrEnded) {
			t.Errorf("error %v, want ErrEnded", err)
		}
	}
	if store.readCount() != 1 {
		t.Errorf("%d reads for a session that is gone, want 1", store.reads)
	}
}

func TestAnOldCookieReadsNothing(t *testing.T) {
	t.Parallel()
	table, store, clock := newTable(t)
	r := open(t, table, ID{})
	clock.advance(table.Lifetimes.Absolute + time.Minute)
	if _, err := table.authenticate(t, table.header(r)); !errors.Is(err, ErrEnded) || store.readCount() != 0 {
		t.Errorf("error %v after %d reads, want ErrEnded after none", err, store.reads)
	}
}

func TestExpiry(t *testing.T) {
	t.Parallel()
	t.Run("a session that nobody uses ends after the idle time", func(t *testing.T) {
		t.Parallel()
		table, _, clock := newTable(t)
		r := open(t, table, ID{})
		table.Add(r)
		clock.advance(table.Lifetimes.Idle - time.Second)
		if _, err := table.authenticate(t, table.header(r)); err != nil {
			t.Fatalf("just before: %v", err)
		}
		clock.advance(table.Lifetimes.Idle - time.Second)
		if _, err := table.authenticate(t, table.header(r)); err != nil {
			t.Fatalf("use had put the end off: %v", err)
		}
		clock.advance(table.Lifetimes.Idle)
		if _, err := table.authenticate(t, table.header(r)); !errors.Is(err, ErrEnded) {
			t.Errorf("idle: %v, want ErrEnded", err)
		}
	})
	t.Run("a session in use ends at its absolute end", func(t *testing.T) {
		t.Parallel()
		table, _, clock := newTable(t)
		r := open(t, table, ID{})
		table.Add(r)
		for clock.Now().Before(r.Expires.Add(-30 * time.Minute)) {
			clock.advance(30 * time.Minute)
			if _, err := table.authenticate(t, table.header(r)); err != nil && clock.Now().Before(r.Expires) {
				t.Fatalf("at %v: %v", clock.Now(), err)
			}
		}
		clock.advance(30 * time.Minute)
		if _, err := table.authenticate(t, table.header(r)); !errors.Is(err, ErrEnded) {
			t.Errorf("past the end: %v, want ErrEnded", err)
		}
	})
	t.Run("a session that another replica saw is not idle", func(t *testing.T) {
		t.Parallel()
		table, store, clock := newTable(t)
		r := open(t, table, ID{})
		table.Add(r)
		clock.advance(table.Lifetimes.Idle + time.Minute)
		if err := store.TouchSessions(t.Context(), []Seen{{r.ID, clock.Now().Add(-time.Minute)}}, clock.Now(), table.Lifetimes); err != nil {
			t.Fatal(err)
		}
		if _, err := table.authenticate(t, table.header(r)); err != nil {
			t.Error(err)
		}
	})
	t.Run("who uses an application is not idle at the auth host", func(t *testing.T) {
		t.Parallel()
		table, _, clock := newTable(t)
		parent := open(t, table, ID{})
		child := open(t, table, parent.ID)
		table.Add(parent)
		table.Add(child)
		for range 3 {
			clock.advance(table.Lifetimes.Idle - time.Minute)
			if _, err := table.authenticate(t, table.header(child)); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := table.authenticate(t, table.header(parent)); err != nil {
			t.Errorf("the parent: %v", err)
		}
	})
}

func TestEnd(t *testing.T) {
	t.Parallel()
	t.Run("an ended session is dead at once", func(t *testing.T) {
		t.Parallel()
		table, store, _ := newTable(t)
		r := open(t, table, ID{})
		table.Add(r)
		table.End(r.ID)
		if _, err := table.authenticate(t, table.header(r)); !errors.Is(err, ErrEnded) || store.readCount() != 0 {
			t.Errorf("error %v after %d reads, want ErrEnded after none", err, store.reads)
		}
	})
	t.Run("the end of a parent kills its children, in memory or not", func(t *testing.T) {
		t.Parallel()
		table, _, _ := newTable(t)
		parent, other := open(t, table, ID{}), open(t, table, ID{})
		inMemory, stored, stranger := open(t, table, parent.ID), open(t, table, parent.ID), open(t, table, other.ID)
		table.Add(inMemory)
		table.End(parent.ID)
		for name, r := range map[string]Record{"parent": parent, "child in memory": inMemory, "child in the store": stored} {
			if _, err := table.authenticate(t, table.header(r)); !errors.Is(err, ErrEnded) {
				t.Errorf("%s: error %v, want ErrEnded", name, err)
			}
		}
		if _, err := table.authenticate(t, table.header(stranger)); err != nil {
			t.Errorf("a child of somebody else: %v", err)
		}
	})
	t.Run("no id ends nothing", func(t *testing.T) {
		t.Parallel()
		table, _, _ := newTable(t)
		r := open(t, table, ID{}) // its parent is the zero id
		table.End(ID{})
		if _, err := table.authenticate(t, table.header(r)); err != nil {
			t.Error(err)
		}
	})
}

// A read that began before the end and comes back after it must not bring the session back to life: not for
// the request that waited for it, not for a later one, and not once the end is forgotten.
func TestARacingReadCannotResurrect(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(session, parent ID) ID{
		"the session itself ended": func(session, _ ID) ID { return session },
		"its parent ended":         func(_, parent ID) ID { return parent },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			table, store, clock := newTable(t)
			parent := open(t, table, ID{})
			r := open(t, table, parent.ID)
			store.reading, store.resume = make(chan struct{}), make(chan struct{})
			result := make(chan error)
			go func() {
				_, err := table.authenticate(t, table.header(r))
				result <- err
			}()
			<-store.reading // it holds the record
			ended := end(r.ID, parent.ID)
			if _, err := store.EndSessions(t.Context(), Filter{ID: ended}); err != nil {
				t.Fatal(err)
			}
			table.End(ended)
			if err := table.flush(t.Context()); err != nil { // it must not forget the end while the read is out
				t.Fatal(err)
			}
			store.resume <- struct{}{}
			if err := <-result; !errors.Is(err, ErrEnded) {
				t.Errorf("the waiting request: %v, want ErrEnded", err)
			}
			store.mu.Lock()
			store.reading = nil
			store.mu.Unlock()
			for range 5 {
				if _, err := table.authenticate(t, table.header(r)); !errors.Is(err, ErrEnded) {
					t.Errorf("later, at %v: %v, want ErrEnded", clock.Now(), err)
				}
				clock.advance(2 * revocationMemory)
				if err := table.flush(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			if table.lookup(r.ID) != nil {
				t.Error("the dead session is still in memory")
			}
			if table.revoked.shards[shardOf(ended)].Load() != nil {
				t.Error("the end is remembered for ever")
			}
		})
	}
}

func TestManyGoroutinesOnOneTable(t *testing.T) {
	t.Parallel()
	table, _, _ := newTable(t)
	table.Capacity = shardCount // one a shard: constant eviction
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for range 40 {
				r := open(t, table, ID{})
				table.Add(r)
				if got, err := table.authenticate(t, table.header(r)); err != nil || got.ID != r.ID {
					t.Errorf("got %v, %v; want %v", got.ID, err, r.ID)
				}
				table.End(r.ID)
				if _, err := table.authenticate(t, table.header(r)); !errors.Is(err, ErrEnded) {
					t.Errorf("after its end: %v", err)
				}
			}
		})
	}
	wg.Go(func() {
		for range 20 {
			if err := table.flush(t.Context()); err != nil {
				t.Error(err)
			}
		}
	})
	wg.Wait()
}

func BenchmarkAuthenticateHit(b *testing.B) {
	table, _, _ := newTable(b)
	table.Now = time.Now
	parent := open(b, table, ID{})
	r := open(b, table, parent.ID)
	table.Add(r)
	table.End(NewID(), NewID())
	header := []string{"theme=dark; _ga=GA1.2.1234567890.1234567890; " + table.header(r)[0] + "; GCP_IAP_UID=1"}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := table.Authenticate(b.Context(), header, testHost, testCookie, testName); err != nil {
				b.Error(err)
				return
			}
		}
	})
}
