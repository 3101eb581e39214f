package session

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/resource"
)

// Why a request has no session.
var (
	// ErrNone reports that the request has no session cookie of that name.
	ErrNone = errors.New("no session cookie")
	// ErrInvalid reports a cookie that this server did not issue for this host and resource, or several that
	// name different sessions.
	ErrInvalid = errors.New("session cookie is not valid here")
	// ErrEnded reports a session that is over: signed out, revoked, idle for too long or past its time.
	ErrEnded = errors.New("session has ended")
	// ErrStore reports that the session's record could not be read.
	ErrStore = errors.New("session could not be looked up")
)

// DefaultCapacity is how many sessions a Table keeps in memory when its Capacity is zero: some 60 MB when full.
const DefaultCapacity = 100_000

const (
	// seenResolution is how exactly last use is known. Within it, a busy session costs no write to memory
	// that other cores read.
	seenResolution = time.Second
	// storeTimeout bounds the read of one record, for which several requests may be waiting.
	storeTimeout = 5 * time.Second
	// storeRest is how long exchanges that go on do not ask a store that has failed: there may be ten thousand, and
	// each would wait for storeTimeout while others should end. That they are not answered ends none of them.
	storeRest = 10 * time.Second
)

// Table keeps the live sessions in memory. A request whose session is there touches no store; one whose cookie
// is genuine but whose session is not there causes one read, shared by all requests that wait for it.
// Fill in the fields before first use; do not copy.
type Table struct {
	Store     Store
	Codec     Codec
	Now       func() time.Time
	Lifetimes Lifetimes
	Capacity  int // sessions in memory; DefaultCapacity when zero
	Log       *slog.Logger
	// Changed is told when sessions have ended or are to be read anew, for what goes on under them; nil tells nobody.
	// It must not wait.
	Changed func()

	shards  [shardCount]shard
	revoked revocations
	cleaned time.Time    // when Run last let the store remove what had ended
	failed  atomic.Int64 // when the store last failed, in microseconds; zero since it answered
}

// load is a read of the store in flight.
type load struct {
	done  chan struct{}
	entry *entry
	err   error
}

// Authenticate returns the session that a request's Cookie header lines name in a scope (Cookie.Scope; the auth host
// itself there), for a resource (empty at the auth host) whose cookie is called cookie. The error is ErrNone, ErrInvalid, ErrEnded or wraps ErrStore.
//
// Several cookies of that name are one if they name one session. A value that opens nothing is ignored beside
// one that does: it speaks for nobody, and refusing would let whoever can plant a cookie keep a person out.
// Two that open to different sessions count as none, since one of them may be somebody else's.
//
// The record is shared: nobody may write into it. Its LastSeen is that of the store.
func (t *Table) Authenticate(ctx context.Context, cookieHeader []string, host, cookie string, name resource.Name) (*Record, error) {
	id, issued, err := t.named(cookieHeader, host, cookie)
	if err != nil {
		return nil, err
	}
	now := t.Now()
	// No session outlives its cookie by more than its lifetime, so old cookies are not looked up.
	if now.Sub(issued) >= t.Lifetimes.Absolute+time.Second {
		return nil, ErrEnded
	}
	e, err := t.live(ctx, id, name, now, false)
	if err != nil {
		return nil, err
	}
	t.touch(e, now)
	return &e.record, nil
}

// Resume returns the session of an exchange that Authenticate let in and that goes on, with the same errors. used says
// that it is a use of the session; an exchange that merely stays open leaves the session to become idle.
func (t *Table) Resume(ctx context.Context, id ID, name resource.Name, used bool) (*Record, error) {
	now := t.Now()
	e, err := t.live(ctx, id, name, now, true)
	if err != nil {
		return nil, err
	}
	if used {
		t.touch(e, now)
	} else if !e.used.Load() {
		e.used.Store(true) // it is asked for again and again, and stays in memory
	}
	return &e.record, nil
}

// live returns a session that has not ended. patient says that the answer may as well come later.
func (t *Table) live(ctx context.Context, id ID, name resource.Name, now time.Time, patient bool) (*entry, error) {
	if t.revoked.has(id) {
		return nil, ErrEnded
	}
	e := t.lookup(id)
	if e == nil || t.idle(e, now) { // another replica may have seen what here looks idle
		if failed := t.failed.Load(); patient && failed != 0 && now.UnixMicro()-failed < storeRest.Microseconds() {
			return nil, fmt.Errorf("%w: it failed a moment ago", ErrStore)
		}
		var err error
		if e, err = t.load(ctx, id); err != nil {
			return nil, err
		}
	}
	switch {
	case t.revoked.has(id) || t.revoked.has(e.record.Parent): // only now: a read may have raced with the end
		return nil, ErrEnded
	case e.record.ID != id || e.record.Resource != name:
		return nil, ErrInvalid
	case !now.Before(e.record.Expires) || t.idle(e, now) || e.record.Unconfirmed(now):
		return nil, ErrEnded
	}
	return e, nil
}

// named opens the cookies of one name and returns the session that they agree on.
func (t *Table) named(lines []string, host, cookie string) (id ID, issued time.Time, err error) {
	var values [maxTwins]string
	count := cookieValues(lines, cookie, &values)
	switch {
	case count == 0:
		return ID{}, time.Time{}, ErrNone
	case count > maxTwins:
		return ID{}, time.Time{}, ErrInvalid
	}
	opened := false
	for _, value := range values[:count] {
		thisID, thisIssued, err := t.Codec.Open(value, cookie, host)
		switch {
		case err != nil:
		case opened && thisID != id:
			return ID{}, time.Time{}, ErrInvalid
		case !opened || thisIssued.After(issued):
			id, issued, opened = thisID, thisIssued, true
		}
	}
	if !opened {
		return ID{}, time.Time{}, ErrInvalid
	}
	return id, issued, nil
}

func (t *Table) shard(id ID) *shard { return &t.shards[shardOf(id)] }

func (t *Table) lookup(id ID) *entry {
	s := t.shard(id)
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.entries[id]
}

func (t *Table) idle(e *entry, now time.Time) bool {
	return now.UnixMicro()-e.seen.Load() >= t.Lifetimes.Idle.Microseconds()
}

// touch notes the use of a session, and of its parent: who uses an application is not idle at the auth host.
func (t *Table) touch(e *entry, now time.Time) {
	if !e.used.Load() {
		e.used.Store(true)
	}
	at := now.UnixMicro()
	if at-e.seen.Load() < seenResolution.Microseconds() {
		return
	}
	e.seen.Store(at)
	if e.record.Parent.IsZero() {
		return
	}
	if parent := t.lookup(e.record.Parent); parent != nil && parent.seen.Load() < at {
		parent.seen.Store(at)
	}
}

// load reads a session from the store, once for all requests that ask for it at the same time. The request
// that came first does the reading; that its client goes away does not fail the others.
func (t *Table) load(ctx context.Context, id ID) (*entry, error) {
	s := t.shard(id)
	s.mu.Lock()
	if l := s.loading[id]; l != nil {
		s.mu.Unlock()
		select {
		case <-l.done:
			return l.entry, l.err
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: %w", ErrStore, context.Cause(ctx))
		}
	}
	l := &load{done: make(chan struct{}), err: ErrStore} // what waiters see should the read panic
	if s.loading == nil {
		s.loading = make(map[ID]*load)
	}
	s.loading[id] = l
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		delete(s.loading, id)
		s.mu.Unlock()
		close(l.done)
	}()
	l.entry, l.err = t.read(ctx, id)
	return l.entry, l.err
}

// read fetches one record and keeps it.
func (t *Table) read(ctx context.Context, id ID) (*entry, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTimeout)
	defer cancel()
	record, err := t.Store.Session(ctx, id)
	if ctx.Err() != nil { // too old to be kept, even if it came: see revocationMemory
		record, err = Record{}, ctx.Err()
	}
	if err != nil && !errors.Is(err, ErrNotFound) {
		t.failed.Store(t.Now().UnixMicro())
	} else if t.failed.Load() != 0 {
		t.failed.Store(0)
	}
	switch {
	case errors.Is(err, ErrNotFound):
		// Ids are stored before they are given out, and never again: this one stays gone. Remembering that
		// keeps an old cookie from reading the store with each request.
		t.revoked.add(t.Now(), id)
		return nil, ErrEnded
	case err != nil:
		t.Log.WarnContext(ctx, "session could not be read", "session", id.String(), "error", err)
		return nil, fmt.Errorf("%w: %w", ErrStore, err)
	}
	return t.keep(record), nil
}

// Add puts a session that has just been stored into memory.
func (t *Table) Add(record Record) { t.keep(record) }

// End makes sessions and the children of them dead at once. They must have been removed from the store before:
// a read that began earlier may still bring a record into memory, but it opens nothing any more.
func (t *Table) End(ids ...ID) {
	t.revoked.add(t.Now(), ids...)
	for _, id := range ids {
		s := t.shard(id)
		s.mu.Lock()
		if e := s.entries[id]; e != nil {
			s.remove(e)
		}
		delete(s.unsaved, id)
		s.mu.Unlock()
	}
	t.changed()
}

func (t *Table) changed() {
	if t.Changed != nil {
		t.Changed()
	}
}

// Forget takes sessions out of memory whose stored records have changed: their next use reads them anew.
func (t *Table) Forget(ids ...ID) {
	for _, id := range ids {
		s := t.shard(id)
		s.mu.Lock()
		if e := s.entries[id]; e != nil {
			if seen := e.seen.Load(); seen > e.written.Load() {
				s.unsaved[id] = seen
			}
			s.remove(e)
		}
		s.mu.Unlock()
	}
	t.changed()
}

// keep returns the entry of a session, with the newest known time of use.
func (t *Table) keep(record Record) *entry {
	s := t.shard(record.ID)
	s.mu.Lock()
	defer s.mu.Unlock()
	stored := record.LastSeen.UnixMicro()
	e := s.entries[record.ID]
	if e == nil {
		e = &entry{record: record}
		e.seen.Store(max(stored, s.unsaved[record.ID]))
		delete(s.unsaved, record.ID)
		s.insert(e, t.shardCapacity())
	} else if e.seen.Load() < stored {
		e.seen.Store(stored)
	}
	e.written.Store(stored)
	return e
}

func (t *Table) shardCapacity() int {
	capacity := t.Capacity
	if capacity <= 0 {
		capacity = DefaultCapacity
	}
	return max(1, capacity/shardCount)
}
