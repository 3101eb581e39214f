package http1_test

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// longer is more than the time for which the context of a request is only looked at (patience).
const longer = 60 * time.Millisecond

func TestAnAnswerMayBeLaterThanItsContextIsLookedAt(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		firstByte time.Duration
		parts     []string
	}{
		"with a bound":            {3 * time.Second, []string{ok}},
		"without one":             {0, []string{ok}},
		"in the middle of a line": {3 * time.Second, []string{ok[:12], ok[12:]}},
		"in the middle of a body": {3 * time.Second, []string{ok[:len(ok)-1], ok[len(ok)-1:]}},
		"in chunks":               {3 * time.Second, []string{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\no\r\n", "1\r\nk\r\n0\r\n\r\n"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			s.transport.FirstByte = c.firstByte
			app := s.warm()
			say := func(method, body string, rest time.Duration, parts ...string) {
				t.Helper()
				done := s.start(request(method, "/", body))
				if all, err := io.ReadAll(app.head().Body); string(all) != body || err != nil {
					t.Fatalf("%q, %v", all, err)
				}
				for _, part := range parts {
					time.Sleep(rest)
					app.send(part)
				}
				if _, body, err := s.wait(done); body != "ok" || err != nil {
					t.Fatalf("%q, %v", body, err)
				}
			}
			// All on one connection, on which each may find what the one before has left.
			say("POST", "hello", longer, ok)
			say("GET", "", 0, ok)
			time.Sleep(longer)
			say("POST", "hello", 0, ok)
			say("GET", "", 0, ok)
			time.Sleep(longer)
			say("GET", "", longer, c.parts...)
			say("GET", "", 0, ok)
		})
	}
}

func TestATunnelMayBeSilentForLong(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	done := s.start(request("GET", "/", ""))
	app := s.accept()
	app.head()
	app.send("HTTP/1.1 101 Switching Protocols\r\n\r\n")
	answer := <-done
	if answer.err != nil {
		t.Fatal(answer.err)
	}
	defer answer.Body.Close()
	time.Sleep(longer)
	app.send("a")
	if _, err := io.ReadFull(answer.Body, make([]byte, 1)); err != nil {
		t.Error(err)
	}
}

func TestAnAnswerToARequestThatWasCanceledBeforeIsNoAnswer(t *testing.T) {
	t.Parallel()
	why := errors.New("the session has ended")
	s := newStage(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	done := s.start(request("GET", "/", "").WithContext(ctx))
	app := s.accept()
	app.head()
	cancel(why)
	app.send(ok)
	if _, _, err := s.wait(done); !errors.Is(err, why) {
		t.Error(err)
	}
	app.gone()
	late := request("GET", "/", "").WithContext(ctx)
	if _, _, err := s.wait(s.start(late)); !errors.Is(err, why) {
		t.Error(err)
	}
}

func TestALargeHeaderIsSentWholeAndEndsWithItsRequest(t *testing.T) {
	t.Parallel()
	large := request("GET", "/", "")
	large.Header["X"] = []string{strings.Repeat("x", 8<<20)} // more than the system takes at once
	s := newStage(t)
	s.transport.FirstByte = time.Minute
	app := s.warm()
	ctx, cancel := context.WithCancel(t.Context())
	done := s.start(large.Clone(ctx))
	if got := app.head().Header.Get("X"); len(got) != 8<<20 {
		t.Fatalf("%d bytes arrive", len(got))
	}
	app.send(ok)
	if _, body, err := s.wait(done); body != "ok" || err != nil {
		t.Fatalf("%q, %v", body, err)
	}
	done = s.start(large.Clone(ctx)) // which nobody reads
	if _, err := app.in.Peek(1); err != nil {
		t.Fatal(err)
	}
	cancel()
	if _, _, err := s.wait(done); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestAConnectionThatCannotBeAskedIsNotUsedAgain(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.transport.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, address)
		return struct{ net.Conn }{conn}, err
	}
	s.warm().gone()
}

func TestTheTimeToTakeALargeHeaderIsNotTheTimeToAnswer(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.transport.FirstByte = 300 * time.Millisecond
	r := request("GET", "/", "")
	r.Header["X"] = []string{strings.Repeat("x", 8<<20)}
	done := s.start(r)
	app := s.accept()
	time.Sleep(s.transport.FirstByte + longer) // in which it takes nothing
	if _, err := io.CopyN(io.Discard, app.conn, 8<<20); err != nil {
		t.Fatal(err)
	}
	app.send(ok)
	if _, body, err := s.wait(done); body != "ok" || err != nil {
		t.Errorf("%q, %v", body, err)
	}
}
