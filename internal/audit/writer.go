package audit

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"
)

const (
	syncInterval   = time.Second
	expireInterval = time.Hour
	alertInterval  = time.Minute
	// chunkBytes is how much is gathered for one write.
	chunkBytes = 64 << 10
	// refusalPatience is for how long a refusal waits for room: longer, and a disk that hangs would hang requests.
	refusalPatience = time.Second
)

// OpenLog opens the decision log in a directory, which it makes if need be, and starts the writer. Only one
// process may have it open; the lock of the data directory sees to that.
func OpenLog(dir string, o LogOptions) (*Log, error) {
	l, err := newLog(dir, o)
	if err != nil {
		return nil, err
	}
	ticker := time.NewTicker(syncInterval)
	go func() {
		defer ticker.Stop()
		l.run(ticker.C)
	}()
	return l, nil
}

func newLog(dir string, o LogOptions) (*Log, error) {
	o = o.withDefaults()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the directory of the decision log: %w", err)
	}
	l := &Log{
		options: o, patience: refusalPatience,
		wake: make(chan struct{}, 1), tasks: make(chan func()), stop: make(chan struct{}), done: make(chan struct{}),
	}
	l.refuse.Store(o.Refuse)
	for i := range l.segments {
		s, err := openSegments(dir, class(i), o)
		if err != nil {
			return nil, fmt.Errorf("opening the decision log: %w", err)
		}
		l.segments[i] = s
	}
	l.expire()
	return l, nil
}

// run is the writer: the one goroutine that touches files.
func (l *Log) run(ticks <-chan time.Time) {
	defer close(l.done)
	expired := l.options.Now()
	for {
		select {
		case <-l.wake:
			l.drain()
		case task := <-l.tasks:
			task()
		case <-ticks:
			l.drain()
			l.settle(l.sync())
			if now := l.options.Now(); now.Sub(expired).Abs() >= expireInterval {
				expired = now
				l.expire()
			}
		case <-l.stop:
			l.drain()
			l.err = l.sync()
			_ = l.noteGaps() // what is lost for good is in the server's log at least
			for _, s := range l.segments {
				l.err = errors.Join(l.err, s.close())
			}
			return
		}
	}
}

// drain writes everything that waits.
func (l *Log) drain() {
	for i := range l.buffers {
		b := &l.buffers[i]
		for c, batch := range b.take() {
			if len(batch) == 0 {
				continue
			}
			l.write(b, class(c), batch)
			clear(batch) // what the records refer to may go
			if len(batch) >= cap(batch)/8 || cap(batch) <= bufferLimit/8 {
				b.spare[c] = batch[:0]
			} // else a burst is over, and its memory may go too
		}
	}
}

// take empties the buffer for the writer and lets in who waits for room.
func (b *buffer) take() [classCount][]Decision {
	b.mu.Lock()
	defer b.mu.Unlock()
	var batches [classCount][]Decision
	for c := range batches {
		if len(b.pending[c]) > 0 {
			batches[c] = b.pending[c]
			b.pending[c], b.spare[c] = b.spare[c], nil
		}
	}
	if b.room != nil {
		close(b.room)
		b.room = nil
	}
	return batches
}

// write appends a batch in chunks. What cannot be written is counted as dropped: records queue up in memory
// for a disk that is slow, not for one that fails.
func (l *Log) write(b *buffer, c class, batch []Decision) {
	start := 0
	l.scratch = l.scratch[:0]
	for i := range batch {
		l.scratch = appendLine(l.scratch, &batch[i])
		if len(l.scratch) < chunkBytes && i < len(batch)-1 {
			continue
		}
		l.copy(c, l.scratch, i+1-start)
		if err := l.segments[c].write(l.scratch, batch[start].ID, batch[i].ID); err != nil {
			b.mu.Lock()
			b.drop(c, uint64(i+1-start))
			b.mu.Unlock()
			l.failDisk(err)
			l.report(err)
		}
		start, l.scratch = i+1, l.scratch[:0]
	}
}

func (l *Log) sync() error {
	var errs error
	for _, s := range l.segments {
		errs = errors.Join(errs, s.sync())
	}
	return errs
}

func (l *Log) expire() {
	for _, s := range l.segments {
		l.report(s.expire())
	}
}

// alerts remembers what has been said already, so that a failing disk does not flood another log.
type alerts struct {
	last    time.Time
	dropped uint64
	failing error
}

// report says, once a minute at most, that records are being lost.
func (l *Log) report(err error) {
	if err != nil {
		l.alerts.failing = err
	}
	counts := l.Counts()
	dropped := counts.DroppedPasses + counts.DroppedRefusals
	if l.alerts.failing == nil && dropped == l.alerts.dropped {
		return
	}
	now := l.options.Now()
	if !l.alerts.last.IsZero() && now.Sub(l.alerts.last).Abs() < alertInterval {
		return
	}
	l.options.Log.Error("the decision log loses records or cannot remove old files; check the disk of the data directory",
		"lost", dropped-l.alerts.dropped, "lost_in_total", dropped, "error", l.alerts.failing)
	l.alerts = alerts{last: now, dropped: dropped}
}

// flush has everything written that was recorded before it was called.
func (l *Log) flush(ctx context.Context) error { return l.do(ctx, l.drain) }

// do has the writer carry something out, and waits for that. After the writer's end nothing is done.
func (l *Log) do(ctx context.Context, task func()) error {
	finished := make(chan struct{})
	select {
	case l.tasks <- func() { defer close(finished); task() }:
	case <-l.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case <-finished:
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

// Configure changes what may change while the log runs.
func (l *Log) Configure(r Retention, refuse bool) {
	l.refuse.Store(refuse)
	_ = l.do(context.Background(), func() {
		o := l.options
		o.Retention = r
		o = o.withDefaults()
		for _, s := range l.segments {
			s.bound(o)
		}
		l.expire()
	})
}

// Close writes what waits, syncs it to the disk and ends the writer. Decisions recorded later are dropped and
// counted.
func (l *Log) Close() error {
	l.once.Do(func() {
		for i := range l.buffers {
			b := &l.buffers[i]
			b.mu.Lock()
			b.closed = true
			b.mu.Unlock()
		}
		close(l.stop)
	})
	<-l.done
	return l.err
}
