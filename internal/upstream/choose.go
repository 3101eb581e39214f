package upstream

import (
	"math"
	"math/rand/v2"
	"time"
)

// MaxAddresses is how many addresses an upstream may have: those that were tried are noted in the bits of one word, and
// all are looked at when there is something to be said about one.
const MaxAddresses = 64

// choose returns the address with the fewest requests under way, or nearly so where there are many, and its place in
// the list; nil when there is none.
// tried has a bit for each that is out of the question. Addresses that are unhealthy count only when no other is left,
// and those whose circuit is open only when an attempt is due. Requests share no lock: two that choose at once may
// choose the same, which the next one evens out.
func (u *Upstream) choose(tried uint64) (*address, int) {
	if len(u.addresses) > fewAddresses && tried == 0 {
		if a, at := u.chooseOfTwo(); a != nil {
			return a, at
		}
	}
	best, lame := candidate{at: -1, load: math.MaxInt64}, candidate{at: -1, load: math.MaxInt64}
	for i, a := range u.addresses {
		if tried&(1<<i) != 0 {
			continue
		}
		usable := a.health.usable()
		if !a.circuit.closed() {
			if usable && a.circuit.probe(u.now(), u.probeWait()) { // else it would never close again
				return a, i
			}
			continue
		}
		if usable {
			best.consider(i, a.inFlight.Load())
		} else {
			lame.consider(i, a.inFlight.Load())
		}
	}
	panicking := best.at < 0
	if panicking {
		best = lame
	}
	if best.at < 0 {
		return u.chooseLast(tried)
	}
	if tried == 0 {
		u.notePanic(panicking)
	}
	return u.addresses[best.at], best.at
}

// fewAddresses is how many are all looked at for each request.
const fewAddresses = 8

// chooseOfTwo returns the one of two addresses with the fewer requests under way, and nil when there is more to be said
// about one of them. Of many addresses, that spreads requests nearly as well as looking at all of them.
func (u *Upstream) chooseOfTwo() (*address, int) {
	i, j := rand.IntN(len(u.addresses)), rand.IntN(len(u.addresses)-1)
	if j >= i {
		j++
	}
	a, b := u.addresses[i], u.addresses[j]
	if !a.circuit.closed() || !b.circuit.closed() || !a.health.usable() || !b.health.usable() {
		return nil, -1
	}
	u.notePanic(false)
	if b.inFlight.Load() < a.inFlight.Load() {
		return b, j
	}
	return a, i
}

// chooseLast finds what may be tried when nothing is left but open circuits: an unhealthy address at which an attempt is
// due, or for the first attempt one that refuses connections at once. To ask that one costs nobody any time, and an
// application that has just been started again is there for the very next request.
func (u *Upstream) chooseLast(tried uint64) (*address, int) {
	quick := candidate{at: -1, load: math.MaxInt64}
	for i, a := range u.addresses {
		switch {
		case tried&(1<<i) != 0:
		case a.circuit.probe(u.now(), u.probeWait()):
			return a, i
		case tried == 0 && !a.circuit.slow.Load():
			quick.consider(i, a.inFlight.Load())
		}
	}
	if quick.at < 0 {
		return nil, -1
	}
	return u.addresses[quick.at], quick.at
}

// candidate is the address with the least load of those that were considered. Each of several with the same load is
// as likely to be it.
type candidate struct {
	at   int
	load int64
	ties uint32
}

func (c *candidate) consider(at int, load int64) {
	switch {
	case load < c.load:
		c.at, c.load, c.ties = at, load, 1
	case load == c.load:
		if c.ties++; rand.Uint32N(c.ties) == 0 {
			c.at = at
		}
	}
}

// probeWait is how long an attempt at an address whose circuit is open may take before another is made.
func (u *Upstream) probeWait() time.Duration { return 2 * u.timeouts.Connect } // connecting, and the TLS handshake

// notePanic says in the log, once, that unhealthy addresses get requests since there are no others.
func (u *Upstream) notePanic(now bool) {
	if u.panicking.Load() == now || !u.panicking.CompareAndSwap(!now, now) {
		return
	}
	if now {
		u.log.Error("every address of an application is unhealthy, so that all of them get requests: a check that asks the wrong thing must not close an application",
			"upstream", u.Address, "addresses", len(u.addresses), "error", u.worst())
		return
	}
	u.log.Info("an address of an application is healthy again: the unhealthy ones get no more requests", "upstream", u.Address)
}

// worst is why an address is unhealthy.
func (u *Upstream) worst() string {
	for _, a := range u.addresses {
		if problem := a.health.problem.Load(); problem != nil {
			return a.hostport + ": " + *problem
		}
	}
	return ""
}

// unavailable is the error of an upstream at which nothing can be tried now.
func (u *Upstream) unavailable() error {
	next := int64(math.MaxInt64)
	for _, a := range u.addresses {
		next = min(next, a.circuit.until.Load())
	}
	cause := u.addresses[0].hostport + " cannot be connected to"
	if len(u.addresses) > 1 {
		cause = "none of the addresses of the application can be connected to"
	}
	return &UnavailableError{After: max(0, time.Unix(0, next).Sub(u.now())), cause: cause}
}
