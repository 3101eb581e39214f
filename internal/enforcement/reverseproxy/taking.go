package reverseproxy

import (
	"net/http"
	"sync"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/listener"
)

// taking resets the stream of a client of HTTP/2 that leaves what it is sent untaken. A stream without room writes
// nothing to its connection, whose own deadline therefore never comes; it keeps a connection of the application's and
// our memory all the same. Over HTTP/1 that deadline does. A nil taking waits for ever.
type taking struct {
	request *http.Request
	control *http.ResponseController
	timeout time.Duration

	mu    sync.Mutex
	timer *time.Timer // nil until something is sent
	since time.Time   // when the handler began to wait for the client; zero while it does not
}

// watchTaking returns what watches the client take an answer. Streams of gRPC may wait for as long as their ends like.
func watchTaking(r *http.Request, control *http.ResponseController, response *http.Response) *taking {
	if r.ProtoMajor < 2 || isGRPC(response.Header) {
		return nil
	}
	return &taking{request: r, control: control, timeout: listener.SendTimeout(r)}
}

// do carries out what may have to wait for the client.
func (t *taking) do(send func() error) error {
	if t == nil {
		return send()
	}
	t.mu.Lock()
	t.since = time.Now()
	if t.timer == nil {
		t.timer = time.AfterFunc(t.timeout, t.late)
	} else {
		t.timer.Reset(t.timeout)
	}
	t.mu.Unlock()
	err := send()
	t.mu.Lock() // after the handler's end there is no stream to be reset
	t.since = time.Time{}
	t.timer.Stop()
	t.mu.Unlock()
	return err
}

func (t *taking) late() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.since.IsZero() || time.Since(t.since) < t.timeout {
		return // taken just now
	}
	listener.CountRefused(t.request, listener.AnswerUnread)
	_ = t.control.SetWriteDeadline(time.Unix(1, 0))
}

// last says that all has been sent, of which the server may hold a little until the handler has returned.
func (t *taking) last() {
	if t != nil {
		_ = t.control.SetWriteDeadline(time.Now().Add(t.timeout)) // every stream has one
	}
}
