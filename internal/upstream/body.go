package upstream

import (
	"errors"
	"io"
	"net/http"
	"sync/atomic"
)

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

// Ready reports whether a read returns without waiting, where the transport knows.
func (b *answer) Ready() bool {
	can, tells := b.ReadCloser.(interface{ Ready() bool })
	return tells && can.Ready()
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

// CloseWrite tells the application that nothing more will be sent, where the connection can say that.
func (t *tunnel) CloseWrite() error {
	if half, can := t.to.(interface{ CloseWrite() error }); can {
		return half.CloseWrite()
	}
	return t.Close()
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
