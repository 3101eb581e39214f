package upstream_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/upstream"
	"github.com/gatehouse-iap/gatehouse/internal/upstream/http1"
)

// counted is an application that counts what reaches it.
type counted struct {
	*httptest.Server
	requests, connections atomic.Int64
}

func newCounted(t *testing.T, answer http.HandlerFunc) *counted {
	t.Helper()
	c := &counted{}
	c.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.requests.Add(1)
		answer(w, r)
	}))
	c.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			c.connections.Add(1)
		}
	}
	c.Start()
	t.Cleanup(c.Close)
	return c
}

func echo(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body) // what is missing is missed by who compares
	_, _ = w.Write(body)
}

// send sends a request with a body of its own through an upstream; an empty body is none.
func send(t *testing.T, up *upstream.Upstream, method, body string) (*http.Response, error) {
	t.Helper()
	return sendWith(t, up, method, body, http.Header{})
}

func sendWith(t *testing.T, up *upstream.Upstream, method, body string, header http.Header) (*http.Response, error) {
	t.Helper()
	var content io.Reader
	if body != "" {
		content = io.MultiReader(strings.NewReader(body)) // of which net/http cannot make a second one
	}
	request, err := http.NewRequestWithContext(t.Context(), method, up.Scheme+"://"+up.Address+"/", content)
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		request.ContentLength = int64(len(body))
	}
	request.Header = header.Clone()
	return up.Send(request, http1.Whole{Request: request})
}

func read(t *testing.T, response *http.Response) string {
	t.Helper()
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

func inFlight(up *upstream.Upstream) (counts []int64) {
	for _, a := range up.Addresses() {
		counts = append(counts, a.InFlight)
	}
	return counts
}

func TestRequestsCountUntilTheirAnswersAreClosed(t *testing.T) {
	t.Parallel()
	a, b := newCounted(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") }), newCounted(t, echo)
	b.Config.Handler = a.Config.Handler
	up := one(t, &upstream.Pools{}, upstream.Config{URL: a.URL + " " + b.URL})
	var answers []*http.Response
	for range 10 {
		response, err := send(t, up, "GET", "")
		if err != nil {
			t.Fatal(err)
		}
		answers = append(answers, response)
	}
	if counts := inFlight(up); counts[0] != 5 || counts[1] != 5 {
		t.Errorf("under way: %v of 10", counts)
	}
	for _, response := range answers {
		read(t, response)
		response.Body.Close() // twice, as ReverseProxy may
	}
	if head, err := send(t, up, "HEAD", ""); err != nil || head.Body != http.NoBody {
		t.Errorf("HEAD: %v", err)
	}
	if counts := inFlight(up); counts[0] != 0 || counts[1] != 0 {
		t.Errorf("under way after their ends: %v", counts)
	}
}

func TestWhatCannotBeConnectedToIsPassedOverWithTheWholeBody(t *testing.T) {
	t.Parallel()
	app := newCounted(t, echo)
	closed := newCloseCounter(strings.Repeat("body", 20<<10))
	up := one(t, &upstream.Pools{}, upstream.Config{URL: app.URL + " http://" + deadAddress(t) + " http://" + deadAddress(t)})
	for range 30 {
		closed.reset()
		request, err := http.NewRequestWithContext(t.Context(), "POST", "http://"+up.Address+"/", closed)
		if err != nil {
			t.Fatal(err)
		}
		request.ContentLength = int64(len(closed.content))
		response, err := up.Send(request, http1.Whole{Request: request})
		if err != nil {
			t.Fatal(err)
		}
		if got := read(t, response); got != closed.content {
			t.Fatalf("%d bytes came back of %d", len(got), len(closed.content))
		}
		if closed.count.Load() == 0 {
			t.Error("the body was not closed")
		}
	}
	if got := app.requests.Load(); got != 30 {
		t.Errorf("%d requests reached the application, of 30", got)
	}
	states := up.Addresses()
	open := 0
	for _, a := range states {
		if a.Circuit != upstream.CircuitClosed {
			open++
		}
	}
	if open != 2 {
		t.Errorf("the dead addresses are %+v", states)
	}
}

// closeCounter is a body that counts how often it is closed, and cannot be read after that.
type closeCounter struct {
	content string
	reader  *strings.Reader
	count   atomic.Int64
}

func newCloseCounter(content string) *closeCounter {
	c := &closeCounter{content: content}
	c.reset()
	return c
}

func (c *closeCounter) reset() { c.reader = strings.NewReader(c.content); c.count.Store(0) }

func (c *closeCounter) Read(p []byte) (int, error) {
	if c.count.Load() > 0 {
		return 0, errors.New("read after it was closed")
	}
	return c.reader.Read(p)
}

func (c *closeCounter) Close() error { c.count.Add(1); return nil }

func TestABodyIsClosedThoughNoAddressTakesIt(t *testing.T) {
	t.Parallel()
	up := one(t, &upstream.Pools{}, upstream.Config{URL: "http://" + deadAddress(t) + " http://" + deadAddress(t)})
	body := newCloseCounter("body")
	request, err := http.NewRequestWithContext(t.Context(), "POST", "http://"+up.Address+"/", body)
	if err != nil {
		t.Fatal(err)
	}
	_, err = up.Send(request, http1.Whole{Request: request})
	if status, _ := upstream.Answer(err); !errors.Is(err, syscall.ECONNREFUSED) || !strings.Contains(err.Error(), "2 addresses were tried") || status != 502 {
		t.Errorf("error %v, status %d", err, status)
	}
	if body.count.Load() == 0 {
		t.Error("the body was not closed")
	}
}

func TestAnApplicationThatIsBackIsThereForTheVeryNextRequest(t *testing.T) {
	t.Parallel()
	dead, listen := bound(t)
	up := one(t, &upstream.Pools{}, upstream.Config{URL: "http://" + dead})
	for range 10 {
		if _, err := send(t, up, "GET", ""); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Fatalf("error %v", err)
		}
	}
	if state := up.Addresses()[0]; state.Circuit != upstream.CircuitOpen {
		t.Fatalf("%+v", state)
	}
	l := listen(16)
	server := &http.Server{Handler: http.HandlerFunc(echo)}
	go server.Serve(l) //nolint:errcheck // it is closed below
	t.Cleanup(func() { server.Close() })
	response, err := send(t, up, "POST", "hello")
	if err != nil || read(t, response) != "hello" {
		t.Fatalf("error %v", err)
	}
	if state := up.Addresses()[0]; state.Circuit != upstream.CircuitClosed {
		t.Errorf("%+v", state)
	}
}

// fickle is an application, without net/http, that answers the first request of a connection and ends at the second,
// once it has read it. Nil config is without TLS.
func fickle(t *testing.T, config *tls.Config, requests *atomic.Int64) (url string) {
	t.Helper()
	scheme := "http://"
	if config != nil {
		scheme = "https://"
	}
	return scheme + accept(t, config, func(conn net.Conn) {
		reader := bufio.NewReader(conn)
		for n := range 2 {
			r, err := http.ReadRequest(reader)
			if err != nil {
				return
			}
			_, _ = io.Copy(io.Discard, r.Body)
			requests.Add(1)
			if n == 0 {
				_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
			}
		}
	})
}

// Behind TLS another transport sends the requests than without.
func TestAConnectionThatEndsAsARequestLeaves(t *testing.T) {
	t.Parallel()
	ours := newAuthority(t, "ours")
	trust := upstream.TLS{CAFile: ours.file(), ServerName: "app.internal"}
	secure := &tls.Config{Certificates: []tls.Certificate{ours.issue("app.internal", time.Time{})}}
	for name, c := range map[string]struct {
		method, body string
		reaches      int64 // how often the application sees it
		answered     bool
		header       string
	}{
		"a GET is sent once more":                 {"GET", "", 2, true, ""},
		"a POST is not":                           {"POST", "", 1, false, ""},
		"a POST with a body is not":               {"POST", "body", 1, false, ""},
		"a body is not, whatever the method says": {"PUT", "body", 1, false, ""},
		"nor that of a GET":                       {"GET", "body", 1, false, ""},
		"a POST is not, though its client says that it may be done twice": {"POST", "", 1, false, "Idempotency-Key"},
		"nor with the older name of that":                                 {"POST", "", 1, false, "X-Idempotency-Key"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for i := range int64(4) {
				addresses, overTLS := 1+i%2, i > 1
				config := upstream.Config{}
				var behind *tls.Config
				if overTLS {
					config.TLS, behind = trust, secure
				}
				var requests atomic.Int64
				config.URL = fickle(t, behind, &requests)
				if addresses > 1 {
					config.URL += " " + fickle(t, behind, &requests)
				}
				up := one(t, &upstream.Pools{}, config)
				var first []*http.Response
				for range addresses { // one at each, which leaves an idle connection
					response, err := send(t, up, "GET", "")
					if err != nil {
						t.Fatal(err)
					}
					first = append(first, response)
				}
				for _, response := range first {
					read(t, response)
				}
				header := http.Header{}
				if c.header != "" {
					header.Set(c.header, "once")
				}
				response, err := sendWith(t, up, c.method, c.body, header)
				if c.answered != (err == nil) || err == nil && read(t, response) != "ok" {
					t.Errorf("of %d addresses, over TLS %v: error %v", addresses, overTLS, err)
				}
				if status, _ := upstream.Answer(err); err != nil && status != 502 {
					t.Errorf("status %d", status)
				}
				if got := requests.Load() - addresses; got != c.reaches {
					t.Errorf("of %d addresses, over TLS %v: %d requests reached the application, and should be %d", addresses, overTLS, got, c.reaches)
				}
			}
		})
	}
}

func TestWhatGoesWrongAfterARequestWasSentIsNotTriedElsewhere(t *testing.T) {
	t.Parallel()
	for name, words := range map[string]string{
		"garbage":                      "\x16\x03\x01 what?",
		"nothing":                      "",
		"half a header":                "HTTP/1.1 200 OK\r\nContent-Le",
		"a status that is none":        "HTTP/1.1 abc\r\n\r\n",
		"two lengths":                  "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx",
		"a header without end":         "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 2<<20),
		"a switch that nobody ordered": "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			app := newCounted(t, echo)
			pools := &upstream.Pools{}
			up := one(t, pools, upstream.Config{URL: app.URL + " http://" + speaker(t, words)})
			failures := 0
			for range 10 {
				response, err := send(t, up, "POST", "body")
				if err != nil {
					failures++
					continue
				}
				if response.StatusCode == http.StatusSwitchingProtocols {
					failures++
					response.Body.Close()
					continue
				}
				read(t, response)
			}
			if got := app.requests.Load(); int(got)+failures != 10 {
				t.Errorf("%d requests failed and %d were answered, of 10", failures, got)
			}
			for _, a := range up.Addresses() {
				if a.Circuit != upstream.CircuitClosed || a.InFlight != 0 {
					t.Errorf("whoever makes an application stumble closes it to everybody: %+v", a)
				}
			}
		})
	}
}

func TestAnAnswerHasALongHeaderAndNotALongerOneWhateverTheProtocol(t *testing.T) {
	t.Parallel()
	ours := newAuthority(t, "ours")
	secure := &tls.Config{Certificates: []tls.Certificate{ours.issue("app.internal", time.Time{})}}
	for name, c := range map[string]struct {
		config    *tls.Config
		protocols func(*http.Protocols)
		url       func(string) string
	}{
		"HTTP/1.1":           {nil, onlyHTTP1, func(url string) string { return url }},
		"HTTP/1.1 over TLS":  {secure.Clone(), onlyHTTP1, func(url string) string { return url }},
		"HTTP/2 over TLS":    {secure.Clone(), http1And2, func(url string) string { return url }},
		"HTTP/2 without TLS": {nil, h2c, asH2C},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			app := application(t, c.config, c.protocols)
			app.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				length, _ := strconv.Atoi(r.Header.Get("X-Length")) // 0 is noticed
				w.Header().Set("X-Long", strings.Repeat("x", length))
			})
			config := upstream.Config{URL: c.url(app.URL)}
			if c.config != nil {
				config.TLS = upstream.TLS{CAFile: ours.file(), ServerName: "app.internal"}
			}
			up := one(t, &upstream.Pools{}, config)
			for length, taken := range map[int]bool{60 << 10: true, 100 << 10: false} {
				response, err := sendWith(t, up, "GET", "", http.Header{"X-Length": {strconv.Itoa(length)}})
				if status, _ := upstream.Answer(err); taken != (err == nil) || err != nil && status != http.StatusBadGateway {
					t.Errorf("%d bytes: error %v, status %d", length, err, status)
				}
				if err == nil {
					if got := len(response.Header.Get("X-Long")); got != length {
						t.Errorf("%d bytes of %d came", got, length)
					}
					response.Body.Close()
				}
			}
		})
	}
}

func TestAClientThatLeavesSaysNothingAboutTheApplication(t *testing.T) {
	t.Parallel()
	arrived := make(chan struct{}, 1)
	app := newCounted(t, func(_ http.ResponseWriter, r *http.Request) { arrived <- struct{}{}; <-r.Context().Done() })
	up := one(t, &upstream.Pools{}, upstream.Config{URL: app.URL + " http://" + deadAddress(t)})
	for range 10 {
		ctx, leave := context.WithCancel(t.Context())
		request, err := http.NewRequestWithContext(ctx, "GET", "http://"+up.Address, nil)
		if err != nil {
			t.Fatal(err)
		}
		go func() { <-arrived; leave() }()
		if _, err := up.Send(request, http1.Whole{Request: request}); !errors.Is(err, context.Canceled) {
			t.Errorf("error %v", err)
		}
	}
	for _, a := range up.Addresses() {
		if a.URL == app.URL && (a.Circuit != upstream.CircuitClosed || a.InFlight != 0) {
			t.Errorf("%+v", a)
		}
	}
}

func TestChangingOneAddressKeepsTheConnectionsToTheOthers(t *testing.T) {
	t.Parallel()
	a, b, c := newCounted(t, echo), newCounted(t, echo), newCounted(t, echo)
	var pools upstream.Pools
	before := upstream.Config{URL: a.URL + " " + b.URL}.Canonical()
	after := upstream.Config{URL: c.URL + " " + a.URL}.Canonical()
	up := pools.Keep(map[upstream.Config]struct{}{before: {}})[before]
	t.Cleanup(func() { pools.Keep(nil) })
	var held []*http.Response
	for range 2 { // one at each
		response, err := send(t, up, "POST", "held")
		if err != nil {
			t.Fatal(err)
		}
		held = append(held, response)
	}
	changed := pools.Keep(map[upstream.Config]struct{}{after: {}})[after]
	for _, state := range changed.Addresses() {
		if want := map[string]int64{a.URL: 1, c.URL: 0}[state.URL]; state.InFlight != want {
			t.Errorf("under way: %+v", state)
		}
	}
	for _, response := range held {
		if got := read(t, response); got != "held" {
			t.Errorf("an exchange that was under way ended with %q", got)
		}
	}
	for range 20 {
		response, err := send(t, changed, "POST", "again")
		if err != nil {
			t.Fatal(err)
		}
		read(t, response)
	}
	if got := a.connections.Load(); got != 1 {
		t.Errorf("%d connections were made to the address that stays", got)
	}
	if b.requests.Load() != 1 || c.requests.Load() == 0 {
		t.Errorf("the address that is gone got %d requests, and the new one %d", b.requests.Load(), c.requests.Load())
	}
}
