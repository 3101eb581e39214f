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
	conn  *connection
	timer *time.Timer

	mu      sync.Mutex
	over    sync.Cond          // a read is
	cancel  context.CancelFunc // ends the request under way; nil while there is none
	reading bool
	gone    bool
}

func (p *presence) init(c *connection) {
	p.conn = c
	p.over.L = &p.mu
}

// begin watches over a request.
func (p *presence) begin(cancel context.CancelFunc) {
	p.mu.Lock()
	p.cancel = cancel
	p.mu.Unlock()
	if p.timer == nil {
		p.timer = time.AfterFunc(quiet, p.look)
	} else {
		p.timer.Reset(quiet)
	}
}

// end stops that, and reports whether the client is still there as far as anybody knows.
func (p *presence) end() bool {
	p.timer.Stop()
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
	if p.cancel == nil || p.reading || c.filled == len(c.in) {
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
