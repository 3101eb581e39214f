// Package exchange is the registry of long-lived exchanges: WebSockets, event streams, gRPC, and whatever else goes on
// for longer than a second. It has the decision taken again by which each was let in, whenever what decisions read has
// changed, and has those ended that would not be let in any more. It carries no bytes and judges nothing.
package exchange

import (
	"context"
	"sync"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/policy"
)

// Kind is how an exchange is ended.
type Kind uint8

// The kinds of exchange.
const (
	HTTP Kind = iota // cut: the connection of HTTP/1.1, the stream of HTTP/2
	EventStream
	GRPC
	WebSocket
	kindCount
)

// String is what people and metrics call the kind.
func (k Kind) String() string {
	return [kindCount]string{"http", "event-stream", "grpc", "websocket"}[k]
}

// Decision is the decision that let an exchange in.
type Decision interface {
	// Again takes it again, and records it when it ends the exchange. An empty reason lets the exchange go on; until is
	// then when time alone ends it at the earliest, zero for never. used says that somebody has used the exchange since
	// the last time. It is called by one goroutine at a time.
	Again(ctx context.Context, used bool) (until time.Time, end policy.Reason)
}

// Ending says why an exchange is to end.
type Ending struct {
	// Reason is why it would not be let in any more; empty when the server stops.
	Reason policy.Reason
	// Late says that the server has been stopping for a while, and what looked about to end by itself did not.
	Late bool
}

// Carrier carries the bytes of an exchange.
type Carrier interface {
	// Decision returns the decision that let the exchange in. It is asked for once, and only when the exchange lasts.
	Decision() Decision
	// Used reports whether somebody has used the exchange since it was last asked.
	Used() bool
	// End begins to end the exchange, as its kind is ended, and does not wait for that. It returns false when the
	// exchange goes on, as only one may that is about to end by itself while the server stops.
	End(why Ending) bool
}

// state of an Exchange, guarded by its mutex.
type state uint8

const (
	young      state = iota // not registered: it may be over before anybody would have to know
	registered              // in its shard
	ending                  // in its shard, and told to end
	over
)

// Exchange is one exchange, from Begin to Done. Its methods belong to the goroutine that called Begin, or to whom it
// hands the exchange on.
type Exchange struct {
	registry *Registry

	deciding sync.Mutex // held while the decision is taken again
	decision Decision

	mu      sync.Mutex // held for moments
	carrier Carrier    // nil when the exchange is over
	kind    Kind
	state   state
	began   time.Time
	timer   *time.Timer // registers what lasts
	armed   bool        // the timer is to go off. It serves many exchanges: to set one and stop it costs each of them more
	due     time.Time   // when the decision is taken again at the latest
	shard   *shard
	slot    int
}

// youth is how old an exchange is when it is registered, if nothing says before that it will last.
const youth = time.Second

// Begin starts an exchange. It is registered when it has lasted a second: until then it costs no more than a look at the
// clock, and no other request sees it.
func (r *Registry) Begin(kind Kind, carrier Carrier) *Exchange {
	e, _ := r.spare.Get().(*Exchange)
	if e == nil {
		e = &Exchange{registry: r}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.kind, e.carrier, e.began = kind, carrier, time.Now()
	if !e.armed {
		e.arm(youth)
	}
	return e
}

// arm has grown called once some time has passed. It is called with mu held.
func (e *Exchange) arm(d time.Duration) {
	e.armed = true
	if e.timer == nil {
		e.timer = time.AfterFunc(d, e.grown)
	} else {
		e.timer.Reset(d)
	}
}

// grown registers an exchange that lasts, unless the timer was for one before.
func (e *Exchange) grown() {
	e.mu.Lock()
	e.armed = false
	if e.carrier == nil || e.state != young {
		e.mu.Unlock()
		return
	}
	if left := youth - time.Since(e.began); left > 0 {
		e.arm(left)
		e.mu.Unlock()
		return
	}
	e.register()
}

// Enter registers the exchange now, because it is of a kind that lasts. The decision is taken again: it may have been
// taken before a change that is not looked back on.
func (e *Exchange) Enter(kind Kind) {
	e.mu.Lock()
	if e.state == young {
		e.kind = kind
		e.register()
		return
	}
	if e.kind != kind {
		e.registry.counts.become(e.kind, kind)
		e.kind = kind
	}
	e.mu.Unlock()
}

// Done says that the exchange is over. Nobody may use e afterwards.
func (e *Exchange) Done() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.carrier = nil
	switch e.state {
	case young:
		e.registry.spare.Put(e) // whoever takes it waits for mu
	case registered, ending:
		e.state = over
		e.shard.remove(e)
		e.registry.left(e.kind)
	}
}

// register puts a young exchange, whose mutex is held and then is not, among those that last.
func (e *Exchange) register() {
	e.state, e.decision = registered, e.carrier.Decision()
	e.registry.add(e)
	e.mu.Unlock()
	e.registry.decide(context.Background(), e)
	if e.registry.draining.Load() {
		e.end(Ending{})
	}
}

// end tells the carrier to end, once.
func (e *Exchange) end(why Ending) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.state == registered && (why.Reason != "" || e.kind != HTTP) && e.carrier.End(why) {
		e.state = ending
		e.registry.counts.end(e.kind, why.Reason)
	}
}

// usedSince asks the carrier, unless the exchange is over or ending.
func (e *Exchange) usedSince() (used, goesOn bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.state != registered {
		return false, false
	}
	return e.carrier.Used(), true
}
