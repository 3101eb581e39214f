package server

import (
	"context"
	"sync"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/admin"
	"github.com/gatehouse-iap/gatehouse/internal/audit"
	"github.com/gatehouse-iap/gatehouse/internal/audit/sink"
	"github.com/gatehouse-iap/gatehouse/internal/metrics"
)

// Records say what becomes of decisions and administrative entries.
type Records struct {
	audit.Retention
	// Refuse lets nothing pass that cannot be recorded.
	Refuse bool
	// EntriesMaxAge is for how long administrative entries are kept; 0 is for ever.
	EntriesMaxAge time.Duration
	// Sinks get all of them as lines besides. The server closes those that it was given and no longer is.
	Sinks []*sink.Sink
}

// records is what the server does about them while it runs.
type records struct {
	mu      sync.Mutex
	options Records
	feeds   map[*sink.Sink]*feed
	changed chan struct{} // closed, and replaced, at each change of the store
	due     chan struct{} // told when entries may have to go
}

// feed leads administrative entries to one sink.
type feed struct {
	stop context.CancelFunc
	done chan struct{}
}

const (
	// expireEvery is how often is looked for entries that are too old.
	expireEvery = time.Hour
	// lastFeed bounds what is waited for at the end.
	lastFeed = 2 * time.Second
	// feedBatch is how many entries are read at once.
	feedBatch = 200
)

// openRecords opens the decision log. Entries from here on, those of the bootstrap among them, go to the sinks.
func (s *Server) openRecords(ctx context.Context, dir string) error {
	o := s.options
	r := &s.records
	r.options, r.feeds, r.changed, r.due = o.Records, map[*sink.Sink]*feed{}, make(chan struct{}), make(chan struct{}, 1)
	var err error
	s.decisions, err = audit.OpenLog(dir, audit.LogOptions{Retention: o.Records.Retention, Refuse: o.Records.Refuse, Now: o.Now, Log: o.Log})
	if err != nil {
		return err
	}
	s.store.Notify(r.wake)
	s.startFeeds(ctx, o.Records.Sinks)
	return nil
}

func (r *records) wake() {
	r.mu.Lock()
	defer r.mu.Unlock()
	close(r.changed)
	r.changed = make(chan struct{})
}

// next is closed when the store changes.
func (r *records) next() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.changed
}

// SetRecords takes up what is to become of records from now on.
func (s *Server) SetRecords(r Records) {
	s.decisions.Configure(r.Retention, r.Refuse)
	s.records.mu.Lock()
	s.records.options = r
	s.records.mu.Unlock()
	s.startFeeds(context.Background(), r.Sinks)
	select {
	case s.records.due <- struct{}{}:
	default:
	}
}

// startFeeds gives the sinks what comes from now on, and ends those that are no longer among them.
func (s *Server) startFeeds(ctx context.Context, sinks []*sink.Sink) {
	after := int64(0)
	if newest, err := s.store.Entries(ctx, 1); err == nil && len(newest) == 1 {
		after = newest[0].Seq
	}
	copies, feeds := make([]audit.Copy, len(sinks)), map[*sink.Sink]*feed{}
	s.records.mu.Lock()
	gone := s.records.feeds
	for i, to := range sinks {
		copies[i] = to
		if f := gone[to]; f != nil {
			feeds[to] = f
			delete(gone, to)
			continue
		}
		f := &feed{done: make(chan struct{})}
		var running context.Context
		running, f.stop = context.WithCancel(context.WithoutCancel(ctx))
		feeds[to] = f
		go func() {
			defer close(f.done)
			s.feed(running, to, after)
		}()
	}
	s.records.feeds = feeds
	s.records.mu.Unlock()
	s.decisions.SetCopies(copies...)
	for to, f := range gone {
		s.endFeed(to, f)
	}
}

func (s *Server) endFeed(to *sink.Sink, f *feed) {
	f.stop()
	<-f.done
	if err := to.Close(); err != nil {
		s.options.Log.Error("a place of lines of the records could not be closed", "to", to.State().To, "error", err)
	}
}

// feed gives a sink each administrative entry until ctx ends, and then those that are there already.
func (s *Server) feed(ctx context.Context, to *sink.Sink, after int64) {
	for ctx.Err() == nil {
		changed := s.records.next()
		after = s.feedOn(ctx, to, after)
		select {
		case <-changed:
		case <-ctx.Done():
		}
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastFeed)
	defer cancel()
	s.feedOn(last, to, after)
}

// feedOn gives a sink the entries after a position, and returns the position of the last.
func (s *Server) feedOn(ctx context.Context, to *sink.Sink, after int64) int64 {
	for {
		entries, err := s.store.FindEntries(ctx, audit.EntryQuery{After: after, OldestFirst: true, Limit: feedBatch})
		if err != nil {
			if ctx.Err() == nil {
				s.options.Log.Error("administrative entries could not be read for the lines of the records; they follow with the next change", "error", err)
			}
			return after
		}
		for _, entry := range entries {
			if err := to.TakeEntry(ctx, entry); err != nil {
				return after
			}
			after = entry.Seq
		}
		if len(entries) < feedBatch {
			return after
		}
	}
}

// expireEntries deletes administrative entries that are too old, until ctx ends.
func (s *Server) expireEntries(ctx context.Context) {
	ticker := time.NewTicker(expireEvery)
	defer ticker.Stop()
	for {
		s.records.mu.Lock()
		age := s.records.options.EntriesMaxAge
		s.records.mu.Unlock()
		if age > 0 {
			if _, err := s.admin.ExpireEntries(ctx, admin.System("retention"), s.options.Now().Add(-age)); err != nil && ctx.Err() == nil {
				s.options.Log.Error("administrative entries that are too old could not be deleted", "error", err)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		case <-s.records.due:
		}
	}
}

// closeRecords writes what waits, to the log first.
func (s *Server) closeRecords() error {
	err := s.decisions.Close()
	s.records.mu.Lock()
	feeds := s.records.feeds
	s.records.feeds = nil
	s.records.mu.Unlock()
	var all sync.WaitGroup
	for to, f := range feeds {
		all.Go(func() { s.endFeed(to, f) })
	}
	all.Wait()
	return err
}

// unrecorded reports that the gate is closed because nothing can be recorded.
func (s *Server) unrecorded() bool {
	if s.decisions.Failing() == nil {
		return false
	}
	s.records.mu.Lock()
	defer s.records.mu.Unlock()
	return s.records.options.Refuse
}

// recordsState is what /readyz tells about the records.
func (s *Server) recordsState() map[string]any {
	counts := s.decisions.Counts()
	decisions := map[string]any{"state": "kept", "lost": counts.DroppedPasses + counts.DroppedRefusals}
	if failure := s.decisions.Failing(); failure != nil {
		decisions["state"], decisions["since"], decisions["cause"] = "failing", failure.Since.UTC().Format(time.RFC3339), failure.Cause
	}
	lines := []sink.State{}
	for _, to := range s.sinks() {
		lines = append(lines, to.State())
	}
	return map[string]any{"decisions": decisions, "lines": lines}
}

func (s *Server) sinks() []*sink.Sink {
	s.records.mu.Lock()
	defer s.records.mu.Unlock()
	return s.records.options.Sinks
}

// linesOf is what /metrics tells about the lines.
func (s *Server) linesOf() []metrics.Lines {
	var all []metrics.Lines
	for _, to := range s.sinks() {
		state := to.State()
		all = append(all, metrics.Lines{To: state.To, Written: state.Written, Dropped: state.Dropped})
	}
	return all
}
