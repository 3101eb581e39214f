package longlived

import (
	"bufio"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	"golang.org/x/net/http2"

	"github.com/gatehouse-iap/gatehouse/test/harness"
)

const (
	// handshakes is how many are under way at the same time.
	handshakes = 32
	// streams is how many WebSockets share a connection of HTTP/2: as many as the gate lets be under way on one.
	streams = 100
)

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

// openSockets returns as many open WebSockets.
func openSockets(t *testing.T, count int, dial func() (io.ReadWriteCloser, error)) []io.ReadWriteCloser {
	t.Helper()
	clients := make([]io.ReadWriteCloser, count)
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
				client, err := dial()
				if err != nil {
					failed <- err
					return
				}
				clients[i] = client
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
	select {
	case err := <-failed:
		t.Fatal(err)
	default:
	}
	return clients
}

// place is where WebSockets are opened, and by what token.
type place struct {
	gate  *harness.Gate
	token string
}

func (p place) host() string {
	_, host, _ := strings.Cut(p.gate.App, "://")
	return host
}

func (p place) address() string { return "127.0.0.1" + p.host()[strings.LastIndexByte(p.host(), ':'):] }

// dial opens one over HTTP/1.1.
func (p place) dial() (io.ReadWriteCloser, error) {
	conn, err := net.Dial("tcp", p.address())
	if err != nil {
		return nil, err
	}
	return p.shake(conn)
}

// dialTLS opens one over HTTP/1.1 and TLS. Whose the certificate is does not matter here.
func (p place) dialTLS() (io.ReadWriteCloser, error) {
	name, _, _ := strings.Cut(p.host(), ":")
	conn, err := tls.Dial("tcp", p.address(), &tls.Config{ServerName: name, InsecureSkipVerify: true})
	if err != nil {
		return nil, err
	}
	return p.shake(conn)
}

func (p place) shake(conn net.Conn) (io.ReadWriteCloser, error) {
	_, err := io.WriteString(conn, "GET /socket HTTP/1.1\r\nHost: "+p.host()+"\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"+
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nAuthorization: Bearer "+p.token+"\r\n\r\n")
	if err != nil {
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

// dialStreams opens up to count over HTTP/2 (RFC 8441), on as few connections as carry them.
func (p place) dialStreams(t *testing.T, count int) func() (io.ReadWriteCloser, error) {
	t.Helper()
	free := make(chan http.RoundTripper, count)
	for range (count + streams - 1) / streams {
		conn, err := net.Dial("tcp", p.address())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		//lint:ignore SA1019 the client of net/http sends no :protocol
		over, err := (&http2.Transport{AllowHTTP: true}).NewClientConn(conn)
		if err != nil {
			t.Fatal(err)
		}
		for range min(streams, cap(free)-len(free)) {
			free <- over
		}
	}
	return func() (io.ReadWriteCloser, error) {
		sent, sending := io.Pipe()
		r, err := http.NewRequest(http.MethodConnect, "http://"+p.host()+"/socket", sent)
		if err != nil {
			return nil, err
		}
		r.Header[":protocol"] = []string{"websocket"}
		r.Header.Set("Sec-WebSocket-Version", "13")
		r.Header.Set("Authorization", "Bearer "+p.token)
		response, err := (<-free).RoundTrip(r)
		if err != nil {
			return nil, err
		}
		if response.StatusCode != http.StatusOK {
			_ = response.Body.Close()
			return nil, errors.New(response.Status)
		}
		return stream{response.Body, sending}, nil
	}
}

// stream is a WebSocket over HTTP/2.
type stream struct {
	io.ReadCloser
	io.Writer
}
