package reverseproxy

import (
	"net/http"
	"sync"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/listener"
)

// patience bounds how long a client of HTTP/2 may take nothing of what a stream sends. The connection cannot: it is
// lively, and it is the stream that the client gives no room. Over HTTP/1 the connection does, and patience is nil.
type patience struct {
	control *http.ResponseController
	limit   time.Duration
	timer   *time.Timer // nil before the first write

	mu   sync.Mutex
	over bool // the stream is not ours any more
}

func patienceWith(r *http.Request, control *http.ResponseController) *patience {
	if r.ProtoMajor < 2 {
		return nil
	}
	return &patience{control: control, limit: listener.SendTimeout(r)}
}

// begins is called before something is sent, and ends after that. The application may be silent for as long as it likes.
func (p *patience) begins() {
	switch {
	case p == nil:
	case p.timer == nil:
		p.timer = time.AfterFunc(p.limit, p.reset)
	default:
		p.timer.Reset(p.limit)
	}
}

func (p *patience) ends() {
	if p != nil {
		p.timer.Stop()
	}
}

func (p *patience) reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.over {
		_ = p.control.SetWriteDeadline(time.Unix(1, 0)) // resets the stream
	}
}

// release must be called before the handler returns.
func (p *patience) release() {
	if p == nil {
		return
	}
	p.mu.Lock()
	p.over = true
	p.mu.Unlock()
	if p.timer != nil {
		p.timer.Stop()
	}
}

// limitRest bounds what the server sends by itself when the handler has returned.
func limitRest(r *http.Request, control *http.ResponseController) {
	if r.ProtoMajor >= 2 {
		_ = control.SetWriteDeadline(time.Now().Add(listener.SendTimeout(r))) // every server of HTTP/2 can
	}
}
