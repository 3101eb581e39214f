// Package tunnel carries a WebSocket between a client and an application. What the client sends passes as it is; what
// the application sends is followed frame by frame, so that the gate can say Close between two of them.
package tunnel

import (
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/exchange/framing"
)

const (
	// smallBuffer is what each direction holds while nothing comes: there are many WebSockets, and most are idle.
	smallBuffer = 512
	// largeBuffer is what a direction borrows while much comes.
	largeBuffer = 4 << 10
	// grace is how long a frame that is under way may take to end, and a write to a client that does not read, once the
	// tunnel is to end.
	grace = 250 * time.Millisecond
	// lingering is how long a client is waited for that has been told Close. A connection that is closed before
	// everything from the client has been read is reset, and the Close may be lost with it.
	lingering = time.Second
	// farewell is how long an application may go on that has been told that the client sends no more.
	farewell = 5 * time.Second
)

// Client is the client's side. A write sends at once.
type Client interface {
	io.ReadWriteCloser
	SetReadDeadline(t time.Time) error
	SetWriteDeadline(t time.Time) error
	// CloseWrite says that nothing more comes.
	CloseWrite() error
}

// Tunnel is one WebSocket. Fill in the exported fields, then call Run once.
type Tunnel struct {
	Client Client
	App    io.ReadWriteCloser
	// Early is what the client has sent already.
	Early []byte
	// Extensions says that the handshake agreed on some.
	Extensions bool

	used  atomic.Bool // the client has sent something
	ended atomic.Bool // nothing of the client's reaches the application any more

	mu      sync.Mutex // held while something is written to the client
	frames  framing.WebSocket
	closing []byte // the Close to be said
	over    bool   // nothing may be written to the client any more

	up, down [smallBuffer]byte
}

// Used reports whether the client has sent something since the last call.
func (t *Tunnel) Used() bool { return t.used.Load() && t.used.Swap(false) }

// Run carries bytes until one side has ended or End was called. Then both sides are closed. It returns
// framing.ErrWebSocket when the application sent what no WebSocket server sends, nil otherwise.
func (t *Tunnel) Run() error {
	t.mu.Lock()
	t.frames.Extensions = t.Extensions
	t.mu.Unlock()
	uploaded := make(chan struct{})
	go func() {
		defer close(uploaded)
		t.upload()
	}()
	err := pour(t.App, t.down[:], t.deliver)
	t.ended.Store(true)
	_ = t.App.Close()
	t.mu.Lock()
	t.over = true
	t.mu.Unlock()
	if err != framing.ErrWebSocket && t.Client.CloseWrite() == nil {
		_ = t.Client.SetReadDeadline(time.Now().Add(lingering))
		<-uploaded
	}
	_ = t.Client.Close() // it ends the other direction too
	<-uploaded
	if err == framing.ErrWebSocket {
		return err
	}
	return nil
}

// upload hands on what the client sends, and takes note of what comes after the end.
func (t *Tunnel) upload() {
	send := func(p []byte) error {
		if t.ended.Load() {
			return nil
		}
		if !t.used.Load() {
			t.used.Store(true)
		}
		_, err := t.App.Write(p)
		if t.ended.Load() {
			return nil
		}
		return err
	}
	err := send(t.Early)
	t.Early = nil
	if err == nil {
		err = pour(t.Client, t.up[:], send)
	}
	if half, can := t.App.(interface{ CloseWrite() error }); can && err == io.EOF && half.CloseWrite() == nil {
		time.AfterFunc(farewell, func() { _ = t.App.Close() })
		return
	}
	_ = t.App.Close()
}

// deliver hands on what the application sends, up to where the tunnel is to end.
func (t *Tunnel) deliver(p []byte) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.over {
		return io.EOF
	}
	if t.closing == nil {
		if err := t.frames.Follow(p); err != nil {
			return err
		}
		_, err := t.Client.Write(p)
		return err
	}
	n, err := t.frames.Next(p)
	if err != nil {
		return err
	}
	if _, err := t.Client.Write(p[:n]); err != nil {
		return err
	}
	if t.frames.Whole() {
		t.sayClose()
		return io.EOF
	}
	return nil
}

// sayClose says Close, unless the application has. It is called with mu held, between two frames.
func (t *Tunnel) sayClose() {
	if !t.frames.Closed() {
		_, _ = t.Client.Write(t.closing) // who does not hear it finds the connection closed
	}
	t.over = true
}

// End says Close to the client as soon as the frame that is under way has ended, and ends the tunnel. From now on
// nothing of the client's reaches the application. It does not wait.
func (t *Tunnel) End(code uint16, text string) {
	t.ended.Store(true)
	_ = t.Client.SetWriteDeadline(time.Now().Add(grace)) // whoever holds mu may be writing
	go t.end(framing.Close(code, text))
}

func (t *Tunnel) end(closing []byte) {
	t.mu.Lock()
	t.closing = closing
	if !t.over && t.frames.Whole() {
		t.sayClose()
	}
	over := t.over
	t.mu.Unlock()
	if over {
		_ = t.App.Close() // Run sees to the rest
		return
	}
	time.AfterFunc(grace, func() { _ = t.App.Close() })
}

var buffers = sync.Pool{New: func() any { return new([largeBuffer]byte) }}

// pour hands on what it reads until that fails. It borrows a larger buffer only while the small one does not do.
func pour(from io.Reader, small []byte, to func([]byte) error) error {
	var large *[largeBuffer]byte
	giveBack := func() {
		if large != nil {
			buffers.Put(large)
			large = nil
		}
	}
	defer giveBack()
	buffer := small
	for {
		n, err := from.Read(buffer)
		if n > 0 {
			if err := to(buffer[:n]); err != nil {
				return err
			}
		}
		switch {
		case err != nil:
			return err
		case n == len(buffer) && large == nil:
			large, _ = buffers.Get().(*[largeBuffer]byte)
			buffer = large[:]
		case n < len(small):
			giveBack()
			buffer = small
		}
	}
}
