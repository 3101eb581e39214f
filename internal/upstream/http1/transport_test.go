package http1_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/upstream/http1"
)

// stage is an application that a test plays, and a transport that leads to it.
type stage struct {
	t *testing.T
	net.Listener
	transport *http1.Transport
}

func newStage(t *testing.T) *stage {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &stage{t, l, ours()}
	s.transport.Idle = time.Minute // what ends sooner was ended
	t.Cleanup(func() { l.Close(); s.transport.CloseIdleConnections() })
	return s
}

// wire is the application's end of a connection.
type wire struct {
	t    *testing.T
	conn net.Conn
	in   *bufio.Reader
}

func (s *stage) accept() *wire {
	s.t.Helper()
	_ = s.Listener.(*net.TCPListener).SetDeadline(time.Now().Add(5 * time.Second))
	conn, err := s.Accept()
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
	return &wire{s.t, conn, bufio.NewReader(conn)}
}

// head reads the next request up to its body.
func (w *wire) head() *http.Request {
	w.t.Helper()
	r, err := http.ReadRequest(w.in)
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

func (w *wire) send(text string) {
	w.t.Helper()
	if _, err := io.WriteString(w.conn, text); err != nil {
		w.t.Fatal(err)
	}
}

// gone waits for the end of the connection and returns what came before.
func (w *wire) gone() string {
	w.t.Helper()
	rest, err := io.ReadAll(w.in)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		w.t.Fatal("the connection stays open")
	}
	return string(rest)
}

// result is the end of a round trip.
type result struct {
	*http.Response
	err error
}

// start sends a request beside the test, which plays the application meanwhile.
func (s *stage) start(r *http.Request) chan result {
	r.URL.Host = s.Addr().String()
	done := make(chan result, 1)
	go func() {
		response, err := s.transport.RoundTrip(r)
		done <- result{response, err}
	}()
	return done
}

// wait returns the answer and all of its body.
func (s *stage) wait(done chan result) (code int, body string, err error) {
	s.t.Helper()
	select {
	case r := <-done:
		if r.err != nil {
			return 0, "", r.err
		}
		defer r.Body.Close()
		all, err := io.ReadAll(r.Body)
		return r.StatusCode, string(all), err
	case <-time.After(5 * time.Second):
		s.t.Fatal("no end in sight")
		return 0, "", nil
	}
}

const ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

// warm leaves one idle connection.
func (s *stage) warm() *wire {
	s.t.Helper()
	done := s.start(request("GET", "/warm", ""))
	app := s.accept()
	app.head()
	app.send(ok)
	if _, body, err := s.wait(done); err != nil || body != "ok" {
		s.t.Fatal(body, err)
	}
	return app
}

func TestAnIdleConnectionIsUsedAgain(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	app := s.warm()
	for _, r := range []*http.Request{request("GET", "/", ""), request("POST", "/", "hello"), request("POST", "/", strings.Repeat("x", 100_000)), inChunks(nil)} {
		done := s.start(r)
		got := app.head()
		if _, err := io.Copy(io.Discard, got.Body); err != nil {
			t.Fatal(err)
		}
		app.send(ok)
		if _, body, err := s.wait(done); err != nil || body != "ok" {
			t.Fatal(body, err)
		}
	}
}

func TestAnIdleConnectionThatTheApplicationClosedIsNotUsed(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	for _, r := range []*http.Request{request("GET", "/", ""), request("POST", "/", "hello")} {
		s.warm().conn.Close()
		done := s.start(r)
		app := s.accept()
		if _, err := io.Copy(io.Discard, app.head().Body); err != nil {
			t.Fatal(err)
		}
		app.send("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok")
		if _, body, err := s.wait(done); err != nil || body != "ok" {
			t.Errorf("%s: %q, %v", r.Method, body, err)
		}
	}
}

func TestWhatAnApplicationSaysBeforeItIsAskedAnswersNobody(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.warm().send("HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nmallory")
	done := s.start(request("GET", "/", ""))
	app := s.accept()
	app.head()
	app.send(ok)
	if _, body, err := s.wait(done); err != nil || body != "ok" {
		t.Errorf("%q, %v", body, err)
	}
}

func TestARequestIsSentAgainOnlyWhereThatChangesNothing(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		request *http.Request
		said    string // by the application before it closes the connection
		again   bool
	}{
		"a GET":                              {request("GET", "/", ""), "", true},
		"a HEAD":                             {request("HEAD", "/", ""), "", true},
		"a GET of which an answer has begun": {request("GET", "/", ""), "HTTP/1.1 2", false},
		"a GET with a body":                  {request("GET", "/", "hello"), "", false},
		"a POST":                             {request("POST", "/", "hello"), "", false},
		"a POST without a body":              {request("POST", "/", ""), "", false},
		"a POST of more":                     {request("POST", "/", strings.Repeat("x", 10_000)), "", false},
		"a DELETE":                           {request("DELETE", "/", ""), "", false},
		"a GET whose answer was a hint":      {request("GET", "/", ""), "HTTP/1.1 103 Early Hints\r\n\r\n", false},
		"chunks":                             {inChunks(nil), "", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			app := s.warm()
			done := s.start(c.request)
			if _, err := io.Copy(io.Discard, app.head().Body); err != nil {
				t.Fatal(err)
			}
			app.send(c.said)
			app.conn.Close()
			if c.again {
				app = s.accept()
				app.head()
				app.send("HTTP/1.1 204 No Content\r\n\r\n")
			}
			// Had one been sent again that must not be, nobody would answer it.
			if code, _, err := s.wait(done); c.again != (err == nil) || errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("status %d, %v", code, err)
			}
		})
	}
}

func TestARequestOnANewConnectionIsNotSentAgain(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	done := s.start(request("GET", "/", ""))
	app := s.accept()
	app.head()
	app.conn.Close()
	if _, _, err := s.wait(done); err == nil || !strings.Contains(err.Error(), "closed the connection before it answered") {
		t.Error(err)
	}
}

func TestAnAnswerMayComeBeforeTheRequestHasEnded(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	body, feed := io.Pipe()
	defer feed.Close()
	r := request("POST", "/", "")
	r.Body, r.ContentLength = body, 1_000_000
	done := s.start(r)
	app := s.accept()
	app.head()
	go func() { _, _ = feed.Write([]byte("some")) }()
	if _, err := io.ReadFull(app.in, make([]byte, len("some"))); err != nil {
		t.Fatal(err)
	}
	app.send("HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nbig")
	if code, text, err := s.wait(done); code != 413 || text != "big" || err != nil {
		t.Errorf("%d %q, %v", code, text, err)
	}
	app.gone() // nobody knows where the next request would begin
}

func TestABodyThatWaitsForA100IsSentWhenItMay(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		says  string // before it reads
		sends string // what the application receives then
		code  int
	}{
		"when the application says so":        {"HTTP/1.1 100 Continue\r\n\r\n", "hello", 200},
		"when the application says nothing":   {"", "hello", 200},
		"not when the application refuses it": {"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", "", 403},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			s.transport.Continue = 5 * time.Second
			if c.says == "" {
				s.transport.Continue = 20 * time.Millisecond
			}
			r := request("POST", "/", "hello")
			r.Header["Expect"] = []string{"100-continue"}
			done := s.start(r)
			app := s.accept()
			body := app.head().Body
			app.send(c.says)
			if c.code == 200 {
				if all, err := io.ReadAll(body); string(all) != c.sends || err != nil {
					t.Fatalf("%q, %v", all, err)
				}
				app.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
			}
			if code, _, err := s.wait(done); code != c.code || err != nil {
				t.Fatal(code, err)
			}
			if c.code != 200 {
				if rest := app.gone(); rest != "" {
					t.Errorf("the application was sent %q", rest)
				}
			}
		})
	}
}

func TestACanceledRequestEndsAtOnce(t *testing.T) {
	t.Parallel()
	for name, stop := range map[string]string{
		"before there is an answer": "",
		"in the middle of a header": "HTTP/1.1 200 OK\r\n",
		"in the middle of a body":   "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			s.transport.FirstByte = time.Minute // is not what ends it
			ctx, cancel := context.WithCancel(t.Context())
			done := s.start(request("GET", "/", "").WithContext(ctx))
			app := s.accept()
			app.head()
			app.send(stop)
			if strings.HasSuffix(stop, "half") {
				done <- <-done // it has begun
			}
			cancel()
			if _, _, err := s.wait(done); !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
			app.gone()
		})
	}
}

func TestABodyThatIsClosedEarlyEndsItsConnection(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	done := s.start(request("GET", "/", ""))
	app := s.accept()
	app.head()
	app.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")
	r := <-done
	reading := make(chan error, 1)
	go func() {
		_, err := io.ReadAll(r.Body)
		reading <- err
	}()
	r.Body.Close()
	r.Body.Close()
	if err := <-reading; err == nil {
		t.Error("half a body was read as a whole one")
	}
	app.gone()
	if n, err := r.Body.Read(make([]byte, 1)); n != 0 || err == nil || err == io.EOF {
		t.Error(n, err)
	}
}

func TestAnApplicationThatDoesNotAnswerInTimeIsATimeout(t *testing.T) {
	t.Parallel()
	for name, r := range map[string]*http.Request{"a GET": request("GET", "/", ""), "a POST": request("POST", "/", "hello"), "chunks": inChunks(nil)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			s.transport.FirstByte = 20 * time.Millisecond
			done := s.start(r)
			app := s.accept()
			_, _, err := s.wait(done)
			var timeout net.Error
			if !errors.As(err, &timeout) || !timeout.Timeout() {
				t.Error(err)
			}
			app.gone()
		})
	}
}

func TestAnAnswerMayTakeAnyTimeOnceItHasBegun(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.transport.FirstByte = 50 * time.Millisecond
	body, feed := io.Pipe()
	slow := inChunks(nil)
	slow.Body = body
	for _, r := range []*http.Request{request("GET", "/", ""), inChunks(nil), slow} {
		done := s.start(r)
		app := s.accept()
		received := app.head().Body
		app.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\no")
		answer := <-done
		if r == slow {
			feed.Close()
		}
		if _, err := io.Copy(io.Discard, received); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * s.transport.FirstByte) // the time that would be too long
		app.send("k")
		done <- answer
		if _, body, err := s.wait(done); body != "ok" || err != nil {
			t.Error(body, err)
		}
	}
}

func TestABodyThatFailsIsTheReason(t *testing.T) {
	t.Parallel()
	broken := errors.New("the client is gone")
	for name, length := range map[string]int64{"small": 9, "of some length": 100_000, "of no length": -1} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			r := request("POST", "/", "")
			r.Body, r.ContentLength = io.NopCloser(io.MultiReader(strings.NewReader("some"), failing{broken})), length
			done := s.start(r)
			app := s.accept()
			if _, _, err := s.wait(done); !errors.Is(err, broken) {
				t.Error(err)
			}
			s.transport.CloseIdleConnections() // of a small body, nothing was sent
			app.gone()
		})
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func TestConnectionsNeedNoGoroutine(t *testing.T) {
	// Not parallel: it counts goroutines.
	s := newStage(t)
	before := runtime.NumGoroutine()
	s.transport.MaxIdle = 50
	var answers []chan result
	var apps []*wire
	for range 50 {
		answers = append(answers, s.start(request("GET", "/", "")))
		app := s.accept()
		app.head()
		apps = append(apps, app)
	}
	for i, app := range apps {
		app.send(ok)
		if _, _, err := s.wait(answers[i]); err != nil {
			t.Fatal(err)
		}
	}
	if after := runtime.NumGoroutine(); after > before+5 {
		t.Errorf("%d goroutines with 50 idle connections, %d before", after, before)
	}
}

func TestIdleConnectionsAreClosedInTime(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.transport.Idle = 20 * time.Millisecond
	s.warm().gone()
	s.transport.MaxIdle = 0
	s.warm().gone()
}
