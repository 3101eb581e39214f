package upstream

import (
	"math/rand/v2"
	"sync/atomic"
	"time"
)

// A circuit opens after this many failures to connect, one after another.
const circuitThreshold = 5

// How long an open circuit lets nothing through: the first time, and at most. Each failed attempt doubles it. An
// application that is back must not be kept waiting for long: people see an error page meanwhile.
const (
	circuitFirst = time.Second
	circuitMost  = 10 * time.Second
)

// circuit keeps requests from an address that cannot be connected to. It counts connecting only: somebody who was let
// through may make an application drop a connection or be slow, and must not be able to close it to everybody.
// It has no lock; of several goroutines, one sees each change of its state.
type circuit struct {
	failures atomic.Int32 // to connect, one after another
	until    atomic.Int64 // when the next attempt is due, in nanoseconds since 1970; zero while it is closed
	probing  atomic.Bool  // an attempt is being made while it is open
	level    atomic.Int32 // how many attempts have failed while it was open
	slow     atomic.Bool  // the last attempt took its time to fail
}

func (c *circuit) closed() bool { return c.until.Load() == 0 }

// probe reports whether the caller is the one who may make an attempt. It has until wait is over to say what came of
// it; then another may.
func (c *circuit) probe(now time.Time, wait time.Duration) bool {
	until := c.until.Load()
	if until == 0 || now.UnixNano() < until || !c.until.CompareAndSwap(until, now.Add(wait).UnixNano()) {
		return false
	}
	c.probing.Store(true)
	return true
}

// failed notes that connecting failed, after its whole time if it was slow, and reports whether that opened the circuit.
func (c *circuit) failed(now time.Time, slow bool) (opened bool) {
	c.slow.Store(slow)
	failures := c.failures.Add(1)
	if c.closed() {
		return failures >= circuitThreshold && c.until.CompareAndSwap(0, now.Add(backoff(0)).UnixNano())
	}
	if c.probing.Swap(false) { // the others were under way when it opened
		c.until.Store(now.Add(backoff(c.level.Add(1))).UnixNano())
	}
	return false
}

// connected notes that the address can be connected to, and reports whether that closed the circuit.
func (c *circuit) connected() (closed bool) {
	if c.failures.Load() != 0 {
		c.failures.Store(0)
	}
	if c.closed() || c.until.Swap(0) == 0 {
		return false
	}
	c.level.Store(0)
	c.probing.Store(false)
	return true
}

// inherit takes over the state of a circuit to the same place.
func (c *circuit) inherit(from *circuit) {
	c.failures.Store(from.failures.Load())
	c.until.Store(from.until.Load())
	c.level.Store(from.level.Load())
	c.slow.Store(from.slow.Load())
}

// backoff is how long nothing is sent after so many failed attempts, give or take a fifth: replicas of the gate must
// not all come at once.
func backoff(level int32) time.Duration {
	wait := min(circuitFirst<<min(level, 16), circuitMost)
	return wait - wait/5 + rand.N(2*wait/5)
}
