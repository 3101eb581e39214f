// Package sockettest gives tests connections of TCP.
package sockettest

import (
	"net"
	"testing"
	"time"
)

// Pair returns the two ends of a connection over the loopback interface, which the test closes and which end after ten
// seconds.
func Pair(t testing.TB) (accepted, dialled *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	far, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	near, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = near.Close(), far.Close() })
	for _, c := range []net.Conn{near, far} {
		if err := c.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
			t.Fatal(err)
		}
	}
	return near.(*net.TCPConn), far.(*net.TCPConn)
}
