package reverseproxy

import (
	"net/http"
	"sync"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/listener"
)

// patience bounds how long a client of HTTP/2 may take nothing of what a stream sends. The connection cannot: it is
// lively, and it is the stream that the client gives no room. Meanwhile it keeps a connection of the application's and
// our memory. Over HTTP/1 the connection's own deadline does, and patience is nil.
type patience struct {
	request *http.Request
	control *http.ResponseController
	limit   time.Duration

	mu    sync.Mutex
	timer *time.Timer // nil before the first write
	since time.Time   // when the handler began to wait for the client; zero while it does not
}

func patienceWith(r *http.Request, control *http.ResponseController) *patience {
	if r.ProtoMajor < 2 {
		return nil
	}
	return &patience{request: r, control: control, limit: listener.SendTimeout(r)}
}

// patienceOverAnswer is that for an answer. Streams of gRPC may wait for as long as their ends like.
func patienceOverAnswer(r *http.Request, control *http.ResponseController, response *http.Response) *patience {
	if isGRPC(response.Header) {
		return nil
	}
	return patienceWith(r, control)
}

// begins is called before something is sent, and ends after that. The application may be silent for as long as it likes.
func (p *patience) begins() {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.since = time.Now()
	if p.timer == nil {
		p.timer = time.AfterFunc(p.limit, p.reset)
	} else {
		p.timer.Reset(p.limit)
	}
}

// ends must have been called before the handler returns: then there is no stream to be reset.
func (p *patience) ends() {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.since = time.Time{}
	p.timer.Stop()
}

func (p *patience) reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.since.IsZero() || time.Since(p.since) < p.limit {
		return // taken just now
	}
	listener.CountRefused(p.request, listener.AnswerUnread)
	_ = p.control.SetWriteDeadline(time.Unix(1, 0)) // resets the stream
}
