package upstream

import (
	"context"
	"crypto/tls"
	"io"
	"net/http"
	"net/http/httptrace"
	"sync/atomic"

	"github.com/gatehouse-iap/gatehouse/internal/upstream/http1"
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
	// Over HTTP/2, net/http sends what was refused or reset again for a minute, bounds each attempt by itself, and does not
	// ask what the method is.
	repeats := u.multiplexed && !sends
	if !mayStall && !again && !repeats && u.timeouts.Idle == 0 {
		return nil
	}
	w := &watch{}
	ctx := r.Context()
	if mayStall || repeats || u.timeouts.Idle > 0 {
		ctx, w.cancel = context.WithCancelCause(ctx)
	}
	if repeats && !http1.MayRepeat(r) {
		ctx = sentOnce(ctx, w.cancel)
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

// sentOnce has a request canceled when it is about to be sent for the second time over HTTP/2. For the transport it is the
// same whether the application has refused the first or has reset it, maybe after it has done what it says. Over HTTP/1.1 the
// transport makes the difference.
func sentOnce(ctx context.Context, cancel context.CancelCauseFunc) context.Context {
	var multiplexed, sent atomic.Bool
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(info httptrace.GotConnInfo) {
			if sent.Load() {
				cancel(errNotTaken)
			}
			secure, overTLS := info.Conn.(*tls.Conn)
			multiplexed.Store(!overTLS || secure.ConnectionState().NegotiatedProtocol == "h2")
		},
		WroteHeaders: func() {
			if multiplexed.Load() {
				sent.Store(true)
			}
		},
	})
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
	why := a.timeout("sent and took nothing", settingIdle, a.timeouts.Idle)
	w.ended.Store(why)
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
