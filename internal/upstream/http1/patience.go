package http1

import (
	"context"
	"time"
)

// patience is how long an exchange may take before the end of the request's context is followed, rather than looked at:
// most are over by then. A canceled request ends within this time.
const patience = 50 * time.Millisecond

// ask sends a request without a body and waits for the beginning of the answer.
func (x *exchange) ask(head []byte, now time.Duration) error {
	doze := patience
	if limit := x.transport.FirstByte; limit > 0 {
		doze, x.limit = min(doze, limit), now+limit
	}
	x.dozes = true
	x.conn.wakeWithin(doze, now)
	for {
		written, received, err := x.conn.ask(head, x.in.room())
		x.written = written > 0
		x.in.received(received)
		switch {
		case err != nil && (!isTimeout(err) || !x.dozeOn()):
			return err
		case err != nil && written == 0: // the process stood still, and nothing was asked
			continue
		case written < len(head):
			return x.askOn(head[written:])
		}
		return nil
	}
}

// askOn sends what the system did not take at once. The time until the answer begins with its end.
func (x *exchange) askOn(rest []byte) error {
	x.follow()
	err := x.write(rest)
	if x.limit != 0 {
		x.limit = clock() + x.transport.FirstByte
	}
	return err
}

// Read receives what comes on the connection.
func (x *exchange) Read(p []byte) (int, error) {
	for {
		n, err := x.conn.Read(p)
		if err == nil || !isTimeout(err) || !x.dozeOn() {
			return n, err
		}
	}
}

// dozeOn reports whether there is more time when the deadline of the connection has passed. What takes so long is
// followed by its context from now on.
func (x *exchange) dozeOn() bool {
	if !x.dozes || x.limit != 0 && clock() >= x.limit {
		return false
	}
	x.follow()
	x.conn.setDeadline(x.limit)
	return true
}

// follow has the end of the request's context close the connection.
func (x *exchange) follow() {
	if x.stop == nil {
		x.stop = context.AfterFunc(x.request.Context(), x.conn.closing)
	}
}
