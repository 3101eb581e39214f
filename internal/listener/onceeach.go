package listener

import (
	"net/netip"
	"sync"
	"sync/atomic"
)

// maxRemembered bounds what strangers can make us remember, and the lines that they can make us write.
const maxRemembered = 1000

// onceEach tells the first time that an address does something from the others. Addresses of one IPv6 /64, which
// are one customer's, count as one. When it is full it says no to all that are new.
type onceEach struct {
	mu   sync.RWMutex
	seen map[netip.Addr]struct{}
	full atomic.Bool
}

func (o *onceEach) first(address netip.Addr) bool {
	address = household(address)
	if o.full.Load() {
		return false
	}
	o.mu.RLock()
	_, found := o.seen[address]
	o.mu.RUnlock()
	if found {
		return false
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if _, found := o.seen[address]; found || len(o.seen) >= maxRemembered {
		return false
	}
	if o.seen == nil {
		o.seen = map[netip.Addr]struct{}{}
	}
	o.seen[address] = struct{}{}
	o.full.Store(len(o.seen) >= maxRemembered)
	return true
}
