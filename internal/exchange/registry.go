package exchange

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

const (
	shardCount = 64
	// decideEvery is how often each decision is taken again though nothing has changed but the time.
	decideEvery = 10 * time.Second
	// dueEvery is how exactly exchanges end by time alone.
	dueEvery = 250 * time.Millisecond
	// deciders take decisions at the same time: one that waits for the store does not hold up all others.
	deciders = 4
	// A look at all exchanges is followed by a rest of restFactor times what it took, within these bounds: a stream of
	// changes costs a tenth of one core at most, and none waits for long.
	restFactor       = 10
	minRest, maxRest = 20 * time.Millisecond, 500 * time.Millisecond
)

// Registry knows the exchanges that last. Let Run run.
type Registry struct {
	changes func() <-chan struct{}
	now     func() time.Time

	spare    sync.Pool // of exchanges that were over before they were registered
	shards   [shardCount]shard
	counts   counts
	draining atomic.Bool
	wake     chan struct{} // all decisions are to be taken again
	arrived  chan struct{} // the first exchange has come
	gone     chan struct{} // an exchange has left while the server stops
}

// New returns an empty registry. changes returns a channel that is closed when what decisions read has changed since
// the call.
func New(changes func() <-chan struct{}, now func() time.Time) *Registry {
	return &Registry{
		changes: changes, now: now,
		wake: make(chan struct{}, 1), arrived: make(chan struct{}, 1), gone: make(chan struct{}, 1),
	}
}

// shard holds a part of the exchanges, so that those who come and go do not wait for each other.
type shard struct {
	mu  sync.Mutex
	all []*Exchange
}

func (s *shard) remove(e *Exchange) {
	s.mu.Lock()
	defer s.mu.Unlock()
	last := len(s.all) - 1
	s.all[e.slot] = s.all[last]
	s.all[e.slot].slot = e.slot
	s.all[last] = nil
	s.all = s.all[:last]
}

// appendTo appends the exchanges of the shard to a list.
func (s *shard) appendTo(list []*Exchange) []*Exchange {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append(list, s.all...)
}

// add puts an exchange, whose mutex is held, into a shard.
func (r *Registry) add(e *Exchange) {
	e.shard = &r.shards[rand.IntN(shardCount)]
	e.shard.mu.Lock()
	e.slot = len(e.shard.all)
	e.shard.all = append(e.shard.all, e)
	e.shard.mu.Unlock()
	r.counts.open[e.kind].Add(1)
	notify(r.arrived)
}

// left notes that an exchange has been taken out.
func (r *Registry) left(kind Kind) {
	r.counts.open[kind].Add(-1)
	if r.draining.Load() {
		notify(r.gone)
	}
}

func notify(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default: // it has been told already
	}
}

// Wake has all decisions taken again, soon. It never waits, and may be called from anywhere.
func (r *Registry) Wake() { notify(r.wake) }

// Run takes decisions again until the context ends.
func (r *Registry) Run(ctx context.Context) {
	for ctx.Err() == nil {
		changes := r.changes() // before the look: a change during it is looked at again
		began := time.Now()
		r.look(ctx, time.Time{})
		rest(ctx, min(max(restFactor*time.Since(began), minRest), maxRest))
		r.await(ctx, changes)
	}
}

func rest(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// await returns when all decisions are to be taken again; until then it sees to those that are due.
func (r *Registry) await(ctx context.Context, changes <-chan struct{}) {
	ticker := time.NewTicker(dueEvery)
	defer ticker.Stop()
	for {
		tick := ticker.C
		if r.counts.total() == 0 {
			tick = nil
		}
		select {
		case <-ctx.Done():
			return
		case <-changes:
			return
		case <-r.wake:
			return
		case <-r.arrived:
		case <-tick:
			r.look(ctx, r.now())
		}
	}
}

// look takes the decisions again that are due at a moment; all of them for the zero one.
func (r *Registry) look(ctx context.Context, at time.Time) {
	if r.counts.total() == 0 {
		return
	}
	var next atomic.Int32
	var group sync.WaitGroup
	for range deciders {
		group.Go(func() {
			var list []*Exchange
			for i := int(next.Add(1)) - 1; i < shardCount; i = int(next.Add(1)) - 1 {
				list = r.shards[i].appendTo(list[:0])
				for _, e := range list {
					if at.IsZero() || e.isDue(at) {
						r.decide(ctx, e)
					}
				}
				clear(list)
			}
		})
	}
	group.Wait()
}

func (e *Exchange) isDue(at time.Time) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return !at.Before(e.due)
}

// decide takes the decision on an exchange again, and has it ended where that is what comes of it.
func (r *Registry) decide(ctx context.Context, e *Exchange) {
	e.deciding.Lock()
	defer e.deciding.Unlock()
	used, goesOn := e.usedSince()
	if !goesOn {
		return
	}
	until, reason := e.decision.Again(ctx, used)
	if reason != "" {
		e.end(Ending{Reason: reason})
		return
	}
	due := r.now().Add(decideEvery)
	if !until.IsZero() && until.Before(due) {
		due = until
	}
	e.mu.Lock()
	e.due = due
	e.mu.Unlock()
}

// Drain tells everything to end that does not end by itself, because the server stops, and waits until no WebSocket is
// left, or the context ends: of them the HTTP server knows nothing any more. What began in this moment is told too.
func (r *Registry) Drain(ctx context.Context, patience time.Duration) {
	r.draining.Store(true)
	r.endAll(Ending{})
	late := time.AfterFunc(patience, func() { r.endAll(Ending{Late: true}) })
	defer late.Stop()
	for r.counts.open[WebSocket].Load() > 0 {
		select {
		case <-r.gone:
		case <-ctx.Done():
			return
		}
	}
}

func (r *Registry) endAll(why Ending) {
	for i := range r.shards {
		for _, e := range r.shards[i].appendTo(nil) {
			e.end(why)
		}
	}
}
