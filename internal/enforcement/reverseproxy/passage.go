package reverseproxy

import (
	"context"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/enforcement"
	"github.com/gatehouse-iap/gatehouse/internal/exchange"
	"github.com/gatehouse-iap/gatehouse/internal/exchange/framing"
)

// grace is how long an event or a message that is under way may take to end once its stream is to end, and twice that
// a client that does not read.
const grace = 250 * time.Millisecond

// passage is a request on its way, as the registry of exchanges knows it. A nil one is known to nobody and never told
// to end.
type passage struct {
	handler  *Handler
	watch    watch
	request  enforcement.Request
	verdict  enforcement.Verdict
	control  http.ResponseController
	entry    *exchange.Exchange // nil once it is done
	registry *exchange.Registry

	target url.URL
	header outgoing
	out    http.Request // what is sent
	hints  hints
	times  times

	mu    sync.Mutex
	kind  exchange.Kind
	body  *limitedBody     // the request's; nil without one
	parts parts            // of the answer, where it consists of some
	whole bool             // the answer stands between two of them
	begun bool             // the answer has begun
	stop  func()           // has the next read of the answer fail
	why   *exchange.Ending // it is to end
}

// watcher returns what watches the request; nil where nobody does.
func (p *passage) watcher() *watch {
	if p == nil {
		return nil
	}
	return &p.watch
}

// parts follows an answer.
type parts interface {
	Next(p []byte) (int, error)
	Whole() bool
}

// begin makes the request known, should it last.
func (p *passage) begin(registry *exchange.Registry, w http.ResponseWriter, r *http.Request) {
	p.registry, p.control = registry, *http.NewResponseController(w)
	if r.ProtoMajor >= 2 && isGRPC(r.Header) {
		p.kind, p.parts, p.whole = exchange.GRPC, &framing.GRPC{}, true
	}
	p.entry = registry.Begin(p.kind, p)
}

// carries says what the body of the request is.
func (p *passage) carries(body *limitedBody) {
	p.mu.Lock()
	p.body = body
	p.mu.Unlock()
}

// done ends what begin began, once.
func (p *passage) done() {
	if p.entry != nil {
		p.entry.Done()
		p.entry = nil
	}
}

// Decision implements exchange.Carrier.
func (p *passage) Decision() exchange.Decision {
	p.lasts()
	return p.handler.Point.Admission(&p.request, &p.verdict)
}

// Used implements exchange.Carrier. A request that has not been answered in full is being used, but for events, which
// flow to pages that nobody looks at.
func (p *passage) Used() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.kind != exchange.EventStream
}

// End implements exchange.Carrier.
func (p *passage) End(why exchange.Ending) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.kind == exchange.GRPC && why.Reason == "" && !why.Late && !p.begun {
		return false // it may be a call with one answer, which is waited for
	}
	p.why = &why
	switch {
	case p.kind == exchange.HTTP:
		// The server takes the first for the end of the client, and the second keeps nobody waiting who writes to it.
		// An upload is read on until its reader comes by.
		p.body.release()
		past := time.Unix(1, 0)
		_, _ = p.control.SetReadDeadline(past), p.control.SetWriteDeadline(past)
		return true
	case p.stop == nil: // the round trip has not begun, and finds out
	case p.whole:
		go p.stop()
	default:
		time.AfterFunc(grace, p.stop)
	}
	_ = p.control.SetWriteDeadline(time.Now().Add(2 * grace))
	return true
}

// context returns the context of the round trip. It has ended if the exchange was told to end before: what that did to
// the client's side may have been undone since.
func (p *passage) context(ctx context.Context) (context.Context, context.CancelFunc) {
	if p == nil {
		return ctx, func() {}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.kind != exchange.GRPC && p.why == nil {
		return ctx, func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	if p.stop = cancel; p.why != nil {
		cancel()
	}
	return ctx, cancel
}

// answering says what the answer is, before it is copied.
func (p *passage) answering(response *http.Response) {
	if p == nil {
		return
	}
	events := isEventStream(response.Header)
	p.mu.Lock()
	p.begun = true
	if events {
		p.kind, p.parts, p.whole = exchange.EventStream, &framing.EventStream{}, true
	}
	if p.parts != nil {
		// For gRPC too: a transport of HTTP/2 that waits for more of the request looks at nothing else.
		p.stop = func() { _ = response.Body.Close() }
	}
	if p.why != nil && p.stop != nil { // it was told so before there was anything to stop
		go p.stop()
	}
	p.mu.Unlock()
	if events {
		p.entry.Enter(exchange.EventStream)
	}
}

// follow returns what is to be passed on of a piece of the answer, and whether the answer ends with that.
func (p *passage) follow(piece []byte) (pass []byte, ends bool) {
	if p == nil || p.parts == nil {
		return piece, false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.why == nil {
		for rest := piece; len(rest) > 0; {
			n, _ := p.parts.Next(rest) // events and messages cannot be wrong
			rest = rest[n:]
		}
		p.whole = p.parts.Whole()
		return piece, false
	}
	if p.whole {
		return nil, true
	}
	n, _ := p.parts.Next(piece)
	p.whole = p.parts.Whole()
	return piece[:n], p.whole
}

// hasEnded reports whether the exchange has been told to end.
func (p *passage) hasEnded() bool {
	if p == nil {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.why != nil
}

// sayWhy ends the answer as its kind is ended: a call with a status, events just so, anything else is cut.
func (p *passage) sayWhy(w http.ResponseWriter) {
	p.mu.Lock()
	kind, begun, why := p.kind, p.begun, *p.why
	p.mu.Unlock()
	switch kind {
	case exchange.EventStream:
	case exchange.GRPC:
		prefix := http.TrailerPrefix
		if !begun {
			beginCall(w.Header())
			prefix = ""
		}
		endCall(w.Header(), prefix, grpcStatus(why), saying(why))
	default:
		panic(http.ErrAbortHandler)
	}
}

// saying is what people and programs are told about an end.
func saying(why exchange.Ending) string {
	if why.Reason == "" {
		return "the gate is stopping: connect again"
	}
	return string(why.Reason) + ": " + why.Reason.Describe().Title
}
