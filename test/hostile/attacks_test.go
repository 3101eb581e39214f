package hostile

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// attack is something that one client does again and again until the context ends. It returns when it is cut off.
type attack struct {
	name  string
	from  string // its address
	many  int    // at the same time
	once  func(ctx context.Context, w *world, from string)
	shown string // the counter that shows that the gate noticed
}

var attacks = []attack{
	{"slow headers", "127.0.0.11", 20, slowHeader, "slow"},
	{"slow bodies", "127.0.0.12", 20, slowBody, "slow_body"},
	{"requests that are taken back", "127.0.0.13", 2, resets, "resets"},
	{"long headers", "127.0.0.14", 2, longHeader, "header"},
	{"headers without end", "127.0.0.15", 1, endlessHeader, "http2"},
	{"frames that ask for nothing", "127.0.0.16", 1, priorities, "flood"},
	{"connections", "127.0.0.17", 60, hold, "address"},
}

// pause lies between two tries of an attacker: what is measured is the gate, not how fast this machine can attack.
const pause = 500 * time.Millisecond

func (a attack) run(ctx context.Context, w *world) {
	for ctx.Err() == nil {
		a.once(ctx, w, a.from)
		wait(ctx, pause)
	}
}

func wait(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// with gives a connection to an attack, which ends when the gate closes it or the time is up.
func with(ctx context.Context, w *world, from, protocol string, attack func(c net.Conn, closed <-chan struct{})) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	c, err := w.dial(ctx, from, protocol)
	if err != nil {
		return
	}
	defer c.Close()
	go func() { <-ctx.Done(); c.Close() }()
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		_, _ = io.Copy(io.Discard, c)
	}()
	attack(c, closed)
}

// drip sends a text byte by byte, and never its end.
func drip(c net.Conn, closed <-chan struct{}, text string) {
	for i := 0; ; i++ {
		if _, err := io.WriteString(c, text[i%len(text):][:1]); err != nil {
			return
		}
		select {
		case <-closed:
			return
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func slowHeader(ctx context.Context, w *world, from string) {
	with(ctx, w, from, "http/1.1", func(c net.Conn, closed <-chan struct{}) {
		_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: localhost\r\n")
		drip(c, closed, "X: y\r\n")
	})
}

func slowBody(ctx context.Context, w *world, from string) {
	with(ctx, w, from, "http/1.1", func(c net.Conn, closed <-chan struct{}) {
		_, _ = io.WriteString(c, "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nsome")
		<-closed
	})
}

func longHeader(ctx context.Context, w *world, from string) {
	with(ctx, w, from, "http/1.1", func(c net.Conn, closed <-chan struct{}) {
		_, _ = fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nCookie: %s\r\n\r\n", strings.Repeat("c", 100<<10))
		<-closed
	})
}

// hold keeps a connection and asks for nothing.
func hold(ctx context.Context, w *world, from string) {
	with(ctx, w, from, "http/1.1", func(_ net.Conn, closed <-chan struct{}) { <-closed })
}

// frames begins HTTP/2 and returns what writes its frames.
func frames(c net.Conn) (*http2.Framer, []byte) {
	var block bytes.Buffer
	encoder := hpack.NewEncoder(&block)
	for _, field := range [][2]string{{":method", "GET"}, {":scheme", "https"}, {":authority", host}, {":path", "/"}} {
		_ = encoder.WriteField(hpack.HeaderField{Name: field[0], Value: field[1], Sensitive: true}) // not in the table: every block stands alone
	}
	_, _ = io.WriteString(c, http2.ClientPreface)
	framer := http2.NewFramer(c, nil)
	_ = framer.WriteSettings()
	return framer, block.Bytes()
}

func resets(ctx context.Context, w *world, from string) {
	with(ctx, w, from, "h2", func(c net.Conn, closed <-chan struct{}) {
		framer, block := frames(c)
		for stream := uint32(1); ; stream += 2 {
			// The application waits for the body, so that the request is under way when it is taken back.
			if framer.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: block, EndHeaders: true}) != nil ||
				framer.WriteRSTStream(stream, http2.ErrCodeCancel) != nil {
				return
			}
			if stream%20 == 1 {
				select {
				case <-closed:
					return
				case <-time.After(time.Millisecond):
				}
			}
		}
	})
}

func endlessHeader(ctx context.Context, w *world, from string) {
	with(ctx, w, from, "h2", func(c net.Conn, closed <-chan struct{}) {
		framer, block := frames(c)
		_ = framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block, EndStream: true})
		field := bytes.Repeat([]byte("\x00\x01a\x01b"), 1000)
		for range 100 { // of 5,000 bytes; the gate has closed long before
			if framer.WriteContinuation(1, false, field) != nil {
				break
			}
		}
		<-closed
	})
}

func priorities(ctx context.Context, w *world, from string) {
	with(ctx, w, from, "h2", func(c net.Conn, closed <-chan struct{}) {
		_, _ = frames(c)
		var many bytes.Buffer
		for buffered := http2.NewFramer(&many, nil); many.Len() < 32<<10; {
			_ = buffered.WritePriority(9, http2.PriorityParam{StreamDep: 3})
		}
		for range 100 { // more than a client of HTTP/2 may send of bodies whose handlers have not begun
			if _, err := c.Write(many.Bytes()); err != nil {
				break
			}
		}
		<-closed
	})
}
