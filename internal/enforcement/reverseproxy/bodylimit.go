package reverseproxy

import (
	"errors"
	"io"
	"net/http"
	"os"
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
	armed time.Time     // when the deadline in force was set
	done  bool          // the deadline is not ours any more
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
	b.arm()
	n, err := b.ReadCloser.Read(p)
	b.read += int64(n)
	switch {
	case b.most > 0 && b.read > b.most:
		b.end(policy.BodyTooLarge)
		return 0, errBodyTooLarge
	case err != nil && errors.Is(err, os.ErrDeadlineExceeded) && b.timed():
		b.end(policy.BodyTooSlow)
		return n, errBodyTooSlow
	case err != nil:
		b.ends(err)
	}
	return n, err
}

// ends takes the deadline off, and notes whether there is somebody to answer.
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

// arm moves the deadline on. It does so now and then only: HTTP/2 asks the connection's one goroutine for it. The
// deadline is later by as much as one in force may be old, so that nobody has less time than was promised.
func (b *limitedBody) arm() {
	if b.timeout == 0 {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if now := time.Now(); !b.done && now.Sub(b.armed) > b.slack() {
		b.armed = now
		_ = b.control.SetReadDeadline(b.deadline()) // where there are no deadlines, nothing can be waited for
	}
}

func (b *limitedBody) slack() time.Duration { return b.timeout / 4 }

func (b *limitedBody) deadline() time.Time { return b.armed.Add(b.timeout + b.slack()) }

// overdue ends the body where its deadline has passed. The server takes that for the end of its client, and ends the
// context of the request before whoever reads the body hears of it: a round trip may give up first.
func (b *limitedBody) overdue() {
	if b == nil {
		return
	}
	b.mu.Lock()
	late := !b.done && !b.armed.IsZero() && !time.Now().Before(b.deadline())
	b.mu.Unlock()
	if late {
		b.end(policy.BodyTooSlow)
	}
}

func (b *limitedBody) timed() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return !b.done && !b.armed.IsZero()
}

// release takes the deadline off: the body has ended, or the application answers, and may now let the client be silent
// for as long as it likes. It must be called before the handler returns, after which the deadline is another request's.
func (b *limitedBody) release() {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.done && !b.armed.IsZero() {
		_ = b.control.SetReadDeadline(time.Time{})
	}
	b.done = true
}

// abandon leaves the deadline to somebody else: nothing of the body is to be read any more.
func (b *limitedBody) abandon() {
	if b == nil {
		return
	}
	b.mu.Lock()
	b.done = true
	b.mu.Unlock()
}

func (b *limitedBody) end(why policy.Reason) {
	b.mu.Lock()
	defer b.mu.Unlock()
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
