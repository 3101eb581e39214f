package exchange_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/exchange"
	"github.com/gatehouse-iap/gatehouse/internal/policy"
)

// world is a registry that runs, with what decisions read and a clock.
type world struct {
	*exchange.Registry
	mu      sync.Mutex
	changed chan struct{}
	reason  policy.Reason
	until   time.Time
	now     time.Time
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{changed: make(chan struct{}), now: time.Unix(1000, 0)}
	w.Registry = exchange.New(func() <-chan struct{} {
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.changed
	}, func() time.Time {
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.now
	})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); w.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	return w
}

// publish changes what decisions read.
func (w *world) publish(reason policy.Reason) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.reason = reason
	close(w.changed)
	w.changed = make(chan struct{})
}

func (w *world) set(change func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change()
}

// carrier is one exchange of a world.
type carrier struct {
	world   *world
	stays   bool // does not end when the server stops, until it is late
	used    atomic.Bool
	heard   atomic.Int32 // decisions that were told of a use
	decided chan struct{}
	ended   chan exchange.Ending
}

func (w *world) carrier() *carrier {
	return &carrier{world: w, decided: make(chan struct{}, 100), ended: make(chan exchange.Ending, 10)}
}

func (c *carrier) Decision() exchange.Decision { return c }
func (c *carrier) Used() bool                  { return c.used.Swap(false) }
func (c *carrier) End(why exchange.Ending) bool {
	if c.stays && why.Reason == "" && !why.Late {
		return false
	}
	c.ended <- why
	return true
}

func (c *carrier) Again(_ context.Context, used bool) (time.Time, policy.Reason) {
	if used {
		c.heard.Add(1)
	}
	c.world.mu.Lock()
	defer c.world.mu.Unlock()
	select {
	case c.decided <- struct{}{}:
	default:
	}
	return c.world.until, c.world.reason
}

func (c *carrier) mustEnd(t *testing.T) exchange.Ending {
	t.Helper()
	select {
	case why := <-c.ended:
		return why
	case <-time.After(time.Second):
		t.Fatal("was not ended within a second")
		return exchange.Ending{}
	}
}

func (c *carrier) mustBeDecided(t *testing.T) {
	t.Helper()
	select {
	case <-c.decided:
	case <-time.After(2 * time.Second):
		t.Fatal("the decision was not taken again")
	}
}

func TestEveryKindEndsWithinASecondOfAChange(t *testing.T) {
	t.Parallel()
	for _, kind := range []exchange.Kind{exchange.HTTP, exchange.EventStream, exchange.GRPC, exchange.WebSocket} {
		t.Run(kind.String(), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			c := w.carrier()
			e := w.Begin(exchange.HTTP, c)
			e.Enter(kind)
			c.mustBeDecided(t)
			w.publish(policy.NotGranted)
			if why := c.mustEnd(t); why.Reason != policy.NotGranted {
				t.Errorf("ended for %q", why.Reason)
			}
			w.publish(policy.SessionEnded) // ended once
			e.Done()
			if n := len(c.ended); n != 0 {
				t.Errorf("ended %d times more", n)
			}
			count := w.Counts()[kind]
			if count.Open != 0 || count.Ended[policy.NotGranted] != 1 {
				t.Errorf("counts %+v", count)
			}
		})
	}
}

func TestAChangeThatCameBetweenTheDecisionAndTheRegistrationCounts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.set(func() { w.reason = policy.SessionEnded }) // nobody is told
	c := w.carrier()
	e := w.Begin(exchange.HTTP, c)
	defer e.Done()
	e.Enter(exchange.WebSocket)
	if len(c.ended) != 1 {
		t.Error("an exchange was registered that would not be let in")
	}
}

func TestSessionsThatEndWakeTheRegistry(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.carrier()
	e := w.Begin(exchange.HTTP, c)
	defer e.Done()
	e.Enter(exchange.EventStream)
	w.set(func() { w.reason = policy.SessionEnded })
	w.Wake()
	if why := c.mustEnd(t); why.Reason != policy.SessionEnded {
		t.Errorf("ended for %q", why.Reason)
	}
}

func TestWhatLastsASecondIsRegisteredAndWhatIsOverBeforeIsNot(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for range 3 { // the second and third use what the first gave back
		short := w.carrier()
		w.Begin(exchange.HTTP, short).Done()
		if len(short.decided) != 0 {
			t.Error("a short exchange was decided on again")
		}
	}
	long := w.carrier()
	e := w.Begin(exchange.HTTP, long)
	long.mustBeDecided(t)
	if open := w.Counts()[exchange.HTTP].Open; open != 1 {
		t.Errorf("%d are open, want 1", open)
	}
	e.Enter(exchange.EventStream) // its header came late
	if counts := w.Counts(); counts[exchange.HTTP].Open != 0 || counts[exchange.EventStream].Open != 1 {
		t.Errorf("counts %+v", counts)
	}
	e.Done()
	for _, count := range w.Counts() {
		if count.Open != 0 {
			t.Errorf("%s: %d are open at the end", count.Kind, count.Open)
		}
	}
}

func TestAnExchangeLastsASecondOfItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		for range 5 { // each of which uses what the one before gave back
			e := w.Begin(exchange.HTTP, w.carrier())
			time.Sleep(900 * time.Millisecond)
			e.Done()
		}
		e := w.Begin(exchange.HTTP, w.carrier())
		time.Sleep(time.Second - 1)
		synctest.Wait()
		if open := w.Counts()[exchange.HTTP].Open; open != 0 {
			t.Error("an exchange is registered before it has lasted a second")
		}
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		if open := w.Counts()[exchange.HTTP].Open; open != 1 {
			t.Error("an exchange that has lasted a second is not registered")
		}
		e.Done()
	})
}

func TestAnExchangeThatWasGivenBackIsNobodysUntilItIsTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		for range 20 { // some of which are given what was given back
			w.Begin(exchange.HTTP, w.carrier()).Done()
			time.Sleep(2 * time.Second) // the timer goes off for nobody
			synctest.Wait()
			if open := w.Counts()[exchange.HTTP].Open; open != 0 {
				t.Fatal("an exchange that is over is registered")
			}
			c := w.carrier()
			e := w.Begin(exchange.HTTP, c)
			time.Sleep(time.Second)
			synctest.Wait()
			if open := w.Counts()[exchange.HTTP].Open; open != 1 || len(c.decided) == 0 {
				t.Fatalf("%d are registered after a second, and decided on %d times", open, len(c.decided))
			}
			e.Done()
		}
	})
}

func TestTimeAloneEndsAnExchange(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.set(func() { w.until = w.now.Add(5 * time.Second) }) // its token expires
	c := w.carrier()
	e := w.Begin(exchange.HTTP, c)
	defer e.Done()
	e.Enter(exchange.GRPC)
	w.set(func() { w.now = w.now.Add(5 * time.Second); w.reason = policy.BearerInvalid })
	if why := c.mustEnd(t); why.Reason != policy.BearerInvalid {
		t.Errorf("ended for %q", why.Reason)
	}
}

func TestTheDecisionIsTakenAgainEveryTenSecondsAndHearsOfUse(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.carrier()
	e := w.Begin(exchange.HTTP, c)
	defer e.Done()
	e.Enter(exchange.WebSocket)
	c.mustBeDecided(t)
	for len(c.decided) > 0 {
		<-c.decided
	}
	c.used.Store(true)
	w.set(func() { w.now = w.now.Add(10 * time.Second) })
	c.mustBeDecided(t)
	if c.heard.Load() != 1 {
		t.Errorf("%d decisions heard of the one use", c.heard.Load())
	}
}

func TestAServerThatStopsEndsWhatDoesNotEndByItself(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var all []*carrier
	begin := func(kind exchange.Kind, stays bool) *exchange.Exchange {
		c := w.carrier()
		c.stays = stays
		e := w.Begin(exchange.HTTP, c)
		e.Enter(kind)
		all = append(all, c)
		return e
	}
	plain, stream, call := begin(exchange.HTTP, false), begin(exchange.EventStream, false), begin(exchange.GRPC, true)
	socket := begin(exchange.WebSocket, false)
	drained := make(chan struct{})
	go func() { w.Drain(t.Context(), 100*time.Millisecond); close(drained) }()
	for i, late := range map[int]bool{1: false, 2: true, 3: false} {
		if why := all[i].mustEnd(t); why.Reason != "" || why.Late != late {
			t.Errorf("exchange %d was ended with %+v", i, why)
		}
	}
	select {
	case <-drained:
		t.Error("a WebSocket was not waited for")
	default:
	}
	socket.Done()
	<-drained
	begin(exchange.WebSocket, false).Done()
	if len(all[4].ended) != 1 {
		t.Error("a WebSocket that came while the server stopped was not ended")
	}
	plain.Done()
	stream.Done()
	call.Done()
	if len(all[0].ended) != 0 {
		t.Error("a plain request was ended, which is waited for")
	}
}

func TestExchangesThatComeAndGoWhileTheWorldChanges(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			for j := range 200 {
				c := w.carrier()
				e := w.Begin(exchange.HTTP, c)
				if j%2 == 0 {
					e.Enter(exchange.Kind((i + j) % 4))
				}
				if j%50 == 0 {
					w.publish(policy.NotGranted)
				}
				e.Done()
			}
		})
	}
	group.Wait()
	for _, count := range w.Counts() {
		if count.Open != 0 {
			t.Errorf("%s: %d are open at the end", count.Kind, count.Open)
		}
	}
}

// BenchmarkPlainRequest is what a request that is over within a second pays for being registered if it lasted.
func BenchmarkPlainRequest(b *testing.B) {
	w := newWorld(b)
	c := w.carrier()
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			w.Begin(exchange.HTTP, c).Done()
		}
	})
}

// BenchmarkRegisteredAtOnce is what each request would pay if all were registered.
func BenchmarkRegisteredAtOnce(b *testing.B) {
	w := newWorld(b)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		c := w.carrier()
		for pb.Next() {
			e := w.Begin(exchange.HTTP, c)
			e.Enter(exchange.HTTP)
			e.Done()
		}
	})
}
