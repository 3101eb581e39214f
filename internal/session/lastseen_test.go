package session

import (
	"context"
	"errors"
	"testing"
	"time"
)

func TestLastSeenIsWrittenInBatches(t *testing.T) {
	t.Parallel()
	table, store, clock := newTable(t)
	table.cleaned = clock.Now()
	r, unused := open(t, table, ID{}), open(t, table, ID{})
	table.Add(r)
	table.Add(unused)
	clock.advance(time.Minute)
	for range 3 {
		if _, err := table.authenticate(t, table.header(r)); err != nil {
			t.Fatal(err)
		}
	}
	if len(store.touched) != 0 {
		t.Fatalf("a request wrote: %v", store.touched)
	}

	store.err = errors.New("locked")
	if err := table.flush(t.Context()); err == nil {
		t.Fatal("flush hides that the store failed")
	}
	store.err = nil
	if err := table.flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(store.touched) != 1 || store.touched[0].ID != r.ID || !store.touched[0].Time.Equal(clock.Now()) {
		t.Fatalf("wrote %v, want the one use of %v", store.touched, r.ID)
	}
	if store.kept.Idle < table.Lifetimes.Idle+2*flushInterval {
		t.Errorf("the store clears up after %v: sessions whose last use is not written yet would be lost", store.kept.Idle)
	}
	if err := table.flush(t.Context()); err != nil || len(store.touched) != 1 {
		t.Errorf("wrote again what the store knows: %v, %v", store.touched, err)
	}
}

func TestAnEvictedSessionKeepsItsLastUse(t *testing.T) {
	t.Parallel()
	table, store, clock := newTable(t)
	table.Capacity = shardCount // one a shard
	r := open(t, table, ID{})
	table.Add(r)
	clock.advance(40 * time.Minute)
	if _, err := table.authenticate(t, table.header(r)); err != nil {
		t.Fatal(err)
	}
	used := clock.Now()
	rival := r
	rival.ID = NewID()
	rival.ID[0] = r.ID[0] // the same shard
	table.Add(rival)
	if table.lookup(r.ID) != nil {
		t.Fatal("the shard holds two sessions")
	}
	clock.advance(40 * time.Minute)
	if _, err := table.authenticate(t, table.header(r)); err != nil {
		t.Fatalf("used 40 minutes ago, evicted since: %v", err)
	}
	table.Add(rival)
	if err := table.flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	stored, err := store.Session(t.Context(), r.ID)
	if err != nil || stored.LastSeen.Before(used) {
		t.Errorf("stored last use %v, %v; want at least %v", stored.LastSeen, err, used)
	}
	if n := len(table.shard(r.ID).unsaved); n != 0 {
		t.Errorf("%d uses are kept after they were written", n)
	}
}

func TestCapacityBoundsMemory(t *testing.T) {
	t.Parallel()
	table, _, _ := newTable(t)
	table.Capacity = 4 * shardCount
	for range 40 * shardCount {
		table.Add(Record{ID: NewID(), Expires: table.Now().Add(time.Hour), LastSeen: table.Now()})
	}
	total := 0
	for i := range table.shards {
		total += len(table.shards[i].entries)
		if len(table.shards[i].entries) != len(table.shards[i].ring) {
			t.Fatalf("shard %d: %d entries, %d in the ring", i, len(table.shards[i].entries), len(table.shards[i].ring))
		}
	}
	if total > table.Capacity {
		t.Errorf("%d sessions in memory, want at most %d", total, table.Capacity)
	}
}

func TestSweepForgetsDeadSessions(t *testing.T) {
	t.Parallel()
	table, _, clock := newTable(t)
	for range 200 {
		table.Add(open(t, table, ID{}))
	}
	clock.advance(table.Lifetimes.Idle)
	alive := open(t, table, ID{})
	table.Add(alive)
	if err := table.flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	for i := range table.shards {
		for id := range table.shards[i].entries {
			if id != alive.ID {
				t.Fatalf("%v has ended and is still in memory", id)
			}
		}
	}
	if table.lookup(alive.ID) == nil {
		t.Error("a live session was swept away")
	}
}

func TestRunWritesOnceMoreAtTheEnd(t *testing.T) {
	t.Parallel()
	table, store, clock := newTable(t)
	r := open(t, table, ID{})
	table.Add(r)
	clock.advance(time.Minute)
	if _, err := table.authenticate(t, table.header(r)); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := table.Run(ctx); err != nil || len(store.touched) != 1 {
		t.Errorf("Run = %v; wrote %v, want the one use", err, store.touched)
	}
}
