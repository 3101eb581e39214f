package http1

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

const asked = "GET /%d HTTP/1.1\r\nHost: a\r\n\r\n"

// paths answers with what was asked for.
var paths = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.URL.Path) })

// pipe is a connection in memory that a server serves, within a bubble whose clock is nobody's time.
type pipe struct {
	t      *testing.T
	server *Server
	net.Conn
	reader *bufio.Reader
	given  string        // what Other got
	ended  chan struct{} // closed when Serve has returned
}

// onPipe lets a client use a connection, and waits until nothing of it is left.
func onPipe(t *testing.T, handler http.Handler, client func(*pipe)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		p := newPipe(t, handler)
		p.serve(t.Context(), nil)
		client(p)
		_ = p.Close()
		<-p.ended
	})
}

func newPipe(t *testing.T, handler http.Handler) *pipe {
	p := &pipe{t: t, server: newServer(t, handler), ended: make(chan struct{})}
	p.server.Other = func(c net.Conn, unanswered []byte) {
		p.given = string(unanswered)
		_ = c.Close()
	}
	return p
}

// serve begins to serve the other end of the pipe, which wrap may change.
func (p *pipe) serve(ctx context.Context, wrap func(net.Conn) net.Conn) {
	client, served := net.Pipe()
	p.Conn, p.reader = client, bufio.NewReader(client)
	if wrap != nil {
		served = wrap(served)
	}
	go func() {
		defer close(p.ended)
		p.server.Serve(ctx, served)
	}()
}

// asks writes while the test goes on: nobody reads from a pipe ahead.
func (p *pipe) asks(text string) {
	synctest.Wait()
	go func() { _, _ = io.WriteString(p.Conn, text) }()
}

// answered returns the next answer, or none at the end.
func (p *pipe) answered() (body string, last bool) {
	p.t.Helper()
	synctest.Wait()
	response, err := http.ReadResponse(p.reader, nil)
	if err != nil {
		return "", true
	}
	text, err := io.ReadAll(response.Body)
	if err != nil {
		p.t.Error(err)
	}
	return string(text), response.Close
}

func (p *pipe) wants(body string, last bool) {
	p.t.Helper()
	if got, end := p.answered(); got != body || end != last {
		p.t.Errorf("answered with %q, the last: %v; want %q, %v", got, end, body, last)
	}
}

// endsAfter waits until Serve returns by itself.
func (p *pipe) endsAfter(want, most time.Duration) {
	p.t.Helper()
	begun := time.Now()
	<-p.ended
	if took := time.Since(begun); took < want || took > most {
		p.t.Errorf("the connection ends after %v, want %v", took, want)
	}
}

func TestAHeadMayComeInAnyPieces(t *testing.T) {
	text := fmt.Sprintf(asked, 1) + fmt.Sprintf(asked, 2) + "HEAD /3 HTTP/1.1\r\nHost: a\r\n\r\n" + fmt.Sprintf(asked, 4)
	onPipe(t, paths, func(p *pipe) {
		for size := 1; size <= len(text); size++ {
			go func() {
				for rest := text; rest != ""; rest = rest[min(size, len(rest)):] {
					_, _ = io.WriteString(p.Conn, rest[:min(size, len(rest))])
				}
			}()
			p.wants("/1", false)
			p.wants("/2", false)
			if response, err := http.ReadResponse(p.reader, &http.Request{Method: http.MethodHead}); err != nil || response.ContentLength != 2 {
				t.Fatalf("pieces of %d bytes: %v, %v", size, response, err)
			}
			p.wants("/4", false)
		}
	})
}

func TestWhatIsNotAnsweredIsGivenAwayAsItCame(t *testing.T) {
	const post = "POST /3 HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody" + "GET /4 HTTP/1.1\r\nHost: a\r\n\r\n"
	for name, c := range map[string]struct {
		answered int
		text     string
		given    string
		ends     bool // by itself, and not with the client
	}{
		"at once":                            {0, post, post, true},
		"after others, with the bytes after": {2, post, post, true},
		"half a head at the end":             {1, "GET /2 HTTP", "GET /2 HTTP", false},
		"a line that ends in LF":             {1, "GET /2 HTTP/1.1\n", "GET /2 HTTP/1.1\n", true},
		"a head that is as long as is taken": {1, "GET /2 HTTP/1.1\r\nX: " + strings.Repeat("x", largestHead), ("GET /2 HTTP/1.1\r\nX: " + strings.Repeat("x", largestHead))[:largestHead], true},
	} {
		t.Run(name, func(t *testing.T) {
			onPipe(t, paths, func(p *pipe) {
				text := ""
				for i := range c.answered {
					text += fmt.Sprintf(asked, i)
				}
				p.asks(text + c.text)
				for i := range c.answered {
					p.wants(fmt.Sprintf("/%d", i), false)
				}
				synctest.Wait()
				if !c.ends {
					_ = p.Close()
				}
				p.endsAfter(0, 0)
				if p.given != c.given {
					t.Errorf("given away is %.100q, want %.100q", p.given, c.given)
				}
			})
		})
	}
}

func TestAHeadOfAnyLengthThatIsTakenIsAnswered(t *testing.T) {
	onPipe(t, paths, func(p *pipe) {
		for _, length := range []int{usualHead - 1, usualHead, usualHead + 1, largestHead - 1, largestHead, usualHead, 100} {
			text := "GET /a HTTP/1.1\r\nHost: a\r\nX: \r\n\r\n"
			text = strings.Replace(text, "X: ", "X: "+strings.Repeat("x", length-len(text)), 1)
			p.asks(text)
			p.wants("/a", false)
			synctest.Wait()
			p.server.mu.Lock()
			for c := range p.server.open {
				if len(c.in) > usualHead {
					t.Errorf("after %d bytes an idle connection has room for %d", length, len(c.in))
				}
			}
			p.server.mu.Unlock()
		}
	})
}

func TestAConnectionHasItsTimeAndNoMore(t *testing.T) {
	const headerTime, idleTime = 10 * time.Second, 10 * time.Second // as newServer has it
	for name, c := range map[string]struct {
		first      bool // a request is answered before
		before     time.Duration
		text       string
		least, end time.Duration // from then on
	}{
		"nothing comes":                          {false, 0, "", headerTime, headerTime},
		"half a head comes":                      {false, 0, "GET / HT", headerTime, headerTime},
		"half a head comes late":                 {false, 7 * time.Second, "GET / HT", headerTime - 7*time.Second, headerTime - 7*time.Second},
		"nothing comes after the first":          {true, 0, "", idleTime, idleTime * 9 / 8},
		"half a head comes after the first":      {true, 0, "GET / HT", headerTime, headerTime},
		"half a head comes long after the first": {true, 9 * time.Second, "GET / HT", headerTime, headerTime},
	} {
		t.Run(name, func(t *testing.T) {
			onPipe(t, paths, func(p *pipe) {
				if c.first {
					p.asks(fmt.Sprintf(asked, 1))
					p.wants("/1", false)
				}
				time.Sleep(c.before)
				if c.text != "" {
					p.asks(c.text)
					synctest.Wait()
				}
				p.endsAfter(c.least, c.end)
			})
		})
	}
	t.Run("a head that comes byte by byte has the time of one", func(t *testing.T) {
		onPipe(t, paths, func(p *pipe) {
			p.asks(fmt.Sprintf(asked, 1))
			p.wants("/1", false)
			go func() {
				for _, b := range []byte("GET /" + strings.Repeat("a", 100)) {
					if _, err := p.Conn.Write([]byte{b}); err != nil {
						return
					}
					time.Sleep(time.Second)
				}
			}()
			p.endsAfter(headerTime, headerTime)
			time.Sleep(time.Second)
		})
	})
	t.Run("each of many requests has its time", func(t *testing.T) {
		slow := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/2" {
				time.Sleep(3 * headerTime) // during which somebody looks for the client
			}
			paths(w, r)
		})
		onPipe(t, slow, func(p *pipe) {
			for i := range 10 {
				p.asks(fmt.Sprintf(asked, i))
				p.wants(fmt.Sprintf("/%d", i), false)
				time.Sleep(idleTime - time.Second)
			}
		})
	})
}

func TestARequestEndsWithItsClient(t *testing.T) {
	wait := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-r.Context().Done():
		case <-time.After(time.Hour):
			t.Error("the request goes on without its client")
		}
	})
	t.Run("that goes", func(t *testing.T) {
		onPipe(t, wait, func(p *pipe) {
			p.asks(fmt.Sprintf(asked, 1))
			synctest.Wait()
			_ = p.Close()
			p.endsAfter(quiet, quiet)
		})
	})
	t.Run("that goes, and had others answered before", func(t *testing.T) {
		onPipe(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/3" {
				wait(w, r)
			} else {
				time.Sleep(quiet * 3 / 4)
				paths(w, r)
			}
		}), func(p *pipe) {
			for i := range 3 {
				p.asks(fmt.Sprintf(asked, i))
				p.wants(fmt.Sprintf("/%d", i), false)
			}
			p.asks(fmt.Sprintf(asked, 3))
			synctest.Wait()
			_ = p.Close()
			p.endsAfter(quiet, quiet)
		})
	})
	t.Run("that goes, and was idle for long before", func(t *testing.T) {
		onPipe(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/2" {
				wait(w, r)
			} else {
				paths(w, r)
			}
		}), func(p *pipe) {
			p.asks(fmt.Sprintf(asked, 1))
			p.wants("/1", false)
			time.Sleep(quiet * 2) // the timer goes off for nobody
			p.asks(fmt.Sprintf(asked, 2))
			synctest.Wait()
			_ = p.Close()
			p.endsAfter(quiet, quiet)
		})
	})
	t.Run("that goes later", func(t *testing.T) {
		onPipe(t, wait, func(p *pipe) {
			p.asks(fmt.Sprintf(asked, 1))
			time.Sleep(time.Minute)
			_ = p.Close()
			p.endsAfter(0, 0)
		})
	})
	for name, write := range map[string]func(w http.ResponseWriter){
		"that takes no byte, and has sent more":    func(w http.ResponseWriter) { writeTo(w, 1); flush(w) },
		"that does not take much, and has as well": func(w http.ResponseWriter) { writeTo(w, 100<<10) },
	} {
		t.Run(name, func(t *testing.T) {
			late := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				time.Sleep(30 * time.Second)
				if r.Context().Err() != nil {
					t.Error("who looked for the client has found more than the next request")
				}
				write(w)
				wait(w, r)
			})
			onPipe(t, late, func(p *pipe) {
				p.asks(fmt.Sprintf(asked, 1))
				time.Sleep(time.Second)
				p.asks(fmt.Sprintf(asked, 2)) // of which somebody reads a byte
				time.Sleep(time.Second)
				_ = p.Close()
				p.endsAfter(28*time.Second, 28*time.Second)
			})
		})
	}
}

func TestWhatComesDuringARequestIsTheNextOne(t *testing.T) {
	slow := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(time.Second)
		if r.Context().Err() != nil {
			t.Error("the request has ended")
		}
		paths(w, r)
	})
	onPipe(t, slow, func(p *pipe) {
		p.asks(fmt.Sprintf(asked, 1))
		time.Sleep(quiet * 2)
		p.asks(fmt.Sprintf(asked, 2) + fmt.Sprintf(asked, 3))
		for i := range 3 {
			p.wants(fmt.Sprintf("/%d", i+1), false)
		}
	})
}

// Whoever looks for the client begins at the very moment at which the handler returns.
func TestRequestsThatEndWhenTheirClientIsLookedForAreFollowedByOthers(t *testing.T) {
	for _, ahead := range []bool{false, true} {
		slow := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(quiet)
			paths(w, r)
		})
		onPipe(t, slow, func(p *pipe) {
			for i := range 100 {
				text := fmt.Sprintf(asked, i)
				if ahead {
					text += text
				}
				p.asks(text)
				for range len(text) / len(fmt.Sprintf(asked, i)) {
					p.wants(fmt.Sprintf("/%d", i), false)
				}
			}
		})
	}
}

func TestAClientThatHasNothingMoreToSayIsAnsweredAsByNetHTTP(t *testing.T) {
	t.Parallel()
	for name, slow := range map[string]bool{"at once": false, "slowly": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if slow {
					<-r.Context().Done() // for it is taken for the client's end
				}
				_, _ = io.WriteString(w, "answer")
			})
			for _, start := range []func(testing.TB, http.Handler) string{ours, theirs} {
				c := dial(t, start(t, handler))
				_, _ = fmt.Fprintf(c, asked, 1)
				_ = c.(*net.TCPConn).CloseWrite()
				reader := bufio.NewReader(c)
				response, err := http.ReadResponse(reader, nil)
				if err != nil {
					t.Fatal(err)
				}
				if body, err := io.ReadAll(response.Body); string(body) != "answer" || err != nil {
					t.Errorf("answered with %q, %v", body, err)
				}
				if _, err := reader.ReadByte(); err != io.EOF {
					t.Errorf("after that comes %v", err)
				}
			}
		})
	}
}

func TestWhoKeepsAnAnswerDoesNotReachTheNextOne(t *testing.T) {
	var kept http.ResponseWriter
	keep := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if kept != nil {
			control := http.NewResponseController(kept)
			kept.Header().Set("X", "y")
			kept.WriteHeader(http.StatusTeapot)
			_, err := kept.Write([]byte("not for you"))
			if err == nil || control.Flush() == nil || control.SetWriteDeadline(time.Unix(1, 0)) == nil {
				t.Error("it is written")
			}
			if _ = control.SetReadDeadline(time.Unix(1, 0)); r.Context().Err() != nil {
				t.Error("it ends another request")
			}
		}
		kept = w
		paths(w, r)
	})
	onPipe(t, keep, func(p *pipe) {
		for i := range 3 {
			p.asks(fmt.Sprintf(asked, i))
			p.wants(fmt.Sprintf("/%d", i), false)
		}
	})
}

func TestAHandlerThatEndsItsGoroutineEndsTheConnection(t *testing.T) {
	goexit := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { runtime.Goexit() })
	onPipe(t, goexit, func(p *pipe) {
		p.asks(fmt.Sprintf(asked, 1))
		p.wants("", true)
	})
}

func TestAFaultIsLoggedAndAnAbortIsNot(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	server := newServer(t, nil)
	server.Log = slog.New(slog.NewTextHandler(&log, nil))
	c := &connection{server: server}
	r := &http.Request{Method: http.MethodGet, Host: "app.test"}
	c.panicked(r, http.ErrAbortHandler)
	if log.Len() > 0 {
		t.Error(log.String())
	}
	c.panicked(r, errors.New("a fault"))
	if !strings.Contains(log.String(), "a fault") || !strings.Contains(log.String(), "TestAFault") {
		t.Errorf("logged is %q", log.String())
	}
}
