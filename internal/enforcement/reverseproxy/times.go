package reverseproxy

import (
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/listener"
)

// times are the deadlines that the listener gives a request. An upload, a download or a stream of somebody who was let
// through may take any time, so they are taken off. In HTTP/2 each of them is a message to the connection's one goroutine
// and back: there a request keeps its deadlines until it has lasted, and most are answered by then.
type times struct {
	mu      sync.Mutex
	control *http.ResponseController // nil before there is anything to take off
	lasted  bool
	ended   bool // what is left to send is bound again
	off     bool // the deadline for writing is
}

// unbind takes the deadlines off, or has that done once the request has lasted. Where there is none, none is to be taken
// off. A stream that is to become a WebSocket, socket, is no body of the request, and is read all the same.
func (p *passage) unbind(r *http.Request, socket io.ReadCloser, control *http.ResponseController) {
	if p == nil || r.ProtoMajor < 2 {
		_, _ = control.SetReadDeadline(time.Time{}), control.SetWriteDeadline(time.Time{})
		return
	}
	if socket != nil || r.ContentLength != 0 { // over HTTP/2 every request has a Body, and most have none
		_ = control.SetReadDeadline(time.Time{})
	}
	p.times.mu.Lock()
	defer p.times.mu.Unlock()
	p.times.control = control
	p.times.takeOff()
}

// lasts says that the request has lasted, or will.
func (p *passage) lasts() {
	if p == nil {
		return
	}
	p.times.mu.Lock()
	defer p.times.mu.Unlock()
	p.times.lasted = true
	p.times.takeOff()
}

// takeOff is called with mu held.
func (t *times) takeOff() {
	if t.control != nil && t.lasted && !t.ended && !t.off {
		t.off = true
		_ = t.control.SetWriteDeadline(time.Time{})
	}
}

// limitRest bounds what the server sends by itself when the handler has returned. Over HTTP/1 the connection does.
func (p *passage) limitRest(r *http.Request, control *http.ResponseController) {
	if r.ProtoMajor < 2 {
		return
	}
	limit := listener.SendTimeout(r)
	if p != nil {
		p.times.mu.Lock()
		defer p.times.mu.Unlock()
		p.times.ended = true
		if !p.times.off && firstWillDo(limit) {
			return
		}
	}
	_ = control.SetWriteDeadline(time.Now().Add(limit)) // every server of HTTP/2 can
}

// firstWillDo reports whether the deadline that a request began with bounds the rest as well as a new one would: a client
// has no less time than the limit, which what has not lasted has used up little of, and not a quarter more.
func firstWillDo(limit time.Duration) bool {
	return limit <= listener.AnswerTimeout-limit/8 && limit+limit/4 >= listener.AnswerTimeout
}
