package http1

import (
	"context"
	"sync"
	"time"
)

// quiet is how long a request may take before anybody asks whether its client is still there. Most are answered by then,
// and to ask costs a goroutine and a read.
const quiet = 50 * time.Millisecond

// presence ends a request whose client has gone, which shows only when somebody reads.
type presence struct {
	conn *connection

	mu      sync.Mutex
	over    sync.Cond          // a read is
	cancel  context.CancelFunc // ends the request under way; nil while there is none
	began   time.Time          // when it did
	timer   *time.Timer
	armed   bool // the timer is to go off. It serves many requests: to set one and stop it costs each of them more
	reading bool
	gone    bool
}

func (p *presence) init(c *connection) {
	p.conn = c
	p.over.L = &p.mu
}

// begin watches over a request.
func (p *presence) begin(now time.Time, cancel context.CancelFunc) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cancel, p.began = cancel, now
	if !p.armed {
		p.arm(quiet)
	}
}

// arm has look called once some time has passed. It is called with mu held.
func (p *presence) arm(d time.Duration) {
	p.armed = true
	if p.timer == nil {
		p.timer = time.AfterFunc(d, p.look)
	} else {
		p.timer.Reset(d)
	}
}

// close is for when there will be no more requests.
func (p *presence) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.timer != nil {
		p.timer.Stop()
	}
}

// end stops that, and reports whether the client is still there as far as anybody knows.
func (p *presence) end() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cancel = nil
	if p.reading {
		_ = p.conn.net.SetReadDeadline(time.Unix(1, 0))
		for p.reading {
			p.over.Wait()
		}
	}
	return !p.gone
}

// look reads until something comes. What comes is the beginning of the next request, and of the client we know no more
// until that is answered.
func (p *presence) look() {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.conn
	p.armed = false
	if p.cancel == nil {
		return
	}
	if left := quiet - c.server.Now().Sub(p.began); left > 0 { // the timer was for one before
		p.arm(left)
		return
	}
	if p.reading || c.filled == len(c.in) {
		return
	}
	p.reading = true
	c.deadline = time.Time{}
	_ = c.net.SetReadDeadline(time.Time{})
	room := c.in[c.filled : c.filled+1]
	p.mu.Unlock()
	n, err := c.net.Read(room)
	p.mu.Lock()
	c.filled += n
	if err != nil && p.cancel != nil {
		p.gone = true
		p.cancel()
	}
	p.reading = false
	p.over.Broadcast()
}
