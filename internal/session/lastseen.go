package session

import (
	"context"
	"fmt"
	"time"
)

const (
	// flushInterval is how often last-seen times are written: what a crash may lose of them.
	flushInterval = 30 * time.Second
	// flushBatch bounds one write, so that sign-ins need not wait long for the writer.
	flushBatch = 1000
	// cleanInterval is how often the store removes ended sessions when there is nothing to write.
	cleanInterval = 10 * time.Minute
	// cleanMargin is how much longer than the idle lifetime the store keeps a session. Whether one is idle is
	// judged here; the store only clears up, and must not do so before the last use of a session that stands in
	// a later batch, or in another replica's memory, has been written.
	cleanMargin = 10 * time.Minute
)

// Run writes last-seen times in batches until ctx ends, and once more then. A failed write is logged and
// tried again the next time: until then the times are in memory.
func (t *Table) Run(ctx context.Context) error {
	ticker := time.NewTicker(flushInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			t.flushLogged(ctx)
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTimeout)
			defer cancel()
			t.flushLogged(last)
			return nil
		}
	}
}

func (t *Table) flushLogged(ctx context.Context) {
	if err := t.flush(ctx); err != nil {
		t.Log.ErrorContext(ctx, "last use of sessions could not be written; it will be tried again", "error", err)
	}
}

// use is one last-seen time to be written. entry is nil when the session has been evicted since.
type use struct {
	seen  Seen
	entry *entry
}

// flush removes dead sessions from memory and writes the uses that the store does not know.
func (t *Table) flush(ctx context.Context) error {
	now := t.Now()
	var uses []use
	for i := range t.shards {
		uses = t.sweep(&t.shards[i], now, uses)
	}
	t.revoked.prune(now)
	if len(uses) == 0 && now.Sub(t.cleaned) < cleanInterval {
		return nil
	}
	for first := true; first || len(uses) > 0; first = false {
		batch := uses[:min(flushBatch, len(uses))]
		uses = uses[len(batch):]
		if err := t.write(ctx, batch, now); err != nil {
			return err
		}
	}
	t.cleaned = now
	return nil
}

// sweep takes dead entries out of a shard and appends what is to be written of the others.
func (t *Table) sweep(s *shard, now time.Time, uses []use) []use {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := len(s.ring) - 1; i >= 0; i-- { // backwards: remove moves the last entry into the gap
		e := s.ring[i]
		dead := t.revoked.has(e.record.ID) || t.revoked.has(e.record.Parent)
		if dead || !now.Before(e.record.Expires) || t.idle(e, now) {
			s.remove(e)
		} else if seen := e.seen.Load(); seen > e.written.Load() {
			uses = append(uses, use{Seen{ID: e.record.ID, Time: time.UnixMicro(seen)}, e})
		}
	}
	for id, seen := range s.unsaved {
		uses = append(uses, use{Seen{ID: id, Time: time.UnixMicro(seen)}, nil})
	}
	return uses
}

// write stores one batch and notes what the store knows now.
func (t *Table) write(ctx context.Context, batch []use, now time.Time) error {
	seen := make([]Seen, len(batch))
	for i, u := range batch {
		seen[i] = u.seen
	}
	kept := Lifetimes{Absolute: t.Lifetimes.Absolute, Idle: t.Lifetimes.Idle + cleanMargin}
	if err := t.Store.TouchSessions(ctx, seen, now, kept); err != nil {
		return fmt.Errorf("write last-seen times: %w", err)
	}
	for _, u := range batch {
		if u.entry != nil {
			u.entry.written.Store(u.seen.Time.UnixMicro())
			continue
		}
		s := t.shard(u.seen.ID)
		s.mu.Lock()
		if s.unsaved[u.seen.ID] == u.seen.Time.UnixMicro() {
			delete(s.unsaved, u.seen.ID)
		}
		s.mu.Unlock()
	}
	return nil
}
