package upstream

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync/atomic"
)

// smallBody is the size up to which a body is not watched: the buffers between us and an application take so much,
// whether it reads or not.
const smallBody = 32 << 10

// watch follows a request whose body may have to be offered again or may not be taken, or whose answer may fall
// silent. Most requests need none.
type watch struct {
	request *http.Request // what is sent: a copy with our body and context
	upload  *upload       // nil without a body
	idle    *stall        // nil where silence is not bounded
	begin   *stall        // bounds the time until the answer begins where the transport does not; nil where it does
	cancel  context.CancelCauseFunc
	ended   atomic.Pointer[TimeoutError] // why we ended the exchange
}

// watch returns what follows a request, or nil where nothing has to.
func (u *Upstream) watch(r *http.Request) *watch {
	sends := r.Body != nil && r.Body != http.NoBody
	unknown := r.ContentLength <= 0 // of a request with a body, 0 says as little as -1
	mayStall := sends && (unknown || r.ContentLength > smallBody)
	again := sends && len(u.addresses) > 1
	// Over HTTP/2, net/http sends what was refused or reset again for a minute, and bounds each attempt by itself.
	repeats := u.multiplexed && !sends
	if !mayStall && !again && !repeats && u.timeouts.Idle == 0 {
		return nil
	}
	w := &watch{}
	ctx := r.Context()
	if mayStall || repeats || u.timeouts.Idle > 0 {
		ctx, w.cancel = context.WithCancelCause(ctx)
	}
	w.request = r.WithContext(ctx)
	if u.timeouts.Idle > 0 {
		w.idle = newStall(u.timeouts.Idle, nil) // at has the rest
	}
	if repeats {
		w.begin = newStall(u.timeouts.Connect+u.timeouts.FirstByte, nil)
	}
	if sends {
		w.upload = &upload{ReadCloser: r.Body, left: r.ContentLength, idle: w.idle}
		if unknown {
			w.upload.left = -1
		}
		if mayStall {
			w.upload.stall = newStall(u.timeouts.FirstByte, nil)
		}
		w.request.Body = w.upload
	}
	return w
}

// at says to which address the request goes now.
func (w *watch) at(a *address) {
	if w.upload != nil && w.upload.stall != nil {
		w.upload.stall.fire = func() {
			w.cancel(a.timeout("took nothing more of the request's body", settingFirstByte, a.timeouts.FirstByte))
		}
	}
	if w.idle != nil {
		w.idle.fire = func() { w.silent(a, nil) }
	}
	if w.begin != nil {
		w.begin.fire = func() { w.cancel(a.timeout(notBegun, settingFirstByte, a.timeouts.FirstByte)) }
		w.begin.note()
		w.begin.start()
	}
}

// silent ends an exchange in which nothing was sent or received for too long. Its answer has begun, so that the log is
// the only place to say why.
func (w *watch) silent(a *address, tunnel io.Closer) {
	var why *TimeoutError
	if !errors.As(a.timeout("sent and took nothing", settingIdle, a.timeouts.Idle), &why) || !w.ended.CompareAndSwap(nil, why) {
		return
	}
	a.log.Warn("an exchange with an application was ended", "upstream", a.url, "error", why)
	w.cancel(why)
	if tunnel != nil { // which a context does not end any more
		_ = tunnel.Close() // whoever reads it is told why
	}
}

// mayOfferAgain reports whether a request that did not leave may be sent to another address. Of a body, nothing may
// have been read.
func (w *watch) mayOfferAgain() bool { return w == nil || w.upload == nil || w.upload.reopen() }

// answered begins to watch the answer instead of the request.
func (w *watch) answered(a *address, response *http.Response) {
	if w.upload != nil {
		w.upload.answered()
	}
	if w.begin != nil {
		w.begin.stop()
	}
	if w.idle == nil {
		return
	}
	if response.StatusCode == http.StatusSwitchingProtocols {
		w.idle.fire = func() { w.silent(a, response.Body) }
	}
	w.idle.note()
	w.idle.start()
}

// failed lets go of a request that nobody answers.
func (w *watch) failed() {
	w.over()
	if w.upload != nil {
		_ = w.upload.ReadCloser.Close() // once more, maybe: a RoundTripper closes the body in any case
	}
}

// over lets go of everything.
func (w *watch) over() {
	if w.upload != nil {
		w.upload.answered()
	}
	if w.idle != nil {
		w.idle.stop()
	}
	if w.begin != nil {
		w.begin.stop()
	}
	if w.cancel != nil {
		w.cancel(nil)
	}
}

// upload is the body of a request on its way to an application.
type upload struct {
	io.ReadCloser
	left  int64  // of its length; negative where that is not known
	stall *stall // nil where it cannot stall
	idle  *stall // nil where silence is not bounded
	begun atomic.Bool
	state atomic.Int32
}

// A transport closes a body also when it has not come to send it. That is kept back for as long as another address
// may be offered the same body.
const (
	uploadOffered int32 = iota
	uploadClosed        // but not yet what is below it
	uploadSettled
)

func (b *upload) Read(p []byte) (int, error) {
	b.begun.Store(true)
	if b.stall != nil {
		b.stall.pause() // now it is the client who is waited for
	}
	n, err := b.ReadCloser.Read(p)
	if b.idle != nil && n > 0 {
		b.idle.note()
	}
	if b.stall != nil {
		b.left -= int64(n)
		if err != nil || b.left == 0 {
			b.stall.stop()
		} else {
			b.stall.note()
			b.stall.start()
		}
	}
	return n, err
}

func (b *upload) Close() error {
	if b.state.CompareAndSwap(uploadOffered, uploadClosed) {
		return nil
	}
	return b.ReadCloser.Close()
}

// reopen makes a body whole again of which nothing was read.
func (b *upload) reopen() bool {
	if b.begun.Load() {
		return false
	}
	b.state.Store(uploadOffered)
	return true
}

// answered says that no other address will be offered the body.
func (b *upload) answered() {
	if b.stall != nil {
		b.stall.stop()
	}
	if b.state.Swap(uploadSettled) == uploadClosed {
		_ = b.ReadCloser.Close() // the body of a request to a server: nothing can fail
	}
}

// answer is the body of a response. The address counts the request until it is closed.
type answer struct {
	io.ReadCloser
	address *address
	watch   *watch // nil for most
	closed  atomic.Bool
}

func (b *answer) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if b.watch == nil {
		return n, err
	}
	return n, b.watch.passed(n, err)
}

func (b *answer) Close() error {
	if b.closed.Swap(true) {
		return nil
	}
	err := b.ReadCloser.Close()
	b.address.inFlight.Add(-1)
	if b.watch != nil {
		b.watch.over()
	}
	return err
}

// passed notes that bytes of an answer have, and says why where it was us who ended it.
func (w *watch) passed(n int, err error) error {
	if w.idle != nil && n > 0 {
		w.idle.note()
	}
	if err != nil && !errors.Is(err, io.EOF) {
		if why := w.ended.Load(); why != nil {
			return why
		}
	}
	return err
}

// tunnel is the body of a response after which both sides speak another protocol.
type tunnel struct {
	*answer
	to io.Writer
}

func (t *tunnel) Write(p []byte) (int, error) {
	n, err := t.to.Write(p)
	if t.watch == nil {
		return n, err
	}
	return n, t.watch.passed(n, err)
}

// follow returns the body of an answer so that its end is noticed.
func (a *address) follow(body io.ReadCloser, w *watch) io.ReadCloser {
	followed := &answer{ReadCloser: body, address: a, watch: w}
	if to, both := body.(io.Writer); both {
		return &tunnel{followed, to}
	}
	if body == http.NoBody {
		_ = followed.Close() // nobody waits for the end of nothing, and not everybody closes it
		return body
	}
	return followed
}
