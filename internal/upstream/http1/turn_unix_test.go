//go:build unix

package http1

import (
	"net"
	"testing"
	"time"
)

// An application that is too busy may say so to whoever connects, before it has read anything.
func TestWhatANewConnectionBringsIsReceivedThoughItCameBeforeTheRequest(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	dialled, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer dialled.Close()
	app, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer app.Close()
	c := newConn(dialled, "")
	_ = c.SetDeadline(time.Now().Add(5 * time.Second))
	said := false
	if err := c.raw.Read(func(uintptr) bool { // waits until it is there, so that nobody is woken for it again
		if !said {
			_, err = app.Write([]byte("busy"))
			said = true
			return err != nil
		}
		return true
	}); err != nil {
		t.Fatal(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	space := make([]byte, 16)
	if written, received, err := c.ask([]byte("GET"), space); written != 3 || string(space[:received]) != "busy" || err != nil {
		t.Errorf("%d bytes written, %q received, %v", written, space[:received], err)
	}
}
