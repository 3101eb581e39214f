package server_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/gatehouse-iap/gatehouse/internal/admin"
	"github.com/gatehouse-iap/gatehouse/internal/listener"
	"github.com/gatehouse-iap/gatehouse/internal/pages"
	"github.com/gatehouse-iap/gatehouse/internal/server"
)

// standstill is how long a body of these tests may stand still.
const standstill = 300 * time.Millisecond

// limited starts a gate with limits, in front of an application that reads what it is sent, and at /endless sends until
// it is stopped. Its open service takes bodies of ten bytes.
func limited(t *testing.T, counts *listener.Counts) *gate {
	t.Helper()
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/endless" {
			w.Header().Set("Content-Type", r.Header.Get("Content-Type"))
			for piece := make([]byte, 64<<10); ; {
				if _, err := w.Write(piece); err != nil {
					panic(http.ErrAbortHandler)
				}
			}
		}
		if r.URL.Path == "/early" {
			_ = http.NewResponseController(w).EnableFullDuplex()
			_ = http.NewResponseController(w).Flush()
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		fmt.Fprintf(w, "read %d", len(body))
	}))
	t.Cleanup(app.Close)
	g := startGate(t, func(o *server.Options) {
		var err error
		spec := listener.Spec{Address: "127.0.0.1:0", Counts: counts, Limits: listener.Limits{BodyTimeout: standstill, SendTimeout: standstill}}
		if o.Listener, err = listener.Open(t.Context(), spec, nil); err != nil {
			t.Fatal(err)
		}
	})
	service := open
	service.Upstream, service.IAPDisabled, service.MaxBodyBytes = app.URL, true, 10
	if err := g.server.Admin().PutService(t.Context(), admin.System("test"), service); err != nil {
		t.Fatal(err)
	}
	return g
}

func TestALongHeaderIsRefusedWithAPageThatSaysWhatToDo(t *testing.T) {
	t.Parallel()
	counts := listener.NewCounts()
	g := limited(t, counts)
	cookies := "Cookie: a=" + strings.Repeat("c", 70_000)
	for name, c := range map[string]struct {
		target, line, accept string
		status               int
		says                 string
	}{
		"a browser":                            {"/", cookies, "text/html", 431, "delete the cookies of this site"},
		"a program":                            {"/", cookies, "application/json", 431, `"reason":"header_too_large"`},
		"the style sheet of that page":         {pages.StaticPrefix + "none.css", cookies, "text/css", 404, ""},
		"a long address":                       {"/" + strings.Repeat("u", 40_000), "X: y", "text/html", 414, "The address of this request is longer"},
		"a long address below the style sheet": {pages.StaticPrefix + strings.Repeat("u", 40_000), "X: y", "text/plain", 414, "reason url_too_long"},
		"an ordinary header":                   {"/", "Cookie: a=" + strings.Repeat("c", 50_000), "text/html", 200, "read 0"},
	} {
		response, body := g.get("open.test", c.target, c.line, "Accept: "+c.accept)
		if response.StatusCode != c.status || !strings.Contains(body, c.says) {
			t.Errorf("%s: status %d:\n%s", name, response.StatusCode, body)
		}
		if id := response.Header.Get("X-Request-Id"); c.status > 404 && (id == "" || !strings.Contains(body, id)) {
			t.Errorf("%s: the answer is called %q:\n%s", name, id, body)
		}
	}
	if n := counts.Requests(); n[string(listener.HeaderTooLarge)] != 2 || n[string(listener.URLTooLong)] != 2 {
		t.Errorf("counted %v", n)
	}
}

func TestABodyIsAsLongAsTheServiceTakesItAndNoLonger(t *testing.T) {
	t.Parallel()
	const declared, chunked = "Content-Length: %d\r\n\r\n%s", "Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n"
	counts := listener.NewCounts()
	g := limited(t, counts)
	for name, c := range map[string]struct {
		form   string
		length int
		status int
	}{
		"as long as it may be, declared":  {declared, 10, 200},
		"too long, declared":              {declared, 11, 413},
		"far too long, declared":          {declared, 50_000, 413},
		"as long as it may be, in chunks": {chunked, 10, 200},
		"too long, in chunks":             {chunked, 11, 413},
		"far too long, in chunks":         {chunked, 50_000, 413},
		"none at all":                     {declared, 0, 200},
	} {
		t.Run(name, func(t *testing.T) {
			response, body := g.raw("POST / HTTP/1.1\r\nHost: open.test\r\nAccept: application/json\r\n" + fmt.Sprintf(c.form, c.length, strings.Repeat("b", c.length)))
			if response.StatusCode != c.status {
				t.Fatalf("status %d: %s", response.StatusCode, body)
			}
			if c.status == http.StatusRequestEntityTooLarge && (!strings.Contains(body, "body_too_large") || !response.Close) {
				t.Errorf("closing %v: %s", response.Close, body)
			}
		})
	}
	if n := counts.Requests()[string(listener.BodyTooLarge)]; n != 4 {
		t.Errorf("counted %d", n)
	}
}

// overHTTP2 asks without TLS.
func (g *gate) overHTTP2(t *testing.T) *http.Transport {
	t.Helper()
	transport := &http.Transport{Protocols: new(http.Protocols)}
	transport.Protocols.SetUnencryptedHTTP2(true)
	t.Cleanup(transport.CloseIdleConnections)
	return transport
}

func (g *gate) post(t *testing.T, transport *http.Transport, path string, body io.Reader, contentType string) (*http.Response, error) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+g.address+path, body)
	if err != nil {
		t.Fatal(err)
	}
	request.Host = "open.test"
	request.Header.Set("Content-Type", contentType)
	return transport.RoundTrip(request)
}

func TestABodyThatIsTooLongEndsItsStreamAlone(t *testing.T) {
	t.Parallel()
	g := limited(t, listener.NewCounts())
	transport := g.overHTTP2(t)
	other, more := io.Pipe()
	answered := make(chan string, 1)
	go func() {
		response, err := g.post(t, transport, "/early", other, "application/grpc")
		if err != nil {
			answered <- err.Error()
			return
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		answered <- fmt.Sprint(string(body), err)
	}()
	if _, err := io.WriteString(more, "12345"); err != nil {
		t.Fatal(err)
	}
	response, err := g.post(t, transport, "/", io.MultiReader(strings.NewReader("123456"), strings.NewReader("789012")), "text/plain")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("status %d", response.StatusCode)
	}
	if _, err := io.WriteString(more, "67890"); err != nil {
		t.Fatal(err)
	}
	more.Close()
	if got := <-answered; got != "read 10<nil>" {
		t.Errorf("the other request on the connection got %q", got)
	}
}

func TestABodyThatStandsStillIsNotWaitedForUntilTheAppAnswers(t *testing.T) {
	t.Parallel()
	counts := listener.NewCounts()
	g := limited(t, counts)
	t.Cleanup(func() {
		if n := counts.Requests()[string(listener.BodyTooSlow)]; n != 5 {
			t.Errorf("counted %d", n)
		}
	})
	for name, c := range map[string]struct {
		path, contentType string
		status            int
		says              string
	}{
		"an upload":                               {"/", "text/plain", 408, "body_too_slow"},
		"a call of gRPC":                          {"/", "application/grpc+proto", 200, "read 9"}, // which there is over HTTP/2 alone
		"an upload that looks like gRPC":          {"/", "application/grpc-web", 408, "body_too_slow"},
		"an upload that is answered as it comes":  {"/early", "text/plain", 200, "read 9"},
		"an upload that is answered by gRPC-like": {"/early", "application/grpc", 200, "read 9"},
	} {
		for protocol, send := range map[string]func(*gate, *testing.T, string, string) (int, string){"HTTP/1.1": pausedHTTP1, "HTTP/2": pausedHTTP2} {
			t.Run(name+" over "+protocol, func(t *testing.T) {
				t.Parallel()
				wanted, says := c.status, c.says
				if name == "a call of gRPC" && protocol == "HTTP/1.1" {
					wanted, says = http.StatusRequestTimeout, "body_too_slow"
				}
				status, said := send(g, t, c.path, c.contentType)
				if status != wanted || !strings.Contains(said, says) {
					t.Errorf("status %d: %s", status, said)
				}
			})
		}
	}
}

// pausedHTTP1 sends a part of a body, waits for longer than it may stand still, and sends the rest. What is answered
// early is waited for first: until then the body must not stand still.
func pausedHTTP1(g *gate, t *testing.T, path, contentType string) (int, string) {
	conn, err := net.Dial("tcp", g.address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: open.test\r\nContent-Type: %s\r\nContent-Length: 9\r\n\r\n123", path, contentType)
	reader := bufio.NewReader(conn)
	if path == "/early" {
		_, _ = reader.Peek(1)
	}
	<-time.After(4 * standstill)
	_, _ = io.WriteString(conn, "456789")
	response, err := http.ReadResponse(reader, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Error(err)
	}
	return response.StatusCode, string(body)
}

func pausedHTTP2(g *gate, t *testing.T, path, contentType string) (int, string) {
	body, more := io.Pipe()
	answered := make(chan struct{})
	go func() {
		_, _ = io.WriteString(more, "123")
		if path == "/early" {
			<-answered
		}
		<-time.After(4 * standstill)
		_, _ = io.WriteString(more, "456789")
		more.Close()
	}()
	response, err := g.post(t, g.overHTTP2(t), path, body, contentType)
	close(answered)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	said, err := io.ReadAll(response.Body)
	if err != nil {
		t.Error(err)
	}
	return response.StatusCode, string(said)
}

// In HTTP/2 a deadline that passes ends the body of its stream, whether or not anybody reads it just then.
func TestAnUploadWaitsForAnAppThatReadsLate(t *testing.T) {
	t.Parallel()
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		<-time.After(2 * standstill)
		n, _ := io.Copy(io.Discard, r.Body)
		fmt.Fprintf(w, "read %d", n)
	}))
	t.Cleanup(app.Close)
	counts := listener.NewCounts()
	g := limited(t, counts)
	service := open
	service.Upstream, service.IAPDisabled = app.URL, true
	if err := g.server.Admin().PutService(t.Context(), admin.System("test"), service); err != nil {
		t.Fatal(err)
	}
	const length = 32 << 20 // more than lies on the way
	response, err := g.post(t, g.overHTTP2(t), "/", strings.NewReader(strings.Repeat("b", length)), "text/plain")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	said, _ := io.ReadAll(response.Body)
	if n := counts.Requests()[string(listener.BodyTooSlow)]; string(said) != fmt.Sprint("read ", length) || n != 0 {
		t.Errorf("status %d: %s; counted %d", response.StatusCode, said, n)
	}
}

// Whoever breaks off uploads would fill the log with the application's name.
func TestAnUploadThatIsBrokenOffIsNotSaidOfTheApp(t *testing.T) {
	t.Parallel()
	g := limited(t, listener.NewCounts())
	for name, rest := range map[string]string{
		"the client goes away":                "Content-Length: 10\r\n\r\n123",
		"the client goes away among chunks":   "Transfer-Encoding: chunked\r\n\r\n5\r\n12",
		"the client goes away between chunks": "Transfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n",
	} {
		conn, err := net.Dial("tcp", g.address)
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
		_, _ = io.WriteString(conn, "POST / HTTP/1.1\r\nHost: open.test\r\n"+rest)
		_ = conn.(*net.TCPConn).CloseWrite()
		if said, _ := io.ReadAll(conn); strings.Contains(string(said), "upstream_failed") {
			t.Errorf("%s, and the application is blamed: %s", name, said)
		}
		conn.Close()
	}
}

func TestAnAnswerThatHasBegunIsCutWhenTheBodyIsTooLong(t *testing.T) {
	t.Parallel()
	counts := listener.NewCounts()
	g := limited(t, counts)
	body, more := io.Pipe()
	begun := make(chan struct{})
	go func() {
		defer more.Close()
		_, _ = io.WriteString(more, "12345")
		<-begun
		_, _ = io.WriteString(more, "678901")
	}()
	response, err := g.post(t, g.overHTTP2(t), "/early", body, "text/plain")
	close(begun)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if said, err := io.ReadAll(response.Body); err == nil {
		t.Errorf("the answer seems whole: %q", said)
	}
	if n := counts.Requests()[string(listener.BodyTooLarge)]; n != 1 {
		t.Errorf("counted %d", n)
	}
}

// A stream that its client gives no room writes nothing to the connection, and no deadline of that passes. It keeps the
// application's connection and the gate's memory all the same.
func TestAnAnswerThatAClientOfHTTP2LeavesUntakenEndsItsStreamAlone(t *testing.T) {
	t.Parallel()
	counts := listener.NewCounts()
	g := limited(t, counts)
	transport := g.overHTTP2(t)
	for _, c := range []struct {
		contentType string
		ends        bool
	}{
		{"application/octet-stream", true},
		{"application/grpc", false}, // whose streams may wait for as long as their ends like
	} {
		response, err := g.post(t, transport, "/endless", http.NoBody, c.contentType)
		if err != nil {
			t.Fatal(err)
		}
		if !c.ends {
			<-time.After(3 * standstill)
			ended := make(chan error, 1)
			go func() {
				_, err := io.Copy(io.Discard, response.Body)
				ended <- err
			}()
			select {
			case err := <-ended:
				t.Errorf("%s was ended: %v", c.contentType, err)
			case <-time.After(3 * standstill):
			}
			_ = response.Body.Close()
			continue
		}
		for end := time.Now().Add(20 * time.Second); counts.Requests()[string(listener.AnswerUnread)] == 0 && time.Now().Before(end); {
			time.Sleep(standstill / 10)
		}
		var cut http2.StreamError
		if _, err := io.Copy(io.Discard, response.Body); !errors.As(err, &cut) {
			t.Errorf("%s ended with %v", c.contentType, err)
		}
		_ = response.Body.Close()
	}
	response, err := g.post(t, transport, "/", strings.NewReader("12345"), "text/plain")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if body, err := io.ReadAll(response.Body); string(body) != "read 5" || err != nil {
		t.Errorf("%q, %v", body, err)
	}
	if n := counts.Requests()[string(listener.AnswerUnread)]; n != 1 {
		t.Errorf("counted %d", n)
	}
	if n := counts.Connections()[string(listener.NotTaken)]; n != 0 {
		t.Errorf("%d connections were ended", n)
	}
}
