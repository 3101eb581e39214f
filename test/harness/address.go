package harness

import (
	"math/rand/v2"
	"net"
	"strconv"
	"testing"
)

// Programs that cannot be given port 0 get one from here: the kernel gives none of these to whoever asks for any port,
// neither to listen nor to connect from (Linux and the BSDs begin at 32768 or later).
const firstReserved, lastReserved = 20000, 32000

// FreeAddress is an address of this machine at which nobody listens, and which is given to no other test, here or in
// another process, until this one ends: the UDP port of the same number is held for so long, at another address of
// the loopback, so that a program that speaks HTTP/3 can have its own.
func FreeAddress(t testing.TB) string {
	t.Helper()
	for range 1000 {
		port := strconv.Itoa(firstReserved + rand.IntN(lastReserved-firstReserved))
		held, err := net.ListenPacket("udp", net.JoinHostPort("127.0.0.2", port))
		if err != nil {
			continue
		}
		address := net.JoinHostPort("127.0.0.1", port)
		l, err := net.Listen("tcp", address)
		if err != nil {
			_ = held.Close()
			continue
		}
		_ = l.Close()
		t.Cleanup(func() { _ = held.Close() })
		return address
	}
	t.Fatalf("no port from %d to %d can be had", firstReserved, lastReserved)
	return ""
}

// FreePort is the port of a FreeAddress.
func FreePort(t testing.TB) string {
	t.Helper()
	_, port, err := net.SplitHostPort(FreeAddress(t))
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// Accept serves every connection to an address of its own with serve, after which it is closed, until the test ends.
func Accept(t testing.TB, serve func(net.Conn)) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				serve(conn)
			}()
		}
	}()
	return l.Addr().String()
}
