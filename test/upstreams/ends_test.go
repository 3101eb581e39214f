package upstreams

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-iap/gatehouse/test/harness"
)

// An idle connection may end at any moment, and a POST that has left on it may have been done: it is not sent again.
func closedAsAPostLeaves(t *testing.T, p *place) {
	for id, body := range map[string]string{"paid": "pay 100", "clicked": ""} {
		p.get(t, http.StatusOK, "/trap")
		answer := harness.Do(t, p.alice.Client(), p.request(t, http.MethodPost, "/posts/"+id, strings.NewReader(body)))
		if answer.StatusCode != http.StatusBadGateway {
			t.Errorf("%s: status %d", id, answer.StatusCode)
		}
		if got := p.deliveries(t, id); got != "1" {
			t.Errorf("%s: the application got the POST %s times", id, got)
		}
	}
}

func hangsUp(t *testing.T, p *place) {
	answer := harness.Do(t, p.alice.Client(), p.request(t, http.MethodPost, "/hangs/up", strings.NewReader("pay 100")))
	if answer.StatusCode != http.StatusBadGateway {
		t.Errorf("status %d", answer.StatusCode)
	}
	if got := p.deliveries(t, "up"); got != "1" {
		t.Errorf("the application got the POST %s times", got)
	}
}

func diesMidway(t *testing.T, p *place) {
	for _, target := range []string{"/dies", "/dies?chunked=1"} {
		body, err := io.ReadAll(p.open(t, p.request(t, http.MethodGet, target, nil)).Body)
		if len(body) == 0 || len(body) > small || !bytes.HasPrefix(pattern, body) || !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%s: %d bytes, then %v", target, len(body), err)
		}
	}
}

// events opens a stream, and returns what comes of it line by line.
func (p *place) events(t *testing.T, client *http.Client, id string) func() (string, error) {
	t.Helper()
	response, err := client.Do(p.request(t, http.MethodGet, "/events?id="+id, nil))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = response.Body.Close() })
	if response.StatusCode != http.StatusOK || response.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("%s %v", response.Status, response.Header)
	}
	lines := bufio.NewReader(response.Body)
	return func() (string, error) {
		line, err := lines.ReadString('\n')
		if err == nil {
			_, err = lines.ReadString('\n')
		}
		return strings.TrimSuffix(line, "\n"), err
	}
}

// Each event is asked for when the one before has been read: none is held back.
func eventsOneByOne(t *testing.T, p *place) {
	id := "one-" + p.kind // nginx has its events from the application that is also behind the gate itself
	next := p.events(t, p.alice.Client(), id)
	for i, want := range []string{"data: begun", "data: 1", "data: 2", "data: 3"} {
		if i > 0 {
			p.get(t, http.StatusNoContent, fmt.Sprintf("/push?id=%s&data=%d", id, i))
		}
		if got, err := next(); got != want || err != nil {
			t.Fatalf("%q, %v; want %q", got, err, want)
		}
	}
	p.get(t, http.StatusNoContent, "/push?id="+id+"&end=1")
	if got, err := next(); got != "" || !errors.Is(err, io.EOF) {
		t.Errorf("after the end: %q, %v", got, err)
	}
}

// socket opens a WebSocket. What say does is to send a frame, and to return the one that answers.
func (p *place) socket(t *testing.T) (say func(harness.Frame) harness.Frame, rest io.Reader, conn net.Conn) {
	t.Helper()
	const key = "dGhlIHNhbXBsZSBub25jZQ=="
	conn, reader := p.write(t, "GET /socket HTTP/1.1\r\nHost: $HOST\r\nCookie: $COOKIE\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: "+key+"\r\n\r\n")
	response, err := http.ReadResponse(reader, nil)
	if err != nil {
		t.Fatal(err)
	}
	if response.StatusCode != http.StatusSwitchingProtocols || response.Header.Get("Sec-WebSocket-Accept") != harness.WebSocketAccept(key) {
		t.Fatalf("%s %v", response.Status, response.Header)
	}
	return func(f harness.Frame) harness.Frame {
		t.Helper()
		_, _ = conn.Write(masked(f)) // what is heard tells
		heard, err := harness.ReadFrame(reader, make([]byte, longestFrame))
		if err != nil {
			t.Fatalf("after %x: %v", f.First, err)
		}
		return heard
	}, reader, conn
}

func socketFrames(t *testing.T, p *place) {
	say, rest, _ := p.socket(t)
	for _, f := range []harness.Frame{
		{First: textFrame, Payload: []byte("hello")},
		{First: binaryFrame, Payload: pattern[:40_000]},
		{First: textBegins, Payload: []byte("a message ")},
		{First: continues, Payload: []byte("in three ")},
		{First: pingFrame, Payload: []byte("between")},
		{First: continuesLast, Payload: []byte("frames")},
		{First: textFrame},
	} {
		if heard := say(f); heard.First != f.First || !bytes.Equal(heard.Payload, f.Payload) {
			t.Errorf("said %x and %d bytes, heard %x and %d", f.First, len(f.Payload), heard.First, len(heard.Payload))
		}
	}
	mine := harness.Frame{First: closeFrame, Payload: append(closing(4001).Payload, "enough"...)}
	if heard := say(mine); heard.First != closeFrame || !bytes.Equal(heard.Payload, mine.Payload) {
		t.Errorf("the close is answered with %x %q", heard.First, heard.Payload)
	}
	if more, err := io.ReadAll(rest); len(more) > 0 || err != nil {
		t.Errorf("after the close: %q, %v", more, err)
	}
}

func socketCloses(t *testing.T, p *place) {
	say, rest, conn := p.socket(t)
	heard := say(harness.Frame{First: textFrame, Payload: []byte("close 4002")})
	if heard.First != closeFrame || !bytes.Equal(heard.Payload, closing(4002).Payload) {
		t.Fatalf("heard %x %q", heard.First, heard.Payload)
	}
	_, _ = conn.Write(masked(heard)) // the client agrees
	if more, err := io.ReadAll(rest); len(more) > 0 || err != nil {
		t.Errorf("after the close: %q, %v", more, err)
	}
}

func signOut(t *testing.T, p *place) {
	leaving := p.signIn(t, harness.Alice)
	if answer := harness.Get(t, leaving.Client(), p.origin+"/who?gcp-iap-mode=CLEAR_LOGIN_COOKIE"); answer.StatusCode != http.StatusFound {
		t.Fatal(answer.Status)
	}
	answer := harness.Get(t, leaving.Client(), p.origin+"/who", "Accept", "text/html")
	if answer.StatusCode != http.StatusFound || !strings.HasPrefix(answer.Header.Get("Location"), p.gate.Auth) {
		t.Errorf("%s, to %q", answer.Status, answer.Header.Get("Location"))
	}
	p.get(t, http.StatusOK, "/who") // who has not signed out notices nothing
}

func revoked(t *testing.T, p *place) {
	person := "leaver-" + service(p.kind) + "@example.com"
	web := func(what string) {
		p.gate.CLI(t, "iap", "web", what, "--resource-type=backend-services", "--service="+service(p.kind), "--member=user:"+person, grant)
	}
	p.gate.CLIWith(t, password+"\n", "users", "create", person)
	web("add-iam-policy-binding")
	leaver := p.signIn(t, person)
	next := p.events(t, leaver.Client(), "leaver-"+p.kind)
	if got, err := next(); got != "data: begun" || err != nil {
		t.Fatal(got, err)
	}
	web("remove-iam-policy-binding")
	removed := time.Now()
	if got, err := next(); err == nil {
		t.Errorf("the stream goes on: %q", got)
	}
	if took := time.Since(removed); took > time.Second {
		t.Errorf("it ended after %s", took)
	}
	if answer := harness.Get(t, leaver.Client(), p.origin+"/who"); answer.StatusCode != http.StatusForbidden {
		t.Errorf("the next request: %s", answer.Status)
	}
	p.get(t, http.StatusOK, "/who") // who may stay notices nothing
}

func unpack(t *testing.T, packed string) string {
	t.Helper()
	z, err := gzip.NewReader(strings.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
