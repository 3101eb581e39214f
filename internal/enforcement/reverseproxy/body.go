package reverseproxy

import (
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// lingering is how long a client may go on sending a body that nobody wants any more.
const lingering = time.Second

// outgoingBody gives the outgoing request its body and trailers. It returns nil when there is no body.
func outgoingBody(out, in *http.Request, exact []string, hints *hints) *requestBody {
	if in.ContentLength == 0 || in.Body == nil || in.Body == http.NoBody {
		// HTTP/2 lets a request announce trailers and end with its header: there is nothing that they could follow.
		out.Body, out.Trailer = nil, nil
		return nil
	}
	body := &requestBody{from: in, announced: outgoingTrailer(in.Trailer, exact)}
	if in.ProtoMajor == 1 && hasToken(in.Header["Expect"], "100-continue") {
		body.hints = hints
	}
	out.Body, out.Trailer = body, body.announced
	return body
}

// outgoingTrailer applies the rules of headers to the trailers that the client announced. Values come with the end
// of the body, and are copied then.
func outgoingTrailer(trailer http.Header, exact []string) http.Header {
	var announced http.Header
	for name := range trailer {
		if !isTrailer(name, exact) {
			continue
		}
		if announced == nil {
			announced = http.Header{}
		}
		announced[name] = nil
	}
	return announced
}

// requestBody is the client's body as a round trip reads it. That may close the body before the client has sent it, or
// read on when the answer is there and even when it has ended. The server must neither wait for the rest of a body that
// nobody wants nor take it for the next request. A nil requestBody is a request without a body.
type requestBody struct {
	from      *http.Request
	announced http.Header
	hints     *hints      // nil where the server says nothing when the body is read
	begun     atomic.Bool // somebody has read from it
	ended     atomic.Bool // all of it has been read
	over      atomic.Bool // nobody may read any more

	reading sync.Mutex // held during each read
}

func (b *requestBody) Read(p []byte) (int, error) {
	b.reading.Lock()
	defer b.reading.Unlock()
	if b.over.Load() {
		return 0, http.ErrBodyReadAfterClose
	}
	first := !b.begun.Swap(true) && b.hints != nil
	if first {
		b.hints.reads(true)
	}
	n, err := b.from.Body.Read(p)
	if first {
		b.hints.reads(false)
	}
	if err == io.EOF {
		for name := range b.announced {
			b.announced[name] = b.from.Trailer[name]
		}
		b.ended.Store(true)
	}
	return n, err
}

// Close leaves a body of HTTP/1 open: the server closes it when the request has been answered. That of a stream is
// closed, which ends a read that is under way: a round trip waits for that one before it gives its answer up.
func (b *requestBody) Close() error {
	if b.from.ProtoMajor >= 2 {
		return b.from.Body.Close()
	}
	return nil
}

// answering prepares the connection for an answer that begins before the body has ended. The server of HTTP/1 would
// swallow the rest of the body first; and afterwards it would take what is left of it for the client's next request, so
// there must be none on this connection. HTTP/2 has streams.
func (b *requestBody) answering(w http.ResponseWriter, control *http.ResponseController) {
	if b == nil || b.ended.Load() {
		return
	}
	if !b.begun.Load() && hasToken(b.from.Header["Expect"], "100-continue") {
		b.over.Store(true) // the client sends nothing after this answer
	}
	if b.from.ProtoMajor == 1 {
		_ = control.EnableFullDuplex() // every server of HTTP/1 can
		w.Header().Set("Connection", "close")
	}
}

// linger is called when the whole answer is written. The server closes the body next, and what a client that goes on
// sending has to receive before it sees the end of the connection is the answer. It has some time for that, no more.
// In HTTP/2 the answer has an end of its own, which comes when the request has been seen to: a client that sends for as
// long as it listens, as in gRPC, must not be waited for.
func (b *requestBody) linger(control *http.ResponseController) {
	if b == nil || b.ended.Load() {
		return
	}
	b.over.Store(true)
	if b.from.ProtoMajor >= 2 {
		return
	}
	_ = control.Flush()
	if control.SetReadDeadline(time.Now().Add(lingering)) == nil {
		// The server would take the deadline back to end a read that is under way.
		b.reading.Lock()
		//lint:ignore SA2001 the read is over, and there will be no other
		b.reading.Unlock()
	}
}

// release ends the use of the body: the request is over, however it went.
func (b *requestBody) release() {
	if b != nil {
		b.over.Store(true)
	}
}
