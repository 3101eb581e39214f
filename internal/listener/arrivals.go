package listener

import (
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// arrivals are the connections whose first request has not come yet. net/http drops them when it shuts down, also
// those whose request is on its way, or waits in the socket already; who connected before the end is answered.
type arrivals struct {
	mu      sync.Mutex
	waiting map[*conn]struct{}
	none    chan struct{} // closed when nobody waits any more; nil while nobody asks
}

func (a *arrivals) add(c *conn) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.waiting == nil {
		a.waiting = map[*conn]struct{}{}
	}
	a.waiting[c] = struct{}{}
}

func (a *arrivals) remove(c *conn) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.waiting, c)
	a.tell()
}

// tell is called with mu held.
func (a *arrivals) tell() {
	if len(a.waiting) == 0 && a.none != nil {
		close(a.none)
		a.none = nil
	}
}

// await waits until every connection's first request has come, and after the patience closes the connections of
// those who have sent none: browsers connect in advance, and may never ask. No connection is added meanwhile.
func (a *arrivals) await(patience time.Duration) {
	a.mu.Lock()
	none := make(chan struct{})
	a.none = none
	a.tell()
	a.mu.Unlock()
	select {
	case <-none:
		return
	case <-time.After(patience):
	}
	a.mu.Lock()
	var silent []*conn
	for c := range a.waiting {
		silent = append(silent, c)
	}
	a.mu.Unlock()
	for _, c := range silent {
		if c.arrival.come.CompareAndSwap(false, true) { // it may have come just now
			_ = c.Conn.Close()
		}
	}
}

// arrival is one connection's part in it.
type arrival struct {
	in   *arrivals
	come atomic.Bool
}

// arrived says that the first request has come, or that none will.
func (c *conn) arrived() {
	if !c.arrival.come.Load() && c.arrival.come.CompareAndSwap(false, true) {
		c.arrival.in.remove(c)
	}
}

// noting tells a connection of its requests. It ends with the answer to one of HTTP/1.0: net/http ignores and takes out a
// Transfer-Encoding there, and would read the body as the next request, which whoever stands in front of us did not see
// (RFC 9112, section 6.1).
func noting(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !r.ProtoAtLeast(1, 1) && r.Header["Connection"] != nil { // which could ask for more
			w.Header().Set("Connection", "close")
		}
		if c := connOf(r); c != nil {
			c.began()
			defer c.over(r)
		}
		next.ServeHTTP(w, r)
	})
}

// Close closes the connection; no request will come.
func (c *conn) Close() error {
	c.arrived()
	if c.crowd.leave(&c.place) {
		c.counts.open.Add(-1)
		if c.underWay.Load() == 0 && c.aside.Load() > int64(c.limits.hardHeaderBytes()) && !c.refused.Load() {
			c.counts.requests[HeaderTooLarge].Add(1) // net/http has answered that by itself
		}
		if c.isIdle() {
			c.counts.ended[Idle].Add(1)
		}
	}
	return c.Conn.Close()
}
