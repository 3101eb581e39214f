package server_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/admin"
)

// wire is one end of a connection that a test speaks byte by byte.
type wire struct {
	t    *testing.T
	conn net.Conn
	in   *bufio.Reader
}

func newWire(t *testing.T, conn net.Conn) *wire {
	t.Helper()
	t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	return &wire{t, conn, bufio.NewReader(conn)}
}

func (w *wire) send(parts ...string) {
	w.t.Helper()
	if _, err := io.WriteString(w.conn, strings.Join(parts, "")); err != nil {
		w.t.Fatal(err)
	}
}

// expect reads exactly these bytes.
func (w *wire) expect(want string) {
	w.t.Helper()
	got := make([]byte, len(want))
	if n, err := io.ReadFull(w.in, got); err != nil || string(got) != want {
		w.t.Fatalf("read %q, %v; want %q", got[:n], err, want)
	}
}

// head reads a header to the empty line.
func (w *wire) head() string {
	w.t.Helper()
	var b strings.Builder
	for !strings.HasSuffix(b.String(), "\r\n\r\n") {
		line, err := w.in.ReadString('\n')
		if err != nil {
			w.t.Fatalf("after %q: %v", b.String(), err)
		}
		b.WriteString(line)
	}
	return b.String()
}

// rest reads to the end of the connection.
func (w *wire) rest() string {
	w.t.Helper()
	rest, err := io.ReadAll(w.in)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		w.t.Fatalf("the connection stays open after %q", rest)
	}
	return string(rest)
}

// stage is an application that a test plays.
type stage struct {
	listener net.Listener
	gate     *gate
	host     string
}

// stage makes a host lead to a new stage.
func (g *gate) stage(t *testing.T, number int) *stage {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	host := fmt.Sprintf("stage%d.test", number)
	service := backend(fmt.Sprintf("stage%d", number), fmt.Sprint(7_000_000+number), host)
	service.Upstream, service.IAPDisabled = "http://"+l.Addr().String(), true
	if err := g.server.Admin().PutService(t.Context(), admin.System("test"), service); err != nil {
		t.Fatal(err)
	}
	return &stage{l, g, host}
}

// accept returns the next connection of the gate's, and the header of the first request on it.
func (s *stage) accept(t *testing.T) (*wire, string) {
	t.Helper()
	_ = s.listener.(*net.TCPListener).SetDeadline(time.Now().Add(10 * time.Second))
	conn, err := s.listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	w := newWire(t, conn)
	return w, w.head()
}

// ask opens a connection to the gate and begins a request on it: its first line without version, and what follows
// the Host line.
func (s *stage) ask(t *testing.T, line, rest string) *wire {
	t.Helper()
	conn, err := net.Dial("tcp", s.gate.address)
	if err != nil {
		t.Fatal(err)
	}
	w := newWire(t, conn)
	if !strings.Contains(line, " HTTP/") {
		line += " HTTP/1.1"
	}
	w.send(line, "\r\nHost: ", s.host, "\r\n", rest)
	return w
}

// bodyOf cuts the header off, whatever stands in it.
func bodyOf(t *testing.T, answer string) string {
	t.Helper()
	_, body, found := strings.Cut(answer, "\r\n\r\n")
	if !found {
		t.Fatalf("no header in %q", answer)
	}
	return body
}

func mustHold(t *testing.T, what, text string, lines ...string) {
	t.Helper()
	for _, line := range lines {
		if !strings.Contains(text, line+"\r\n") {
			t.Errorf("%s lacks %q:\n%s", what, line, text)
		}
	}
}

func mustLack(t *testing.T, what, text string, words ...string) {
	t.Helper()
	for _, word := range words {
		if strings.Contains(strings.ToLower(text), strings.ToLower(word)) {
			t.Errorf("%s holds %q:\n%s", what, word, text)
		}
	}
}

func TestWhatHTTPCanCarryPassesTheGate(t *testing.T) {
	t.Parallel()
	g, number := startGate(t), 0
	for name, play := range map[string]func(t *testing.T, s *stage){
		"a client that asks first is told by the application's refusal, and not to send": func(t *testing.T, s *stage) {
			client := s.ask(t, "POST /", "Expect: 100-continue\r\nContent-Length: 4\r\n\r\n")
			app, head := s.accept(t)
			mustHold(t, "the request", head, "Expect: 100-continue", "Content-Length: 4")
			app.send("HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno")
			answer := client.rest()
			if !strings.HasPrefix(answer, "HTTP/1.1 401 ") || bodyOf(t, answer) != "no" {
				t.Errorf("the client read %q", answer)
			}
			if sent := app.rest(); sent != "" {
				t.Errorf("the application was sent %q", sent)
			}
		},
		"a client that asks first is told once when the application says go on": func(t *testing.T, s *stage) {
			client := s.ask(t, "POST /", "Expect: 100-continue\r\nContent-Length: 4\r\n\r\n")
			app, _ := s.accept(t)
			app.send("HTTP/1.1 100 Continue\r\n\r\n")
			client.expect("HTTP/1.1 100 Continue\r\n\r\n")
			client.send("body")
			app.expect("body")
			app.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
			if head := client.head(); !strings.HasPrefix(head, "HTTP/1.1 200 ") {
				t.Errorf("the client read %q", head)
			}
			client.expect("ok")
		},
		"hints come before the answer, without what only the gate says": func(t *testing.T, s *stage) {
			client := s.ask(t, "GET /", "\r\n")
			app, _ := s.accept(t)
			app.send("HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\nX-Goog-IAP-Generated-Response: mallory\r\nX-Request-Id: mallory\r\nSet-Cookie: GCP_IAP_UID=mallory\r\n\r\n")
			client.expect("HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n")
			app.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
			mustLack(t, "the answer", client.head(), "link")
			client.expect("ok")
		},
		"an application that sends hints for ever is given up": func(t *testing.T, s *stage) {
			client := s.ask(t, "GET /", "Connection: close\r\n\r\n")
			app, _ := s.accept(t)
			app.send(strings.Repeat("HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n", 100))
			if answer := client.rest(); !strings.Contains(answer, "HTTP/1.1 502 ") || strings.Count(answer, "HTTP/1.1 103 ") != 32 {
				t.Errorf("the client read %q", answer)
			}
		},
		"a client of HTTP/1.0 gets no hints, no chunks, and the end of the connection": func(t *testing.T, s *stage) {
			client := s.ask(t, "GET / HTTP/1.0", "\r\n")
			app, head := s.accept(t)
			if !strings.HasPrefix(head, "GET / HTTP/1.1\r\n") {
				t.Errorf("the application got %q", head)
			}
			app.send("HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n")
			answer := client.rest()
			mustLack(t, "the answer", answer, "103", "chunked")
			if bodyOf(t, answer) != "onetwo" {
				t.Errorf("the client read %q", answer)
			}
		},
		"the answer to HEAD keeps the length that a GET would have": func(t *testing.T, s *stage) {
			client := s.ask(t, "HEAD /", "Connection: close\r\n\r\n")
			app, _ := s.accept(t)
			app.send("HTTP/1.1 200 OK\r\nContent-Length: 123\r\n\r\n")
			answer := client.rest()
			mustHold(t, "the answer", answer, "Content-Length: 123")
			if body := bodyOf(t, answer); body != "" {
				t.Errorf("a body: %q", body)
			}
		},
		"ranges pass": func(t *testing.T, s *stage) {
			client := s.ask(t, "GET /", "Range: bytes=2-3\r\nConnection: close\r\n\r\n")
			app, head := s.accept(t)
			mustHold(t, "the request", head, "Range: bytes=2-3")
			app.send("HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 2-3/9\r\nContent-Length: 2\r\n\r\ncd")
			answer := client.rest()
			mustHold(t, "the answer", answer, "HTTP/1.1 206 Partial Content", "Content-Range: bytes 2-3/9", "Content-Length: 2")
		},
		"an answer with a length keeps it, and no type is invented": func(t *testing.T, s *stage) {
			client := s.ask(t, "GET /", "Connection: close\r\n\r\n")
			app, _ := s.accept(t)
			app.send("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>")
			answer := client.rest()
			mustHold(t, "the answer", answer, "Content-Length: 6")
			mustLack(t, "the answer", answer, "transfer-encoding", "content-type")
		},
		"a chunk reaches the client before the next one is sent": func(t *testing.T, s *stage) {
			client := s.ask(t, "GET /", "\r\n")
			app, _ := s.accept(t)
			app.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
			head := client.head() // before there is a body
			mustHold(t, "the answer", head, "Transfer-Encoding: chunked")
			app.send("3\r\none\r\n")
			client.expect("3\r\none\r\n")
			app.send("3\r\ntwo\r\n0\r\n\r\n")
			client.expect("3\r\ntwo\r\n0\r\n\r\n")
		},
		"short chunks that are all there stay chunks": func(t *testing.T, s *stage) {
			client := s.ask(t, "GET /", "\r\n")
			app, _ := s.accept(t)
			app.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n0\r\n\r\n")
			mustHold(t, "the answer", client.head(), "Transfer-Encoding: chunked")
			client.expect("3\r\none\r\n0\r\n\r\n")
		},
		"an event reaches the client at once, though it is part of a length": func(t *testing.T, s *stage) {
			client := s.ask(t, "GET /", "\r\n")
			app, _ := s.accept(t)
			app.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nContent-Length: 18\r\n\r\ndata: 1\n\n")
			client.head()
			client.expect("data: 1\n\n")
			app.send("data: 2\n\n")
			client.expect("data: 2\n\n")
		},
		"a chunk reaches the application before the client sends the next one": func(t *testing.T, s *stage) {
			client := s.ask(t, "POST /", "Transfer-Encoding: chunked\r\n\r\n3\r\none\r\n")
			app, head := s.accept(t)
			mustHold(t, "the request", head, "Transfer-Encoding: chunked")
			mustLack(t, "the request", head, "content-length")
			app.expect("3\r\none\r\n")
			client.send("3\r\ntwo\r\n0\r\n\r\n")
			app.expect("3\r\ntwo\r\n0\r\n\r\n")
			app.send("HTTP/1.1 204 No Content\r\n\r\n")
			if head := client.head(); !strings.HasPrefix(head, "HTTP/1.1 204 ") {
				t.Errorf("the client read %q", head)
			}
		},
		"both sides speak in turn, each in the middle of its body": func(t *testing.T, s *stage) {
			client := s.ask(t, "POST /", "Transfer-Encoding: chunked\r\n\r\n3\r\none\r\n")
			app, _ := s.accept(t)
			app.expect("3\r\none\r\n")
			app.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nONE\r\n")
			client.head()
			client.expect("3\r\nONE\r\n")
			client.send("3\r\ntwo\r\n")
			app.expect("3\r\ntwo\r\n")
			app.send("3\r\nTWO\r\n")
			client.expect("3\r\nTWO\r\n")
			client.send("0\r\n\r\n")
			app.expect("0\r\n\r\n")
			app.send("0\r\n\r\n")
			client.expect("0\r\n\r\n")
		},
		"trailers pass both ways, announced and not, without what only the gate says": func(t *testing.T, s *stage) {
			client := s.ask(t, "POST /", "TE: trailers\r\nConnection: TE\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum, X-Goog-Iap-Jwt-Assertion\r\n\r\n"+
				"3\r\none\r\n0\r\nX-Sum: 1\r\nX-Goog-Iap-Jwt-Assertion: mallory\r\n\r\n")
			app, head := s.accept(t)
			mustHold(t, "the request", head, "Trailer: X-Sum", "Te: trailers")
			app.expect("3\r\none\r\n0\r\nX-Sum: 1\r\n\r\n")
			app.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Told\r\n\r\n3\r\nONE\r\n0\r\nX-Told: 2\r\nX-Untold: 3\r\nX-Goog-Iap-Trailer: mallory\r\n\r\n")
			mustHold(t, "the answer", client.head(), "Trailer: X-Told")
			client.expect("3\r\nONE\r\n0\r\nX-Told: 2\r\nX-Untold: 3\r\n\r\n")
		},
		"an answer that comes before the upload has ended reaches the client, and what is left of it is no request": func(t *testing.T, s *stage) {
			client := s.ask(t, "POST /", "Content-Length: 1000\r\n\r\nsome")
			app, _ := s.accept(t)
			app.expect("some")
			app.send("HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nbig")
			mustHold(t, "the answer", client.head(), "HTTP/1.1 413 Request Entity Too Large", "Connection: close")
			client.expect("big")
			// Neither the client nor a proxy that it shares with others sends more behind it, and had it been:
			_, _ = io.WriteString(client.conn, strings.Repeat("x", 996)+"GET /smuggled HTTP/1.1\r\nHost: "+s.host+"\r\n\r\n")
			if rest := client.rest(); rest != "" {
				t.Errorf("what was left was answered with %q", rest)
			}
			app.rest()
		},
		"a body that stops coming does not hold on to its connection once it is answered": func(t *testing.T, s *stage) {
			client := s.ask(t, "POST /", "Transfer-Encoding: chunked\r\n\r\n4\r\nsome\r\n")
			app, _ := s.accept(t)
			app.expect("4\r\nsome\r\n")
			app.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n")
			client.head()
			client.expect("2\r\nok\r\n0\r\n\r\n")
			if rest := client.rest(); rest != "" {
				t.Errorf("the client read %q", rest)
			}
		},
		"a body that breaks its framing ends with the connection": func(t *testing.T, s *stage) {
			client := s.ask(t, "POST /", "Transfer-Encoding: chunked\r\n\r\n4\r\nsome\r\n")
			app, _ := s.accept(t)
			app.expect("4\r\nsome\r\n")
			client.send("garbage\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: ", s.host, "\r\n\r\n")
			if rest := client.rest(); rest != "" {
				t.Errorf("the client read %q", rest)
			}
			mustLack(t, "what the application got", app.rest(), "smuggled", "0\r\n\r\n")
		},
		"garbage is answered with a page": func(t *testing.T, s *stage) {
			client := s.ask(t, "GET /", "Connection: close\r\n\r\n")
			app, _ := s.accept(t)
			app.send("garbage\r\n\r\n")
			answer := client.rest()
			mustHold(t, "the answer", answer, "HTTP/1.1 502 Bad Gateway", "X-Goog-Iap-Generated-Response: true")
		},
		"an application that dies within a length leaves a connection that is cut": func(t *testing.T, s *stage) {
			client := s.ask(t, "GET /", "\r\n")
			app, _ := s.accept(t)
			app.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")
			app.conn.Close()
			if answer := client.rest(); strings.Contains(answer, "HTTP/1.1") && bodyOf(t, answer) != "half" {
				t.Errorf("the client read %q", answer)
			}
		},
		"an application that dies between chunks leaves a connection that is cut, and no last chunk": func(t *testing.T, s *stage) {
			client := s.ask(t, "GET /", "\r\n")
			app, _ := s.accept(t)
			app.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n")
			app.conn.Close()
			if body := bodyOf(t, client.rest()); body != "4\r\nhalf\r\n" {
				t.Errorf("the client read %q", body)
			}
		},
		"a client that goes takes its request with it": func(t *testing.T, s *stage) {
			client := s.ask(t, "GET /", "\r\n")
			app, _ := s.accept(t)
			client.conn.Close()
			app.rest()
		},
		"a client that goes in the middle of an answer ends it": func(t *testing.T, s *stage) {
			client := s.ask(t, "GET /", "\r\n")
			app, _ := s.accept(t)
			app.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n")
			client.head()
			client.conn.Close()
			app.rest()
		},
		"a 101 that nobody asked for is answered with a page": func(t *testing.T, s *stage) {
			client := s.ask(t, "GET /", "Connection: close\r\n\r\n")
			app, _ := s.accept(t)
			app.send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
			mustHold(t, "the answer", client.rest(), "HTTP/1.1 502 Bad Gateway")
		},
		"a 101 to another protocol is answered with a page": func(t *testing.T, s *stage) {
			client := s.ask(t, "GET /", "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
			app, _ := s.accept(t)
			app.send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n")
			if head := client.head(); !strings.HasPrefix(head, "HTTP/1.1 502 ") {
				t.Errorf("the client read %q", head)
			}
		},
		"after an upgrade both sides speak, and the end of one is told to the other": func(t *testing.T, s *stage) {
			client := s.ask(t, "GET /", "Connection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
			app, head := s.accept(t)
			mustHold(t, "the request", head, "Connection: Upgrade", "Upgrade: WebSocket")
			app.send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nX-Goog-IAP-Generated-Response: mallory\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n\x81\x05hello")
			mustLack(t, "the answer", client.head(), "mallory")
			client.expect("\x81\x05hello")
			client.send("ping")
			app.expect("ping")
			app.send("\x81\x04pong")
			client.expect("\x81\x04pong")
			_ = client.conn.(*net.TCPConn).CloseWrite()
			app.rest()
		},
	} {
		number++
		s := g.stage(t, number)
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			play(t, s)
		})
	}
}

func TestARequestWithABodyIsNotSentAgain(t *testing.T) {
	t.Parallel()
	s := startGate(t).stage(t, 0)
	client := s.ask(t, "GET /", "\r\n")
	app, _ := s.accept(t)
	app.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
	client.head()
	client.expect("ok") // now the connection to the application is idle
	client.send("POST /again HTTP/1.1\r\nHost: ", s.host, "\r\nContent-Length: 4\r\n\r\nonce")
	if head := app.head(); !strings.HasPrefix(head, "POST /again ") {
		t.Fatalf("the idle connection was not used: %q", head)
	}
	app.expect("once")
	app.conn.Close()
	// Had it been sent again, on a connection that nobody accepts, there would be no answer.
	response, err := http.ReadResponse(client.in, nil)
	if err != nil || response.StatusCode != http.StatusBadGateway {
		t.Fatalf("%v, %v", response, err)
	}
}

// Over HTTP/2 there is no connection to cut: whoever ended the stream as if all had come would tell the client so.
func TestAnAppThatDiesWithinItsAnswerEndsAStreamWithAReset(t *testing.T) {
	t.Parallel()
	g := startGate(t)
	for i, begun := range []string{"Content-Length: 9\r\n\r\nhalf", "Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"} {
		s := g.stage(t, i)
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+g.address+"/", nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Host = s.host
		read := make(chan string, 1)
		go func() {
			response, err := g.overHTTP2(t).RoundTrip(request)
			if err != nil { // nothing of the answer had been sent on
				read <- err.Error()
				return
			}
			defer response.Body.Close()
			read <- readRest(response.Body)
		}()
		app, _ := s.accept(t)
		app.send("HTTP/1.1 200 OK\r\n" + begun)
		app.conn.Close()
		if got := <-read; !strings.HasSuffix(got, " reset") && !strings.HasPrefix(got, "stream error") {
			t.Errorf("%q: the client read %q", begun, got)
		}
	}
}
