//go:build unix

package http1

import (
	"testing"

	"github.com/gatehouse-iap/gatehouse/internal/socket/sockettest"
)

// An application that is too busy may say so to whoever connects, before it has read anything.
func TestWhatANewConnectionBringsIsReceivedThoughItCameBeforeTheRequest(t *testing.T) {
	t.Parallel()
	app, dialled := sockettest.Pair(t)
	c := newConn(dialled, "")
	said := false
	var failed error
	if err := c.raw.Read(func(uintptr) bool { // waits until it is there, so that nobody is woken for it again
		if !said {
			_, failed = app.Write([]byte("busy"))
			said = true
			return failed != nil
		}
		return true
	}); err != nil || failed != nil {
		t.Fatal(err, failed)
	}
	space := make([]byte, 16)
	if written, received, err := c.ask([]byte("GET"), space); written != 3 || string(space[:received]) != "busy" || err != nil {
		t.Errorf("%d bytes written, %q received, %v", written, space[:received], err)
	}
}
