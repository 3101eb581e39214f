package session

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/principal"
	"github.com/gatehouse-iap/gatehouse/internal/resource"
	"github.com/gatehouse-iap/gatehouse/internal/sealing"
)

// memoryStore is a Store whose reads and failures a test controls.
type memoryStore struct {
	mu      sync.Mutex
	records map[ID]Record
	reads   int
	touched []Seen
	kept    Lifetimes     // by which TouchSessions was told to clear up
	err     error         // every call returns it when set
	reading chan struct{} // when set, a read says that it has its record,
	resume  chan struct{} // and waits here before it returns
}

func (m *memoryStore) OpenSession(_ context.Context, r Record) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.records == nil {
		m.records = make(map[ID]Record)
	}
	m.records[r.ID] = r
	return m.err
}

func (m *memoryStore) Session(_ context.Context, id ID) (Record, error) {
	m.mu.Lock()
	m.reads++
	record, found := m.records[id]
	err, reading, resume := m.err, m.reading, m.resume
	m.mu.Unlock()
	if reading != nil {
		reading <- struct{}{}
		<-resume
	}
	switch {
	case err != nil:
		return Record{}, err
	case !found:
		return Record{}, ErrNotFound
	}
	return record, nil
}

func (m *memoryStore) Sessions(context.Context, Filter) ([]Record, error) { return nil, m.err }

func (m *memoryStore) EndSessions(_ context.Context, f Filter) ([]ID, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var ended []ID
	for id, r := range m.records {
		if id == f.ID || r.Parent == f.ID {
			ended = append(ended, id)
			delete(m.records, id)
		}
	}
	return ended, m.err
}

func (m *memoryStore) TouchSessions(_ context.Context, seen []Seen, _ time.Time, kept Lifetimes) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.kept = kept
	if m.err != nil {
		return m.err
	}
	m.touched = append(m.touched, seen...)
	for _, s := range seen {
		if r, found := m.records[s.ID]; found {
			r.LastSeen = s.Time
			m.records[s.ID] = r
		}
	}
	return nil
}

func (m *memoryStore) readCount() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.reads
}

const (
	testHost = "app.example.com"
	testName = resource.Name("projects/1/iap_web/compute/services/7")
)

var testCookie = HostCookie(testName).Name

// clock is a time that a test moves.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func newSealer(t testing.TB) *sealing.Sealer {
	t.Helper()
	ring, err := sealing.NewRing([]byte("0123456789abcdef0123456789abcdef"))
	if err != nil {
		t.Fatal(err)
	}
	return ring.Sealer("session cookie")
}

func newTable(t testing.TB) (*Table, *memoryStore, *clock) {
	t.Helper()
	store, c := &memoryStore{}, &clock{now: time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)}
	return &Table{
		Store: store, Codec: Codec{newSealer(t)}, Now: c.Now, Lifetimes: DefaultLifetimes(),
		Log: slog.New(slog.DiscardHandler),
	}, store, c
}

// open stores a session of the test application; it is not in the table's memory yet.
func open(t testing.TB, table *Table, parent ID) Record {
	t.Helper()
	now := table.Now()
	r := Record{
		ID: NewID(), Parent: parent, Resource: testName,
		Identity: principal.Identity{Kind: principal.User, Provider: "local", Subject: "1", Email: "alice@example.com"},
		AuthTime: now, Created: now, Expires: now.Add(table.Lifetimes.Absolute), LastSeen: now,
	}
	if err := table.Store.OpenSession(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	return r
}

func (t *Table) sealed(r Record) string { return t.Codec.Seal(r.ID, r.Created, testCookie, testHost) }

// header returns a Cookie header with the session's cookie.
func (t *Table) header(r Record) []string { return []string{testCookie + "=" + t.sealed(r)} }

func (t *Table) authenticate(tb testing.TB, header []string) (*Record, error) {
	tb.Helper()
	return t.Authenticate(tb.Context(), header, testHost, testCookie, testName)
}
