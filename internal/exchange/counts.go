package exchange

import (
	"maps"
	"sync"
	"sync/atomic"

	"github.com/gatehouse-iap/gatehouse/internal/policy"
)

// Count says how many exchanges of a kind there are, and were ended.
type Count struct {
	Kind Kind
	Open int64
	// Ended are those that the gate has ended, by reason; the empty one is that the server stops.
	Ended map[policy.Reason]uint64
}

// counts are those of a Registry.
type counts struct {
	open  [kindCount]atomic.Int64
	mu    sync.Mutex
	ended [kindCount]map[policy.Reason]uint64
}

func (c *counts) become(from, to Kind) {
	c.open[from].Add(-1)
	c.open[to].Add(1)
}

func (c *counts) total() int64 {
	total := int64(0)
	for i := range c.open {
		total += c.open[i].Load()
	}
	return total
}

func (c *counts) end(kind Kind, reason policy.Reason) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended[kind] == nil {
		c.ended[kind] = map[policy.Reason]uint64{}
	}
	c.ended[kind][reason]++
}

// Counts returns one count for every kind. Exchanges that are younger than a second are in none.
func (r *Registry) Counts() []Count {
	all := make([]Count, kindCount)
	r.counts.mu.Lock()
	defer r.counts.mu.Unlock()
	for kind := range kindCount {
		all[kind] = Count{Kind: kind, Open: r.counts.open[kind].Load(), Ended: maps.Clone(r.counts.ended[kind])}
	}
	return all
}
