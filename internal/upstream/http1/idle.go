package http1

import (
	"sync"
	"time"
)

// idlePool keeps the connections that nobody uses, the one used last on top. Its lock is held for a few instructions:
// a connection belongs to one request at a time, and somebody has to say to which.
type idlePool struct {
	mu    sync.Mutex
	conns []*conn
	timer *time.Timer // runs while there are any
}

// take returns a connection to an address that has been idle since a time or later, or nil.
func (p *idlePool) take(address string, since time.Duration) *conn {
	for {
		c := p.pop(address)
		if c == nil {
			return nil
		}
		if c.since >= since {
			return c
		}
		_ = c.Close() // nothing is under way on it
	}
}

func (p *idlePool) pop(address string) *conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := len(p.conns) - 1; i >= 0; i-- {
		if c := p.conns[i]; c.address == address {
			last := len(p.conns) - 1
			copy(p.conns[i:], p.conns[i+1:])
			p.conns[last] = nil
			p.conns = p.conns[:last]
			return c
		}
	}
	return nil
}

func (p *idlePool) put(c *conn, lifetime time.Duration, most int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.conns) >= most {
		_ = c.Close() // one too many
		return
	}
	p.conns = append(p.conns, c)
	if p.timer == nil {
		p.timer = time.AfterFunc(lifetime, func() { p.expire(lifetime) })
	}
}

// expire closes what was idle for the whole of the time. The oldest is at the bottom. What a connection is used in
// between is not seen here, so that one may be kept for twice its time; take looks closer.
func (p *idlePool) expire(lifetime time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now, old := clock(), 0
	for old < len(p.conns) && now-p.conns[old].since >= lifetime {
		_ = p.conns[old].Close() // nothing is under way on it
		old++
	}
	kept := copy(p.conns, p.conns[old:])
	clear(p.conns[kept:])
	p.conns = p.conns[:kept]
	if kept == 0 {
		p.timer = nil
		return
	}
	p.timer.Reset(max(lifetime-(now-p.conns[0].since), time.Millisecond))
}

func (p *idlePool) closeAll() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.conns {
		_ = c.Close() // nothing is under way on it
	}
	p.conns = nil
	if p.timer != nil {
		p.timer.Stop()
		p.timer = nil
	}
}
