package http1

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"
)

// maxInformational bounds the informational responses before an answer.
const maxInformational = 100

// exchange is one request on one connection, and its answer.
type exchange struct {
	transport *Transport
	conn      *conn
	request   *http.Request
	outgoing  Outgoing
	in        *reader
	stop      func() bool // lets the context go; nil where it is not followed
	sender    *sender     // nil where nothing is sent beside the answer
	expects   bool        // the body waits for a 100
	written   bool        // something of the request was
	// Where dozes is set, the deadline of the connection is there to look at the context and at limit, which bounds the
	// time until the answer; zero does not. Otherwise the deadline is the limit, and the context is followed.
	dozes bool
	limit time.Duration // by clock

	response http.Response
	body     body
	values   [usualFields]string
}

func newExchange(t *Transport, c *conn, r *http.Request, o Outgoing) *exchange {
	x := &exchange{transport: t, conn: c, request: r, outgoing: o}
	x.in = newReader(x)
	return x
}

// run sends the request, of which head is all but the body, and receives the header of the answer.
func (x *exchange) run(head []byte, now time.Duration) (*http.Response, error) {
	if err := x.send(head, now); err != nil {
		return nil, err
	}
	framing, err := x.receive()
	if err != nil {
		return nil, err
	}
	x.endWait()
	if err := x.request.Context().Err(); err != nil {
		return nil, err
	}
	return x.answer(framing)
}

// send writes the request. Where it has no body, that receives the beginning of the answer too, or is content that
// nothing has come for a while.
func (x *exchange) send(head []byte, now time.Duration) error {
	hasBody := bodyLength(x.request) != 0
	if x.conn.raw != nil && !hasBody {
		return x.ask(head, now)
	}
	x.follow()
	x.conn.setDeadline(0)
	if err := x.sendHead(head); err != nil {
		return err
	}
	switch {
	case !hasBody:
		x.limitWait(x.transport.FirstByte)
	case x.expects:
		x.limitWait(x.transport.Continue)
	default:
		x.startBody()
	}
	return nil
}

// sendHead sends what stands before a body.
func (x *exchange) sendHead(head []byte) error {
	if x.conn.raw == nil {
		return x.write(head)
	}
	written, _, err := x.conn.ask(head, nil)
	if x.written = written > 0; err == nil && written < len(head) {
		err = x.write(head[written:])
	}
	return err
}

func (x *exchange) write(part []byte) error {
	n, err := x.conn.Write(part)
	x.written = x.written || n > 0
	return err
}

// receive reads headers until one is the answer's.
func (x *exchange) receive() (framing, error) {
	space := x.values[:]
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
		framing, err := parseHead(head, x.request.Method, &x.response, space)
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
		space = nil // whoever was informed may have kept it
	}
	return none, errors.New("the application sent one informational response after another, and no answer")
}

// inform handles an informational response.
func (x *exchange) inform() error {
	if x.expects && x.response.StatusCode == http.StatusContinue {
		x.goOn()
	}
	return x.outgoing.Inform(x.response.StatusCode, x.response.Header)
}

// goOn sends the body that has been waiting.
func (x *exchange) goOn() {
	x.expects = false
	x.conn.setDeadline(0)
	x.startBody()
}

// limitWait bounds the time until the answer. The connection says so when it is over.
func (x *exchange) limitWait(limit time.Duration) {
	if limit > 0 {
		x.conn.setDeadline(clock() + limit)
	}
}

// endWait lets the body of the answer take any time.
func (x *exchange) endWait() {
	if x.sender != nil {
		x.sender.mu.Lock()
		defer x.sender.mu.Unlock()
		x.sender.answered = true
	}
	if x.limit = 0; !x.dozes {
		x.conn.setDeadline(0)
	}
}

// answer gives the response its body.
func (x *exchange) answer(f framing) (*http.Response, error) {
	r := &x.response
	switch {
	case r.StatusCode == http.StatusSwitchingProtocols:
		x.conn.setDeadline(0)
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
	return !x.written || MayRepeat(x.request) && !x.in.heard
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
