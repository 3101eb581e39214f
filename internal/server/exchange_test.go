package server_test

import (
	"bufio"
	"context"
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/gatehouse-iap/gatehouse/internal/admin"
	"github.com/gatehouse-iap/gatehouse/internal/audit"
	"github.com/gatehouse-iap/gatehouse/internal/catalog"
	"github.com/gatehouse-iap/gatehouse/internal/directory"
	"github.com/gatehouse-iap/gatehouse/internal/policy"
	"github.com/gatehouse-iap/gatehouse/internal/policy/iam"
	"github.com/gatehouse-iap/gatehouse/internal/principal"
	"github.com/gatehouse-iap/gatehouse/internal/server"
	"github.com/gatehouse-iap/gatehouse/internal/session"
)

// Key and answer of RFC 6455, section 1.3.
const (
	socketKey    = "dGhlIHNhbXBsZSBub25jZQ=="
	socketAccept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
)

// calls is a service that speaks HTTP/2 without TLS.
var calls = backend("calls", "9", "calls.test")

// endless is an application whose answers begin and do not end, and the gate in front of it.
type endless struct {
	*gate
	mu    sync.Mutex
	ended []audit.Decision // records of exchanges that have ended
}

func startEndless(t *testing.T, start func(*testing.T, ...func(*server.Options)) *gate) *endless {
	t.Helper()
	e := &endless{}
	e.gate = start(t, func(o *server.Options) {
		o.Drain = 2 * time.Second
		o.Development.Decision = func(d *audit.Decision) {
			if !d.Ends.IsZero() {
				e.mu.Lock()
				e.ended = append(e.ended, *d)
				e.mu.Unlock()
			}
		}
	})
	app := httptest.NewUnstartedServer(http.HandlerFunc(endlessly))
	app.Config.Protocols = new(http.Protocols)
	app.Config.Protocols.SetHTTP1(true)
	app.Config.Protocols.SetUnencryptedHTTP2(true)
	app.Start()
	t.Cleanup(func() { app.CloseClientConnections(); app.Close() })
	for service, scheme := range map[*catalog.Service]string{&private: "http://", &calls: "h2c://"} {
		s := *service
		s.Upstream = scheme + app.Listener.Addr().String()
		if err := e.server.Admin().PutService(t.Context(), admin.System("test"), s); err != nil {
			t.Fatal(err)
		}
	}
	return e
}

func withProvider(t *testing.T, edits ...func(*server.Options)) *gate {
	g, _, _ := federated(t, edits...)
	return g
}

func withAccounts(t *testing.T, edits ...func(*server.Options)) *gate { return startGate(t, edits...) }

// endlessly begins an answer of the kind that its path names.
func endlessly(w http.ResponseWriter, r *http.Request) {
	control := http.NewResponseController(w)
	switch r.URL.Path {
	case "/socket":
		conn, _, err := control.Hijack()
		if err != nil {
			return
		}
		defer conn.Close()
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: "+
			socketAcceptOf(r)+"\r\n\r\n\x81\x05begun")
		_, _ = io.Copy(io.Discard, conn)
		return
	case "/events":
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, "data: begun\n\n")
	case "/call":
		w.Header().Set("Content-Type", "application/grpc")
		_, _ = io.WriteString(w, "\x00\x00\x00\x00\x05begun")
	case "/download":
		_, _ = io.WriteString(w, "begun")
	case "/upload":
		_, _ = io.Copy(io.Discard, r.Body)
		return
	case "/silence":
		<-r.Context().Done()
		return
	case "/":
		w.Header().Set("X-Peer", r.RemoteAddr)
		return
	}
	_ = control.Flush()
	<-r.Context().Done()
}

// form is how an exchange is opened, and what its client reads from then on, with how that ends.
type form struct {
	name string
	open func(t *testing.T, e *endless, credential func(host string) string) (begun string, rest func() string)
	// ends is what the client reads when the gate ends the exchange for a reason.
	ends func(reason policy.Reason) string
	// drained is what it reads when the server stops; nil for a plain request.
	drained string
}

func says(reason policy.Reason) string { return string(reason) + ": " + reason.Describe().Title }

func closeFrame(code uint16, text string) string {
	return string([]byte{0x88, byte(2 + len(text)), byte(code >> 8), byte(code)}) + text
}

const stopping = "the gate is stopping: connect again"

var forms = []form{
	{"a WebSocket", openSocket, func(r policy.Reason) string { return closeFrame(1008, says(r)) + " EOF" }, closeFrame(1001, stopping) + " EOF"},
	{"a WebSocket over HTTP/2", openSocketOverHTTP2, func(r policy.Reason) string { return closeFrame(1008, says(r)) + " EOF" }, closeFrame(1001, stopping) + " EOF"},
	{"an event stream", openHTTP("/events", false), func(policy.Reason) string { return " EOF" }, " EOF"},
	{"an event stream over HTTP/2", openHTTP("/events", true), func(policy.Reason) string { return " EOF" }, " EOF"},
	{"a call of gRPC", openCall, func(r policy.Reason) string { return " EOF 16 " + url.PathEscape(says(r)) },
		" EOF 14 " + url.PathEscape(stopping)},
	{"a download", openHTTP("/download", false), func(policy.Reason) string { return " unexpected EOF" }, ""},
	{"a download over HTTP/2", openHTTP("/download", true), func(policy.Reason) string { return " reset" }, ""},
	{"an upload", openUpload(false), func(policy.Reason) string { return "cut" }, ""},
	{"an upload over HTTP/2", openUpload(true), func(policy.Reason) string { return "cut" }, ""},
	{"a request without an answer", openSilence(false), func(policy.Reason) string { return "cut" }, ""},
	{"a request without an answer over HTTP/2", openSilence(true), func(policy.Reason) string { return "cut" }, ""},
	{"a call of gRPC without an answer", openSilentCall, func(r policy.Reason) string { return "200 OK 16 " + url.PathEscape(says(r)) }, ""},
}

func openSocket(t *testing.T, e *endless, credential func(string) string) (string, func() string) {
	conn, err := net.Dial("tcp", e.address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	_, _ = io.WriteString(conn, "GET /socket HTTP/1.1\r\nHost: app.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: "+
		socketKey+"\r\n"+credential("app.test")+"\r\n\r\n")
	reader := bufio.NewReader(conn)
	response, err := http.ReadResponse(reader, nil)
	if err != nil || response.StatusCode != http.StatusSwitchingProtocols || response.Header.Get("Sec-WebSocket-Accept") != socketAccept {
		body, _ := io.ReadAll(response.Body)
		t.Fatalf("%v, %v\n%s", response, err, body)
	}
	wantName(t, response)
	return readFirst(t, reader, "\x81\x05begun"), func() string { return readRest(reader) }
}

// clear is a client that speaks HTTP/1.1, or HTTP/2 without TLS, with the gate.
func (e *endless) client(t *testing.T, two bool) *http.Client {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(!two)
	protocols.SetUnencryptedHTTP2(two)
	transport := &http.Transport{Protocols: protocols, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", e.address)
	}}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

func request(t *testing.T, method, address, credential string, body io.Reader) *http.Request {
	r, err := http.NewRequestWithContext(t.Context(), method, address, body)
	if err != nil {
		t.Fatal(err)
	}
	name, value, _ := strings.Cut(credential, ": ")
	r.Header.Set(name, value)
	return r
}

func openSocketOverHTTP2(t *testing.T, e *endless, credential func(string) string) (string, func() string) {
	sending, up := io.Pipe()
	t.Cleanup(func() { up.Close() })
	r := request(t, http.MethodConnect, "http://app.test/socket", credential("app.test"), sending)
	r.Header[":protocol"] = []string{"websocket"}
	r.Header.Set("Sec-WebSocket-Version", "13")
	conn, err := net.Dial("tcp", e.address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	//lint:ignore SA1019 the client of net/http sends no :protocol
	transport, err := (&http2.Transport{AllowHTTP: true}).NewClientConn(conn)
	if err != nil {
		t.Fatal(err)
	}
	response, err := transport.RoundTrip(r)
	if err != nil || response.StatusCode != http.StatusOK || response.Header.Get("Sec-WebSocket-Accept") != "" {
		t.Fatalf("%v, %v", response, err)
	}
	wantName(t, response)
	return readFirst(t, response.Body, "\x81\x05begun"), func() string { return readRest(response.Body) }
}

// wantName makes sure that an answer says what the request is called.
func wantName(t *testing.T, response *http.Response) {
	t.Helper()
	if names := response.Header["X-Request-Id"]; len(names) != 1 || len(names[0]) != 26 {
		t.Errorf("the request is called %q", names)
	}
}

func openHTTP(path string, two bool) func(*testing.T, *endless, func(string) string) (string, func() string) {
	return func(t *testing.T, e *endless, credential func(string) string) (string, func() string) {
		response, err := e.client(t, two).Do(request(t, http.MethodGet, "http://app.test"+path, credential("app.test"), nil))
		if err != nil {
			t.Fatal(err)
		}
		begun := "begun"
		if path == "/events" {
			begun = "data: begun\n\n"
		}
		return readFirst(t, response.Body, begun), func() string { return readRest(response.Body) }
	}
}

// openUpload sends without end to an application that takes everything.
func openUpload(two bool) func(*testing.T, *endless, func(string) string) (string, func() string) {
	return func(t *testing.T, e *endless, credential func(string) string) (string, func() string) {
		body, up := io.Pipe()
		t.Cleanup(func() { up.Close() })
		go func() {
			pace := time.NewTicker(5 * time.Millisecond)
			defer pace.Stop()
			for err := error(nil); err == nil; <-pace.C {
				_, err = io.WriteString(up, "more")
			}
		}()
		return "", answerTo(request(t, http.MethodPost, "http://app.test/upload", credential("app.test"), body), e.client(t, two))
	}
}

// openSilence asks for what is not answered, as a page that polls does.
func openSilence(two bool) func(*testing.T, *endless, func(string) string) (string, func() string) {
	return func(t *testing.T, e *endless, credential func(string) string) (string, func() string) {
		return "", answerTo(request(t, http.MethodGet, "http://app.test/silence", credential("app.test"), nil), e.client(t, two))
	}
}

func openSilentCall(t *testing.T, e *endless, credential func(string) string) (string, func() string) {
	r := request(t, http.MethodPost, "http://calls.test/silence", credential("calls.test"), strings.NewReader("\x00\x00\x00\x00\x00"))
	r.Header.Set("Content-Type", "application/grpc")
	r.Header.Set("Te", "trailers")
	return "", answerTo(r, e.client(t, true))
}

// answerTo sends a request whose answer is waited for elsewhere, and returns how to wait.
func answerTo(r *http.Request, client *http.Client) func() string {
	over := make(chan string, 1)
	go func() {
		response, err := client.Do(r)
		if err != nil {
			over <- "cut"
			return
		}
		response.Body.Close()
		answer := response.Status
		if status := response.Header.Get("Grpc-Status"); status != "" {
			answer += " " + status + " " + response.Header.Get("Grpc-Message")
		}
		over <- answer
	}()
	return func() string { return <-over }
}

func openCall(t *testing.T, e *endless, credential func(string) string) (string, func() string) {
	sending, up := io.Pipe()
	t.Cleanup(func() { up.Close() })
	r := request(t, http.MethodPost, "http://calls.test/call", credential("calls.test"), sending)
	r.Header.Set("Content-Type", "application/grpc+proto")
	r.Header.Set("Te", "trailers")
	response, err := e.client(t, true).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	return readFirst(t, response.Body, "\x00\x00\x00\x00\x05begun"), func() string {
		return readRest(response.Body) + " " + response.Trailer.Get("Grpc-Status") + " " + response.Trailer.Get("Grpc-Message")
	}
}

func readFirst(t *testing.T, from io.Reader, want string) string {
	t.Helper()
	first := make([]byte, len(want))
	if _, err := io.ReadFull(from, first); err != nil || string(first) != want {
		t.Fatalf("the answer begins with %q, %v", first, err)
	}
	return want
}

func readRest(from io.Reader) string {
	rest, err := io.ReadAll(from)
	switch {
	case err == nil:
		return string(rest) + " EOF"
	case strings.Contains(err.Error(), "stream error"):
		return string(rest) + " reset"
	}
	return string(rest) + " " + err.Error()
}

// endAll opens one exchange of each form, makes a change, and holds the gate to ending each within a second, in its own
// way, with a record.
func (e *endless) endAll(t *testing.T, credential func(host string) string, change func(), reason policy.Reason) {
	t.Helper()
	e.mu.Lock()
	e.ended = nil
	e.mu.Unlock()
	type end struct {
		form int
		read string
		at   time.Time
	}
	ends := make(chan end, len(forms))
	for i, form := range forms {
		_, rest := form.open(t, e, credential)
		go func() { ends <- end{i, rest(), time.Now()} }()
	}
	e.awaitKnown(t, len(forms))
	change()
	changed := time.Now()
	for range forms {
		select {
		case got := <-ends:
			if want := forms[got.form].ends(reason); got.read != want {
				t.Errorf("%s: read %q, want %q", forms[got.form].name, got.read, want)
			}
			if took := got.at.Sub(changed); took > time.Second {
				t.Errorf("%s: ended after %s", forms[got.form].name, took)
			}
		case <-time.After(5 * time.Second):
			t.Fatal("something goes on")
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.ended) != len(forms) {
		t.Errorf("%d records of ends, want %d", len(e.ended), len(forms))
	}
	for _, d := range e.ended {
		if d.Reason != reason || d.Identity.IsZero() || d.Status < 400 {
			t.Errorf("recorded %+v", d)
		}
	}
}

// awaitKnown waits until as many exchanges are known as lasting: those that do not say so are after a second.
func (e *endless) awaitKnown(t *testing.T, want int) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for range 500 {
		known := int64(0)
		for _, count := range e.server.Exchanges() {
			known += count.Open
		}
		if known == int64(want) {
			return
		}
		<-tick.C
	}
	t.Fatalf("%d exchanges are not known: %+v", want, e.server.Exchanges())
}

// let makes the members those who may use both applications.
func (e *endless) let(members ...string) {
	e.t.Helper()
	for _, service := range []catalog.Service{private, calls} {
		p := iam.Policy{Bindings: []iam.Binding{{Role: iam.RoleHTTPSResourceAccessor, Members: members}}}
		if len(members) == 0 {
			p.Bindings = nil
		}
		if _, err := e.server.Admin().SetIamPolicy(context.Background(), admin.System("test"), service.Service.Name(), p); err != nil {
			e.t.Fatal(err)
		}
	}
}

// byToken authenticates as alice of our own directory.
func (e *endless) byToken(host string) string {
	return e.as("alice@example.com", map[string]catalog.Service{"app.test": private, "calls.test": calls}[host])
}

func TestWhatLastsEndsWithTheSession(t *testing.T) {
	t.Parallel()
	e := startEndless(t, withProvider)
	byCookie := func() func(string) string {
		v := newVisitor(t, e.gate)
		for _, host := range []string{"app.test", "calls.test"} {
			if response, body := v.visit("http://" + host + "/"); response.StatusCode != http.StatusOK {
				t.Fatalf("%s: %s\n%s", host, response.Status, body)
			}
		}
		return func(host string) string {
			line := "Cookie: "
			for name, value := range v.cookies[host] {
				line += name + "=" + value + "; "
			}
			return strings.TrimSuffix(line, "; ")
		}
	}
	e.let("user:alice@corp.example")
	e.endAll(t, byCookie(), func() {
		ended, err := e.server.Admin().EndSessions(t.Context(), admin.System("test"), session.Filter{}, true)
		if err != nil || ended == 0 {
			t.Errorf("%d sessions were ended, %v", ended, err)
		}
	}, policy.SessionEnded)
	e.endAll(t, byCookie(), func() { e.let() }, policy.NotGranted)
}

func TestWhatLastsEndsWithTheRightOrTheToken(t *testing.T) {
	t.Parallel()
	e := startEndless(t, withAccounts)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	actor, a := admin.System("test"), e.server.Admin()
	members := []string{"alice@example.com"}
	_, err := a.CreateGroup(t.Context(), actor, directory.Group{Email: "team@example.com", Members: members})
	must(err)
	e.let("group:team@example.com")
	e.endAll(t, e.byToken, func() {
		_, err := a.RemoveGroupMembers(t.Context(), actor, "team@example.com", members)
		must(err)
	}, policy.NotGranted)
	_, err = a.AddGroupMembers(t.Context(), actor, "team@example.com", members)
	must(err)
	e.endAll(t, e.byToken, func() { must(a.SetDisabled(t.Context(), actor, principal.User, "alice@example.com", true)) }, policy.PrincipalSuspended)
	must(a.SetDisabled(t.Context(), actor, principal.User, "alice@example.com", false))
	e.endAll(t, e.byToken, func() {
		for range 7 { // the token lives for an hour; the view must stay fresh
			e.clock.advance(9 * time.Minute)
			e.confirm()
		}
	}, policy.BearerInvalid)
}

// Other streams of the connection go on when one is ended.
func TestOneStreamIsResetAndTheOthersGoOn(t *testing.T) {
	t.Parallel()
	e := startEndless(t, withAccounts)
	e.let("user:alice@example.com", "user:bob@example.com")
	client := e.client(t, true)
	open := func(email string) io.Reader {
		response, err := client.Do(request(t, http.MethodGet, "http://app.test/download", e.as(email, private), nil))
		if err != nil {
			t.Fatal(err)
		}
		readFirst(t, response.Body, "begun")
		return response.Body
	}
	alice, bob := open("alice@example.com"), open("bob@example.com")
	e.awaitKnown(t, 2)
	e.let("user:bob@example.com")
	if got := readRest(alice); got != " reset" {
		t.Errorf("alice read %q", got)
	}
	over := make(chan string, 1)
	go func() { over <- readRest(bob) }()
	select {
	case read := <-over:
		t.Errorf("bob's stream ended with %q", read)
	case <-time.After(200 * time.Millisecond):
	}
}

// A policy that changes and still lets somebody in ends nothing.
func TestAPolicyWriteDropsNoExchange(t *testing.T) {
	t.Parallel()
	e := startEndless(t, withAccounts)
	e.let("user:alice@example.com")
	over := make(chan string, len(forms))
	for _, form := range forms {
		_, rest := form.open(t, e, e.byToken)
		go func() { over <- form.name + " read " + rest() }()
	}
	e.awaitKnown(t, len(forms))
	e.let("user:alice@example.com", "user:bob@example.com")
	select {
	case read := <-over:
		t.Error(read)
	case <-time.After(300 * time.Millisecond):
	}
}

// Nor does it close what is idle, neither to clients nor to applications.
func TestAPolicyWriteDropsNoIdleConnection(t *testing.T) {
	t.Parallel()
	e := startEndless(t, withAccounts)
	e.let("user:alice@example.com")
	for _, two := range []bool{false, true} {
		client, reused := e.client(t, two), false
		ask := func() (peer string) {
			r := request(t, http.MethodGet, "http://app.test/", e.byToken("app.test"), nil)
			response, err := client.Do(r.WithContext(httptrace.WithClientTrace(r.Context(), &httptrace.ClientTrace{
				GotConn: func(c httptrace.GotConnInfo) { reused = c.Reused },
			})))
			if err != nil {
				t.Fatal(err)
			}
			response.Body.Close()
			return response.Header.Get("X-Peer")
		}
		before := ask()
		e.let("user:alice@example.com", fmt.Sprintf("user:bob%v@example.com", two))
		if after := ask(); !reused || after != before || before == "" {
			t.Errorf("HTTP/2 %v: the client's connection is the same: %v; the gate's was %q and is %q", two, reused, before, after)
		}
	}
}

func TestAServerThatStopsSaysSoToWhatLasts(t *testing.T) {
	t.Parallel()
	e := startEndless(t, withAccounts)
	e.let("user:alice@example.com")
	type end struct{ name, read, want string }
	ends := make(chan end, len(forms))
	waiting := 0
	for _, form := range forms {
		if form.drained == "" {
			continue // a plain request is waited for
		}
		_, rest := form.open(t, e, e.byToken)
		waiting++
		go func() { ends <- end{form.name, rest(), form.drained} }()
	}
	e.stop()
	for range waiting {
		if got := <-ends; got.read != got.want {
			t.Errorf("%s: read %q, want %q", got.name, got.read, got.want)
		}
	}
}

// An application that does not prove that it speaks WebSocket gets no connection to the client: it would read what the
// client sends as requests, which nobody has decided on.
func TestOnlyAnAnswerThatProvesWebSocketIsConnected(t *testing.T) {
	t.Parallel()
	g := startGate(t)
	var answer string
	g.app.say(func(*http.Request) string { return answer })
	for name, lines := range map[string]string{
		"no accept":       "Connection: Upgrade\r\nUpgrade: websocket\r\n",
		"another accept":  "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n",
		"two accepts":     "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: " + socketAccept + "\r\nSec-WebSocket-Accept: x\r\n",
		"no Upgrade":      "Connection: Upgrade\r\nSec-WebSocket-Accept: " + socketAccept + "\r\n",
		"another Upgrade": "Connection: Upgrade\r\nUpgrade: h2c\r\nSec-WebSocket-Accept: " + socketAccept + "\r\n",
		"no Connection":   "Upgrade: websocket\r\nSec-WebSocket-Accept: " + socketAccept + "\r\n",
	} {
		answer = "HTTP/1.1 101 Switching Protocols\r\n" + lines + "\r\n"
		response, _ := g.raw(fmt.Sprintf("GET / HTTP/1.1\r\nHost: open.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: %s\r\n\r\n", socketKey))
		if response.StatusCode != http.StatusBadGateway {
			t.Errorf("%s: %s", name, response.Status)
		}
	}
	answer = "HTTP/1.1 426 Upgrade Required\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno"
	response, body := g.raw(fmt.Sprintf("GET / HTTP/1.1\r\nHost: open.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: %s\r\n\r\n", socketKey))
	if response.StatusCode != http.StatusUpgradeRequired || body != "no" {
		t.Errorf("an ordinary answer: %s %q", response.Status, body)
	}
	answer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
	g.raw(fmt.Sprintf("POST / HTTP/1.1\r\nHost: open.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: %s\r\nContent-Length: 2\r\n\r\nhi", socketKey))
	if seen := g.app.last(); strings.Contains(strings.ToLower(seen), "upgrade: websocket") {
		t.Errorf("with a body the application got\n%s", seen)
	}
	answer = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: " + socketAccept + "\r\n\r\n"
	for _, request := range []string{
		"GET / HTTP/1.1\r\nHost: open.test\r\nSec-WebSocket-Key: " + socketKey + "\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: open.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: " + socketKey + "\r\nContent-Length: 2\r\n\r\nhi",
		"HEAD / HTTP/1.1\r\nHost: open.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: " + socketKey + "\r\n\r\n",
	} {
		if response, _ := g.raw(request); response.StatusCode != http.StatusBadGateway {
			t.Errorf("an application that was asked for no WebSocket speaks it: %s to %q", response.Status, request)
		}
	}
}

// Nobody but CONNECT has a :protocol, and of it only WebSocket leads anywhere.
func TestExtendedConnectIsForWebSocketOnly(t *testing.T) {
	t.Parallel()
	g := startGate(t)
	for _, c := range []struct {
		method, protocol string
		status           int
	}{
		{"GET", "websocket", http.StatusBadRequest},
		{"CONNECT", "connect-udp", http.StatusMethodNotAllowed},
		{"CONNECT", "webtransport", http.StatusMethodNotAllowed},
	} {
		status := g.frames(":method", c.method, ":scheme", "http", ":authority", "open.test", ":path", "/", ":protocol", c.protocol)
		if status != c.status || g.app.last() != "" {
			t.Errorf("%s with :protocol %s: status %d, the application got %q", c.method, c.protocol, status, g.app.last())
		}
	}
	for _, host := range []string{"auth.test", "nowhere.test"} {
		if status := g.frames(":method", "CONNECT", ":scheme", "http", ":authority", host, ":path", "/", ":protocol", "websocket"); status != http.StatusNotFound {
			t.Errorf("%s: status %d", host, status)
		}
	}
}

// socketAcceptOf is what a server says to the key of a request (RFC 6455, section 4.2.2).
func socketAcceptOf(r *http.Request) string {
	sum := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}
