package listener

import (
	"net/netip"
	"sync"
)

// crowd counts the connections of a listener. It is asked when one begins and when it ends, and never by a request.
type crowd struct {
	mu  sync.Mutex
	all int
	of  map[netip.Addr]int
}

// place is one connection's part in it, guarded by the crowd's lock.
type place struct {
	address netip.Addr // under which it is counted; not valid where it is not
	taken   bool
}

// enter gives a connection its place, if there is one.
func (c *crowd) enter(p *place, limit int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if limit > 0 && c.all >= limit {
		return false
	}
	c.all++
	p.taken = true
	return true
}

// name counts a connection that has its place under an address, if that may have one more.
func (c *crowd) name(p *place, address netip.Addr, limit int) bool {
	if limit == 0 || !address.IsValid() {
		return true
	}
	address = household(address)
	c.mu.Lock()
	defer c.mu.Unlock()
	if !p.taken || c.of[address] >= limit { // it may have been closed meanwhile
		return false
	}
	if c.of == nil {
		c.of = map[netip.Addr]int{}
	}
	c.of[address]++
	p.address = address
	return true
}

// leave gives the place back, and reports whether there was one.
func (c *crowd) leave(p *place) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !p.taken {
		return false
	}
	c.all--
	if p.address.IsValid() {
		if c.of[p.address]--; c.of[p.address] == 0 {
			delete(c.of, p.address)
		}
	}
	*p = place{}
	return true
}

// household is what one customer of a network has: an address of IPv4, or 64 bits of IPv6.
func household(address netip.Addr) netip.Addr {
	if address = address.Unmap(); address.Is4() {
		return address
	}
	network, err := address.WithZone("").Prefix(64)
	if err != nil {
		return address // cannot happen: it is IPv6
	}
	return network.Addr()
}
