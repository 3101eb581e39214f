package longlived

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gatehouse-iap/gatehouse/test/harness"
)

const (
	sockets  = 10_000
	maxBytes = 25_000 // that each may cost
	// fewest are enough to tell what one costs, where the system lets nobody open more files.
	fewest = 2_000
	// handshakes is how many are under way at the same time.
	handshakes = 32
)

// The gate holds two connections for each WebSocket. All of them are idle, and authenticated.
func TestTenThousandIdleWebSocketsCostAtMost25KilobytesEach(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Fatalf("this reads /proc; run it on Linux, not on %s", runtime.GOOS)
	}
	sockets := affordable(t)
	app := listenForSockets(t)
	gate := harness.Start(t, "--upstream", "http://"+app.Addr().String())
	token := gate.IdentityToken(t, harness.Alice)
	app.open(t, gate, token, 100) // what is there once is not theirs
	before := harness.ResidentBytes(t, gate.Ready.PID)
	clients := app.open(t, gate, token, sockets)
	each := (harness.ResidentBytes(t, gate.Ready.PID) - before) / int64(sockets)
	t.Logf("%d WebSockets, %d bytes each", sockets, each)
	if each > maxBytes {
		t.Errorf("an idle WebSocket costs the gate %d bytes, more than %d", each, maxBytes)
	}
	// They are not merely there: what either side says reaches the other.
	for _, client := range []net.Conn{clients[0], clients[sockets/2], clients[sockets-1]} {
		_ = client.SetDeadline(time.Now().Add(harness.Patience))
		if _, err := io.WriteString(client, "\x81\x84mask\x05\x05\x05\x05"); err != nil {
			t.Fatal(err)
		}
		echo := make([]byte, 6)
		if _, err := io.ReadFull(client, echo); err != nil || string(echo) != "\x81\x04hi!\n" {
			t.Errorf("read %q, %v", echo, err)
		}
	}
}

// affordable is how many WebSockets fit: the gate holds two files for each, and so does this process. Go has raised the
// limit as far as it goes.
func affordable(t *testing.T) int {
	t.Helper()
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	const others = 500
	fit := min(sockets, int(min(limit.Max, 1<<20))/2-others)
	if fit < fewest {
		t.Fatalf("%d files may be open here, too few for this test: raise the limit (ulimit -n) to %d", limit.Max, 2*(sockets+others))
	}
	return fit
}

// socketApp is an application that holds nothing for an idle WebSocket but its connection.
type socketApp struct {
	net.Listener
	mu    sync.Mutex
	conns []net.Conn
}

func listenForSockets(t *testing.T) *socketApp {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	a := &socketApp{Listener: l}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			a.mu.Lock()
			a.conns = append(a.conns, conn)
			a.mu.Unlock()
			go a.shake(conn)
		}
	}()
	t.Cleanup(func() {
		_ = l.Close()
		a.mu.Lock()
		defer a.mu.Unlock()
		for _, conn := range a.conns {
			_ = conn.Close()
		}
	})
	return a
}

// shake takes part in one handshake, and answers one frame.
func (a *socketApp) shake(conn net.Conn) {
	request, err := http.ReadRequest(bufio.NewReader(conn))
	if err != nil {
		return
	}
	_, _ = io.WriteString(conn, harness.WebSocketAnswer(request))
	frame := make([]byte, 10)
	if _, err := io.ReadFull(conn, frame); err == nil {
		_, _ = io.WriteString(conn, "\x81\x04hi!\n")
	}
}

// open returns as many open WebSockets, by a token.
func (a *socketApp) open(t *testing.T, gate *harness.Gate, token string, count int) []net.Conn {
	t.Helper()
	at, err := url.Parse(gate.App)
	if err != nil {
		t.Fatal(err)
	}
	request := "GET /socket HTTP/1.1\r\nHost: " + at.Host + "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" +
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nAuthorization: Bearer " + token + "\r\n\r\n"
	clients := make([]net.Conn, count)
	t.Cleanup(func() {
		for _, client := range clients {
			if client != nil {
				_ = client.Close()
			}
		}
	})
	next := make(chan int)
	failed := make(chan error, handshakes)
	var group sync.WaitGroup
	for range handshakes {
		group.Go(func() {
			for i := range next {
				if clients[i], err = dialSocket("127.0.0.1:"+at.Port(), request); err != nil {
					failed <- err
					return
				}
			}
		})
	}
	for i := range count {
		select {
		case next <- i:
		case err := <-failed:
			t.Fatalf("WebSocket %d: %v", i, err)
		}
	}
	close(next)
	group.Wait()
	return clients
}

func dialSocket(address, request string) (net.Conn, error) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	if _, err := io.WriteString(conn, request); err != nil {
		return conn, err
	}
	answer := make([]byte, 0, 1024)
	for !strings.HasSuffix(string(answer), "\r\n\r\n") {
		n, err := conn.Read(answer[len(answer):cap(answer)])
		if err != nil {
			return conn, err
		}
		answer = answer[:len(answer)+n]
	}
	if !strings.HasPrefix(string(answer), "HTTP/1.1 101 ") {
		return conn, errors.New(string(answer))
	}
	return conn, nil
}
