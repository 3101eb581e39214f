package admin

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"sync"

	"github.com/gatehouse-iap/gatehouse/internal/audit"
)

// TailRecords says the last records that a query selects, oldest first, and then those that come, until ctx ends.
func (a *Admin) TailRecords(ctx context.Context, q RecordQuery, say func(RecordLine) error) error {
	q.OldestFirst = false
	r, err := a.prepare(ctx, q, say)
	if err != nil {
		return err
	}
	newest, err := a.Entries.Entries(ctx, 1)
	if err != nil {
		return err
	}
	after := int64(0)
	if len(newest) > 0 {
		after = newest[0].Seq
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	t := &tail{records: r, shown: map[string]bool{}}
	var all sync.WaitGroup
	if r.changes && !r.decisions {
		err = t.past(ctx, after)
	}
	if r.decisions && err == nil {
		all.Go(func() {
			began := func() error { return t.past(ctx, after) }
			cancel(a.Decisions.Follow(ctx, began, t.line))
		})
	}
	if r.changes && err == nil {
		all.Go(func() { cancel(t.follow(ctx, after)) })
	}
	if err == nil {
		<-ctx.Done()
		err = context.Cause(ctx)
	}
	cancel(err)
	all.Wait()
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// tail is records on their way to somebody who watches. The two records come on goroutines of their own.
type tail struct {
	*records
	mu    sync.Mutex
	shown map[string]bool // ids of decisions of the past, which may come once more
	begun bool            // the past has been said
	early []audit.Entry   // came before that
}

// past says the last records, up to a position of the administrative record.
func (t *tail) past(ctx context.Context, after int64) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.begun = true
	if t.asked.Limit > 0 {
		var last []RecordLine
		search := *t.records
		search.entries.Before = after + 1
		search.say = func(line RecordLine) error {
			if line.Decision != nil || line.Change != nil {
				last = append(last, line)
			}
			return nil
		}
		if err := search.search(ctx); err != nil && !errors.Is(err, errEnough) {
			return err
		}
		for _, line := range slices.Backward(last) {
			if line.Decision != nil {
				t.shown[idOf(line.Decision)] = true
			}
			if err := t.say(line); err != nil {
				return err
			}
		}
	}
	for _, entry := range t.early {
		if err := t.say(RecordLine{Change: &entry}); err != nil {
			return err
		}
	}
	t.early = nil
	return nil
}

// idOf returns the id of a line.
func idOf(line []byte) string {
	var decision struct {
		ID string `json:"id"`
	}
	_ = json.Unmarshal(line, &decision) // a line of the log's own
	return decision.ID
}

// line says one line of the decision log, where it is asked for.
func (t *tail) line(line []byte, missed uint64) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if missed > 0 {
		if err := t.say(RecordLine{Missed: missed}); err != nil {
			return err
		}
	}
	d, err := audit.ParseLine(line)
	if err != nil || !t.query.Matches(&d) {
		return nil // what cannot be read is told by a search, with the place
	}
	if id := d.ID.String(); t.shown[id] {
		delete(t.shown, id)
		return nil
	}
	return t.say(RecordLine{Decision: line})
}

// follow says the administrative entries after a position, until ctx ends.
func (t *tail) follow(ctx context.Context, after int64) error {
	query := t.entries
	query.After, query.Before, query.OldestFirst = after, 0, true
	for {
		changed := t.Changed()
		entries, err := t.Entries.FindEntries(ctx, query)
		if err != nil {
			return err
		}
		for _, entry := range entries {
			query.After = entry.Seq
			if err := t.entry(entry); err != nil {
				return err
			}
		}
		if len(entries) == query.Limit {
			continue
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (t *tail) entry(entry audit.Entry) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case !t.about(entry):
		return nil
	case !t.begun && t.decisions:
		t.early = append(t.early, entry)
		return nil
	}
	return t.say(RecordLine{Change: &entry})
}
