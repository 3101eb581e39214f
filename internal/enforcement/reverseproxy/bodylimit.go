package reverseproxy

import (
	"errors"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/listener"
	"github.com/gatehouse-iap/gatehouse/internal/policy"
)

var (
	errBodyTooLarge = errors.New("the body is longer than the service takes")
	errBodyTooSlow  = errors.New("the body stood still")
)

// limitedBody ends a request's body at the length that the service takes, and where it stands still while the
// application waits for it. A round trip may read it on a goroutine of its own, even after the handler has returned.
type limitedBody struct {
	io.ReadCloser
	request *http.Request
	control *http.ResponseController
	most    int64         // 0 is no limit
	timeout time.Duration // 0 is none
	read    int64

	mu    sync.Mutex
	since time.Time     // when the client began to be waited for; zero while it is not
	timer *time.Timer   // looks whether that lasts; nil until the client was waited for
	done  bool          // what stands still is not ours to end any more
	cut   policy.Reason // why it was ended; "" where it was not
	broke bool          // the client did not send all of it
}

// limitBody puts the limits around the body of a request that was let through. It returns nil where there is no body,
// and for CONNECT, whose body is a tunnel.
func limitBody(w http.ResponseWriter, r *http.Request, most int64) *limitedBody {
	if r.ContentLength == 0 || r.Body == nil || r.Body == http.NoBody || r.Method == http.MethodConnect {
		return nil
	}
	b := &limitedBody{ReadCloser: r.Body, request: r, control: http.NewResponseController(w), most: most}
	r.Body = b
	// A stream of gRPC may be silent for as long as its ends like: HTTP/2 has pings for what is dead. Over HTTP/1 there
	// is none, and whoever writes its name there wants to keep a connection of the application's for nothing.
	if r.ProtoMajor < 2 || !isGRPC(r.Header) {
		b.timeout = listener.BodyTimeout(r)
	}
	if most > 0 && r.ContentLength > most {
		b.end(policy.BodyTooLarge)
	}
	return b
}

func (b *limitedBody) Read(p []byte) (int, error) {
	b.waits()
	n, err := b.ReadCloser.Read(p)
	slow := b.came()
	b.read += int64(n)
	switch {
	case b.most > 0 && b.read > b.most:
		b.end(policy.BodyTooLarge)
		return 0, errBodyTooLarge
	case err != nil && slow:
		return n, errBodyTooSlow
	case err != nil:
		b.ends(err)
	}
	return n, err
}

// ends lets nothing be ended any more, and notes whether there is somebody to answer.
func (b *limitedBody) ends(err error) {
	b.mu.Lock()
	b.broke = b.broke || !b.done && err != io.EOF
	b.mu.Unlock()
	b.release()
}

// isBroken reports whether the client did not send all that it announced, before the application answered: that is not
// the application's fault.
func (b *limitedBody) isBroken() bool {
	if b == nil {
		return false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.broke
}

// waits and came stand around every read. The time in between is the client's. What the application takes to accept what
// came is its own: a deadline would pass meanwhile, and in HTTP/2 one that has passed ends the stream's body for ever.
func (b *limitedBody) waits() {
	if b.timeout == 0 {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.done {
		return
	}
	b.since = time.Now()
	if b.timer == nil {
		b.timer = time.AfterFunc(b.timeout, b.look)
	}
}

// came reports whether the client was too slow.
func (b *limitedBody) came() bool {
	if b.timeout == 0 {
		return false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.since = time.Time{}
	return b.cut == policy.BodyTooSlow
}

// look ends a body that has stood still for all of its time, and looks again later where it has not. The reason is known
// before the deadline passes: the server takes that for the end of its client, and ends the context of the request.
func (b *limitedBody) look() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.done {
		return
	}
	left := b.timeout
	if !b.since.IsZero() {
		left -= time.Since(b.since)
	}
	if left > 0 {
		b.timer.Reset(left)
		return
	}
	b.endLocked(policy.BodyTooSlow)
	_ = b.control.SetReadDeadline(time.Unix(1, 0)) // where there are no deadlines, nothing can be waited for
}

// release ends the watch: the body has ended, or the application answers, and may now let the client be silent for as
// long as it likes. It must be called before the handler returns, after which a deadline is another request's.
func (b *limitedBody) release() {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.done = true
	if b.timer != nil {
		b.timer.Stop()
	}
}

func (b *limitedBody) end(why policy.Reason) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.endLocked(why)
}

// endLocked is called with mu held.
func (b *limitedBody) endLocked(why policy.Reason) {
	if b.cut != "" {
		return
	}
	b.cut, b.done = why, true
	if why == policy.BodyTooLarge {
		listener.CountRefused(b.request, listener.BodyTooLarge)
	} else {
		listener.CountRefused(b.request, listener.BodyTooSlow)
	}
}

// wasCut reports whether the body was ended for a limit. The server takes a passed deadline for the end of its client.
func (b *limitedBody) wasCut() bool {
	_, why := b.verdict()
	return why != ""
}

// verdict returns what the client is told when the body was ended for a limit: a status and a reason, or zero.
func (b *limitedBody) verdict() (int, policy.Reason) {
	if b == nil {
		return 0, ""
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	switch b.cut {
	case policy.BodyTooLarge:
		return http.StatusRequestEntityTooLarge, b.cut
	case policy.BodyTooSlow:
		return http.StatusRequestTimeout, b.cut
	}
	return 0, ""
}

// stopsReading tells a client of HTTP/1 that the rest of its body is not read. In HTTP/2 the stream says so.
func stopsReading(w http.ResponseWriter, r *http.Request) {
	if r.ProtoMajor == 1 {
		w.Header().Set("Connection", "close")
	}
}
