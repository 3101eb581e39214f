package http1_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http/httptrace"
	"net/textproto"
	"testing"
)

func TestAfter101BothSidesHaveTheConnection(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	r := request("GET", "/", "")
	r.Header["Connection"], r.Header["Upgrade"] = []string{"Upgrade"}, []string{"websocket"}
	ctx, cancel := context.WithCancel(t.Context())
	done := s.start(r.WithContext(ctx))
	app := s.accept()
	app.head()
	app.send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhello")
	answer := <-done
	if answer.err != nil || answer.StatusCode != 101 || answer.Header.Get("Upgrade") != "websocket" {
		t.Fatal(answer)
	}
	tunnel := answer.Body.(io.ReadWriteCloser)
	cancel() // the connection is the caller's now
	read := func(want string) {
		t.Helper()
		got := make([]byte, len(want))
		if _, err := io.ReadFull(tunnel, got); err != nil || string(got) != want {
			t.Fatalf("%q, %v", got, err)
		}
	}
	read("hel")
	read("lo")
	if _, err := tunnel.Write([]byte("ping")); err != nil {
		t.Fatal(err)
	}
	app.send("pong")
	read("pong")
	if err := tunnel.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if got := app.gone(); got != "ping" {
		t.Errorf("the application received %q", got)
	}
	tunnel.Close()
}

func TestInformationalResponsesAreTold(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	var told []textproto.MIMEHeader // which may be kept
	r := request("GET", "/", "")
	r = r.WithContext(httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{Got1xxResponse: func(_ int, header textproto.MIMEHeader) error {
		if told = append(told, header); len(told) == 3 {
			return errors.New("enough")
		}
		return nil
	}}))
	done := s.start(r)
	app := s.accept()
	app.head()
	for _, link := range []string{"</a>", "</b>", "</c>", "</d>"} {
		app.send("HTTP/1.1 103 Early Hints\r\nLink: " + link + "\r\n\r\n")
	}
	if _, _, err := s.wait(done); err == nil || fmt.Sprint(told) != "[map[Link:[</a>]] map[Link:[</b>]] map[Link:[</c>]]]" {
		t.Error(told, err)
	}
}

func TestABodyIsReadyWhenReadingItDoesNotWait(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	for head, steps := range map[string][]struct {
		sends string
		ready bool
	}{
		"Content-Length: 4":          {{"", false}, {"a", true}},
		"Transfer-Encoding: chunked": {{"", false}, {"3\r", false}, {"\nabc", true}, {"\r\n2\r\n", false}, {"de\r\n0\r\n", true}},
	} {
		for i, step := range steps {
			done := s.start(request("GET", "/", ""))
			app := s.accept()
			app.head()
			var before string
			for _, earlier := range steps[:i+1] {
				before += earlier.sends
			}
			read := 0
			if head != "Content-Length: 4" && i > 2 {
				read = 3 // the chunk before
			}
			app.send("HTTP/1.1 200 OK\r\n" + head + "\r\n\r\n" + before)
			answer := <-done
			if _, err := io.ReadFull(answer.Body, make([]byte, read)); err != nil {
				t.Fatal(err)
			}
			if got := answer.Body.(interface{ Ready() bool }).Ready(); got != step.ready {
				t.Errorf("%s, after %q: ready %v", head, before, got)
			}
			answer.Body.Close()
		}
	}
}
