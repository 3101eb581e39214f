// Package upstreamtest is an application for benchmarks of what stands before one.
package upstreamtest

import (
	"bufio"
	"net"
	"testing"
)

// Responder is an application that answers every request with the same bytes as soon as its header is there. It costs
// as little as it can and allocates nothing for a request: what is measured is what asks it. It ends with the test.
func Responder(tb testing.TB, answer string) (address string) {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { l.Close() })
	bytes := []byte(answer)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go respond(conn, bytes)
		}
	}()
	return l.Addr().String()
}

func respond(conn net.Conn, answer []byte) {
	defer conn.Close()
	in := bufio.NewReader(conn)
	for {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return
		}
		if len(line) == 2 {
			if _, err := conn.Write(answer); err != nil {
				return
			}
		}
	}
}
