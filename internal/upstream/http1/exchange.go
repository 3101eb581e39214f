package http1

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"time"

	"golang.org/x/net/http/httpguts"
)

// maxInformational bounds the informational responses before an answer.
const maxInformational = 100

// exchange is one request on one connection, and its answer.
type exchange struct {
	transport *Transport
	conn      *conn
	request   *http.Request
	in        *reader
	stop      func() bool // lets the context go; nil where it never ends
	sender    *sender     // nil where nothing is sent beside the answer
	expects   bool        // the body waits for a 100
	written   bool        // something of the request was

	response http.Response
	body     body
}

func newExchange(t *Transport, c *conn, r *http.Request) *exchange {
	x := &exchange{transport: t, conn: c, request: r, in: newReader(c)}
	x.expects = t.Continue > 0 && bodyLength(r) != 0 && httpguts.HeaderValuesContainsToken(r.Header["Expect"], "100-continue")
	if r.Context().Done() != nil {
		x.stop = context.AfterFunc(r.Context(), c.closing)
	}
	return x
}

// run sends the request, of which head is all but the body, and receives the header of the answer.
func (x *exchange) run(head []byte) (*http.Response, error) {
	n, err := x.conn.Write(head)
	if x.written = n > 0; err != nil {
		return nil, err
	}
	switch {
	case bodyLength(x.request) == 0:
		x.limitWait(x.transport.FirstByte)
	case x.expects:
		x.limitWait(x.transport.Continue)
	default:
		x.startBody()
	}
	framing, err := x.receive()
	if err != nil {
		return nil, err
	}
	x.endWait()
	return x.answer(framing)
}

// receive reads headers until one is the answer's.
func (x *exchange) receive() (framing, error) {
	for range maxInformational {
		head, err := x.in.head()
		if err != nil {
			if x.expects && isTimeout(err) { // the application says nothing and waits
				x.goOn()
				continue
			}
			return none, err
		}
		x.response = http.Response{Request: x.request}
		framing, err := parseHead(head, x.request.Method, &x.response)
		if err != nil {
			return none, err
		}
		x.in.start += len(head)
		if code := x.response.StatusCode; code >= 200 || code == http.StatusSwitchingProtocols {
			return framing, nil
		}
		if err := x.inform(); err != nil {
			return none, err
		}
	}
	return none, errors.New("the application sent one informational response after another, and no answer")
}

// inform handles an informational response.
func (x *exchange) inform() error {
	if x.expects && x.response.StatusCode == http.StatusContinue {
		x.goOn()
	}
	if trace := httptrace.ContextClientTrace(x.request.Context()); trace != nil && trace.Got1xxResponse != nil {
		return trace.Got1xxResponse(x.response.StatusCode, textproto.MIMEHeader(x.response.Header))
	}
	return nil
}

// goOn sends the body that has been waiting.
func (x *exchange) goOn() {
	x.expects = false
	_ = x.conn.SetReadDeadline(time.Time{}) // a connection that is closed fails by itself
	x.startBody()
}

// limitWait bounds the time until the answer. The connection says so when it is over.
func (x *exchange) limitWait(limit time.Duration) {
	if limit > 0 {
		_ = x.conn.SetReadDeadline(time.Now().Add(limit)) // a connection that is closed fails by itself
	}
}

// endWait lets the body of the answer take any time.
func (x *exchange) endWait() {
	if x.sender != nil {
		x.sender.mu.Lock()
		defer x.sender.mu.Unlock()
		x.sender.answered = true
	}
	if x.transport.FirstByte > 0 || x.expects {
		_ = x.conn.SetReadDeadline(time.Time{}) // a connection that is closed fails by itself
	}
}

// answer gives the response its body.
func (x *exchange) answer(f framing) (*http.Response, error) {
	r := &x.response
	switch {
	case r.StatusCode == http.StatusSwitchingProtocols:
		if x.stop != nil && !x.stop() {
			return nil, context.Canceled // fail finds out why
		}
		r.Body = newTunnel(x.conn.Conn, x.in)
	case f == none:
		r.Body = http.NoBody
		x.finish()
	default:
		x.body = body{x: x, framing: f, left: max(0, r.ContentLength)}
		r.Body = &x.body
	}
	return r, nil
}

// finish ends an exchange whose answer has been read. The connection is kept where the next answer on it can only be
// that to the next request.
func (x *exchange) finish() {
	kept := !x.response.Close && !x.request.Close && len(x.in.buffered()) == 0 && !x.expects && x.sent()
	if x.stop != nil && !x.stop() {
		kept = false // it is being closed
	}
	x.in.release()
	if kept {
		x.transport.keep(x.conn)
	} else {
		_ = x.conn.Close() // all that was wanted of it has been read
	}
}

// senderWait is how long the end of an answer waits for that of the request. Where both come at the same time, the
// goroutine that sends may be a little late.
const senderWait = 10 * time.Millisecond

// sent reports whether all of the request has been.
func (x *exchange) sent() bool {
	if x.sender == nil {
		return true
	}
	select {
	case <-x.sender.done:
	default:
		timer := time.NewTimer(senderWait)
		defer timer.Stop()
		select {
		case <-x.sender.done:
		case <-timer.C:
			return false
		}
	}
	return x.sender.err == nil
}

// mayGoAgain reports whether a request that failed with an error can be sent on another connection: as far as the
// application is concerned, nothing has happened, or nothing that happening twice would make different.
func (x *exchange) mayGoAgain(err error) bool {
	if !x.conn.reused || !isGone(err) || x.request.Context().Err() != nil || x.sender != nil {
		return false
	}
	return !x.written || mayRepeat(x.request) && !x.in.heard
}

// fail ends an exchange that has come to no answer, and returns why.
func (x *exchange) fail(err error) error {
	_ = x.conn.Close() // err says more
	if x.stop != nil {
		x.stop()
	}
	gone := isGone(err) && !x.in.heard
	x.in.release()
	if ctx := x.request.Context(); ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if x.sender != nil && errors.Is(err, net.ErrClosed) { // by the sender, which has a reason
		<-x.sender.done
		if x.sender.err != nil {
			return x.sender.err
		}
	}
	if gone {
		return fmt.Errorf("%w: %w", errClosed, err)
	}
	return err
}
