// Package sink copies the records as JSON lines to where other systems collect logs: standard output, a file, syslog.
// It never keeps the decision log waiting: what a place does not take in time is dropped and counted.
package sink

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/audit"
)

const (
	// queueBytes is how much may wait for one place.
	queueBytes = 8 << 20
	// queueItems bounds it where lines come one by one.
	queueItems = 4096
	// firstPause and lastPause are the shortest and the longest wait before another attempt.
	firstPause, lastPause = 100 * time.Millisecond, 10 * time.Second
	// closePatience is for how long the last lines may take at the end.
	closePatience = 2 * time.Second
	alertInterval = time.Minute
)

// destination is one place. Only the sink's goroutine calls it.
type destination interface {
	// write takes whole lines. After an error all of them are written again, after a while, but those that can never
	// be taken: refused is how many of these there were.
	write(b batch) (refused int, err error)
	// reopen lets go of a file that was moved away.
	reopen()
	close() error
}

// batch is lines that come together. Each is one JSON object and ends with a line break.
type batch struct {
	lines []byte
	count int
	kind  string // "decision" or "change"
	// passed says that these are ordinary: requests that were let through.
	passed bool
	at     time.Time
}

// Sink writes to one place, in the background. It is an audit.Copy.
type Sink struct {
	name   string
	to     destination
	log    *slog.Logger
	now    func() time.Time
	queue  chan batch
	room   chan struct{} // told when something was taken out of the queue
	hangup chan struct{}

	queued           atomic.Int64 // bytes
	written, dropped atomic.Uint64
	problem          atomic.Pointer[string]

	ctx   context.Context // ends attempts that fail
	abort context.CancelFunc
	once  sync.Once
	stop  chan struct{}
	done  chan struct{}
}

// State is how a sink fares.
type State struct {
	To      string `json:"to"`
	Written uint64 `json:"written"`
	Dropped uint64 `json:"dropped"`
	// Problem is why nothing is taken at the moment.
	Problem string `json:"problem,omitempty"`
}

func start(name string, to destination, log *slog.Logger, now func() time.Time) *Sink {
	s := &Sink{
		name: name, to: to, log: log, now: now, queue: make(chan batch, queueItems), room: make(chan struct{}, 1),
		hangup: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{}),
	}
	s.ctx, s.abort = context.WithCancel(context.Background())
	go s.run()
	return s
}

// State tells how the sink fares.
func (s *Sink) State() State {
	state := State{To: s.name, Written: s.written.Load(), Dropped: s.dropped.Load()}
	if problem := s.problem.Load(); problem != nil {
		state.Problem = *problem
	}
	return state
}

var decisionStart = []byte(`{"type":"decision",`)

// Take queues lines of the decision log. What there is no room for is dropped.
func (s *Sink) Take(c audit.Copied) {
	lines := make([]byte, 0, len(c.Lines)+c.Count*len(decisionStart))
	for line := range bytes.Lines(c.Lines) {
		lines = append(append(lines, decisionStart...), line[1:]...)
	}
	if !s.offer(batch{lines: lines, count: c.Count, kind: "decision", passed: c.Passed, at: s.now()}) {
		s.dropped.Add(uint64(c.Count))
	}
}

// TakeEntry queues an administrative entry. It waits for room, but no longer than ctx lasts: entries stay in the store,
// so there is time.
func (s *Sink) TakeEntry(ctx context.Context, entry audit.Entry) error {
	line, err := json.Marshal(struct {
		Type string `json:"type"`
		audit.Entry
	}{"change", entry})
	if err != nil {
		return err
	}
	b := batch{lines: append(line, '\n'), count: 1, kind: "change", at: s.now()}
	for !s.offer(b) {
		select {
		case <-s.room:
		case <-s.stop:
			return errClosed
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

var errClosed = errors.New("the sink is closed")

func (s *Sink) offer(b batch) bool {
	size := int64(len(b.lines))
	if queued := s.queued.Add(size); queued > queueBytes && queued > size { // one that is larger by itself may go alone
		s.queued.Add(-size)
		return false
	}
	select {
	case s.queue <- b:
		return true
	default:
		s.queued.Add(-size)
		return false
	}
}

// Reopen lets go of a file that was moved away. Other places do not change.
func (s *Sink) Reopen() {
	select {
	case s.hangup <- struct{}{}:
	default: // it has been told already
	}
}

func (s *Sink) run() {
	defer close(s.done)
	var told struct {
		at      time.Time
		dropped uint64
	}
	for {
		select {
		case b := <-s.queue:
			s.deliver(b)
		case <-s.hangup:
			s.to.reopen()
		case <-s.stop:
			for len(s.queue) > 0 {
				s.deliver(<-s.queue)
			}
			return
		}
		if dropped := s.dropped.Load(); dropped != told.dropped && s.now().Sub(told.at).Abs() >= alertInterval {
			s.log.Error("copies of records are lost: their place does not take them; the decision log itself is not touched by this",
				"to", s.name, "lost", dropped-told.dropped, "lost_in_total", dropped)
			told.at, told.dropped = s.now(), dropped
		}
	}
}

// deliver writes a batch, and tries until that is done or the sink is at its end.
func (s *Sink) deliver(b batch) {
	defer s.leave(b)
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		refused, err := s.to.write(b)
		if err == nil {
			s.written.Add(uint64(b.count - refused))
			s.dropped.Add(uint64(refused))
			if s.problem.Swap(nil) != nil {
				s.log.Info("copies of records are taken again", "to", s.name)
			}
			return
		}
		text := err.Error()
		if s.problem.Swap(&text) == nil {
			s.log.Error("copies of records are not taken, and wait", "to", s.name, "error", err)
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-s.hangup:
			timer.Stop()
			s.to.reopen()
		case <-s.ctx.Done():
			timer.Stop()
			s.dropped.Add(uint64(b.count))
			return
		}
	}
}

func (s *Sink) leave(b batch) {
	s.queued.Add(-int64(len(b.lines)))
	select {
	case s.room <- struct{}{}:
	default:
	}
}

// Close writes what waits, for two seconds at most, and lets go of the place. Nothing may be taken any more by then.
func (s *Sink) Close() error {
	var err error
	s.once.Do(func() {
		close(s.stop)
		timer := time.AfterFunc(closePatience, s.abort)
		defer timer.Stop()
		defer s.abort()
		select {
		case <-s.done:
			err = s.to.close()
		case <-time.After(2 * closePatience): // a write that hangs, such as to a pipe that nobody reads: the process ends without it
			s.dropped.Add(uint64(len(s.queue)))
		}
	})
	return err
}
