package http1_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/upstream/http1"
)

// application answers the first request with bytes, and every further one with 204. It counts connections.
type application struct {
	net.Listener
	answer string
	hangUp bool // after the answer

	mu          sync.Mutex
	connections int
	asked       bool
}

func startApplication(t testing.TB, answer string, hangUp bool) *application {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	a := &application{Listener: l, answer: answer, hangUp: hangUp}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go a.serve(conn)
		}
	}()
	return a
}

func (a *application) serve(conn net.Conn) {
	defer conn.Close()
	a.mu.Lock()
	a.connections++
	a.mu.Unlock()
	in := bufio.NewReader(conn)
	for {
		r, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		_, _ = io.Copy(io.Discard, r.Body)
		a.mu.Lock()
		first := !a.asked
		a.asked = true
		a.mu.Unlock()
		answer := "HTTP/1.1 204 No Content\r\n\r\n"
		if first {
			answer = a.answer
		}
		if _, err := io.WriteString(conn, answer); err != nil || first && a.hangUp {
			return
		}
	}
}

// outcome is what somebody sees of a round trip.
type outcome struct {
	failed   string // "", "round trip" or "body"
	status   string
	code     int
	proto    string
	header   http.Header
	length   int64
	encoding []string
	close    bool
	body     string
	trailer  http.Header
	informed []string
	reused   bool // the next request went over the same connection
}

func (o outcome) String() string {
	return fmt.Sprintf("failed %q, %s %q (%d), header %v, length %d, encoding %q, close %v, body %q, trailer %v, informed %q, reused %v",
		o.failed, o.proto, o.status, o.code, o.header, o.length, o.encoding, o.close, o.body, o.trailer, o.informed, o.reused)
}

// try sends one request and a second one, and tells what came of them.
func try(t testing.TB, transport http.RoundTripper, a *application, method string) outcome {
	t.Helper()
	var o outcome
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{Got1xxResponse: func(code int, header textproto.MIMEHeader) error {
		o.informed = append(o.informed, fmt.Sprint(code, header))
		return nil
	}})
	request := func() *http.Request {
		r, err := http.NewRequestWithContext(ctx, method, "http://"+a.Addr().String()+"/", nil)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	response, err := transport.RoundTrip(request())
	if err != nil {
		if ctx.Err() != nil {
			t.Fatal("no end in sight")
		}
		o.failed = "round trip"
		return o
	}
	defer response.Body.Close()
	o.status, o.code, o.proto, o.header = response.Status, response.StatusCode, response.Proto, maps.Clone(response.Header)
	o.length, o.encoding, o.close = response.ContentLength, response.TransferEncoding, response.Close
	body, err := io.ReadAll(response.Body)
	o.body, o.trailer = string(body), response.Trailer
	if err != nil {
		o.failed = "body"
	}
	response.Body.Close()
	a.mu.Lock()
	before := a.connections
	a.mu.Unlock()
	if again, err := transport.RoundTrip(request()); err == nil {
		again.Body.Close()
		a.mu.Lock()
		o.reused = a.connections == before
		a.mu.Unlock()
	}
	return o
}

func ours() *http1.Transport {
	return &http1.Transport{
		Dial: new(net.Dialer).DialContext, FirstByte: 3 * time.Second, Continue: time.Second, Idle: time.Second, MaxIdle: 4,
	}
}

// theirs is the reference. It writes about every answer that nobody asked for to the log.
func theirs() *http.Transport {
	return &http.Transport{DisableCompression: true, ExpectContinueTimeout: time.Second, ResponseHeaderTimeout: 3 * time.Second}
}

const (
	keeps   = false
	hangsUp = true
)

// answers are what applications may say. Where stricter gives a reason, http.Transport takes what is refused here;
// nothing is taken here that http.Transport refuses.
var answers = map[string]struct {
	method   string // GET where empty
	bytes    string
	hangUp   bool
	stricter string
}{
	"a length":                               {"", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", keeps, ""},
	"a length and a type":                    {"", "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\nServer: x\r\n\r\nhello", keeps, ""},
	"nothing":                                {"", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", keeps, ""},
	"no reason":                              {"", "HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", keeps, ""},
	"an empty reason":                        {"", "HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n", keeps, ""},
	"a reason of many words":                 {"", "HTTP/1.1 404 Nothing Is Here\r\nContent-Length: 0\r\n\r\n", keeps, ""},
	"a status nobody knows":                  {"", "HTTP/1.1 799 What\r\nContent-Length: 0\r\n\r\n", keeps, ""},
	"spaces before the status":               {"", "HTTP/1.1   200 OK\r\nContent-Length: 0\r\n\r\n", keeps, ""},
	"lines that end with LF":                 {"", "HTTP/1.1 200 OK\nContent-Length: 5\n\nhello", keeps, ""},
	"no header":                              {"", "HTTP/1.1 200 OK\r\n\r\nhello", hangsUp, ""},
	"no header, ended with LF":               {"", "HTTP/1.1 200 OK\n\nhello", hangsUp, ""},
	"names in any case":                      {"", "HTTP/1.1 200 OK\r\ncontent-LENGTH: 5\r\nx-UPPER-lower_x: 1\r\n\r\nhello", keeps, ""},
	"a header twice":                         {"", "HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\nset-cookie: b=2\r\nSet-Cookie: c=3\r\nContent-Length: 0\r\n\r\n", keeps, ""},
	"spaces around values":                   {"", "HTTP/1.1 200 OK\r\nX:  \t a b \t \r\nY:\r\nZ:z\r\nContent-Length: 0\r\n\r\n", keeps, ""},
	"bytes beyond ASCII in a value":          {"", "HTTP/1.1 200 OK\r\nX: \xc3\xa9\xff\r\nContent-Length: 0\r\n\r\n", keeps, ""},
	"close":                                  {"", "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello", keeps, ""},
	"close among others":                     {"", "HTTP/1.1 200 OK\r\nConnection: x, Close\r\nX: 1\r\nContent-Length: 5\r\n\r\nhello", keeps, ""},
	"keep-alive":                             {"", "HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\nhello", keeps, ""},
	"HTTP/1.0":                               {"", "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", hangsUp, ""},
	"HTTP/1.0 to the end":                    {"", "HTTP/1.0 200 OK\r\n\r\nhello", hangsUp, ""},
	"HTTP/1.0 that is kept":                  {"", "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\nhello", keeps, ""},
	"the same length twice":                  {"", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello", keeps, ""},
	"two lengths":                            {"", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello", keeps, ""},
	"two lengths in a line":                  {"", "HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\nhello", keeps, ""},
	"a length with a sign":                   {"", "HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\nhello", keeps, ""},
	"a negative length":                      {"", "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello", keeps, ""},
	"an empty length":                        {"", "HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\nhello", keeps, ""},
	"a length beyond numbers":                {"", "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\nhello", keeps, ""},
	"a length that is not reached":           {"", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello", hangsUp, ""},
	"more than the length":                   {"", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhelloHTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nmallory", keeps, ""},
	"more than nothing":                      {"", "HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nmallory", keeps, ""},
	"204 with a length":                      {"", "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", keeps, ""},
	"304 with a length":                      {"", "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\nEtag: x\r\n\r\n", keeps, ""},
	"HEAD with a length":                     {"HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", keeps, ""},
	"HEAD without":                           {"HEAD", "HTTP/1.1 200 OK\r\n\r\n", keeps, ""},
	"HEAD, chunked":                          {"HEAD", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", keeps, ""},
	"HEAD with a body all the same":          {"HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", keeps, ""},
	"chunks":                                 {"", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n", keeps, ""},
	"Chunked":                                {"", "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", keeps, ""},
	"chunks of hexadecimal sizes":            {"", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n00A\r\n0123456789\r\nb\r\n0123456789x\r\n000\r\n\r\n", keeps, ""},
	"chunks with extensions":                 {"", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b;c\r\nhello\r\n0;x\r\n\r\n", keeps, ""},
	"chunks with spaces behind sizes":        {"", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5  \r\nhello\r\n0 \t\r\n\r\n", keeps, ""},
	"chunks that end with the connection":    {"", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", hangsUp, ""},
	"a chunk that is cut":                    {"", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel", hangsUp, ""},
	"a chunk longer than its size":           {"", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhelloo\r\n0\r\n\r\n", hangsUp, ""},
	"a size that is none":                    {"", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\nhello\r\n0\r\n\r\n", hangsUp, ""},
	"an empty size":                          {"", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\r\nhello\r\n0\r\n\r\n", hangsUp, ""},
	"a size with 0x":                         {"", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n", hangsUp, ""},
	"a negative size":                        {"", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nhello\r\n0\r\n\r\n", hangsUp, ""},
	"a size beyond numbers":                  {"", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\nhello\r\n0\r\n\r\n", hangsUp, ""},
	"a size that ends with LF":               {"", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n", hangsUp, ""},
	"a chunk that ends with LF":              {"", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\n0\r\n\r\n", hangsUp, ""},
	"more behind the chunks":                 {"", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nmallory", keeps, ""},
	"trailers":                               {"", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum, x-other\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n", keeps, ""},
	"trailers that nobody announced":         {"", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 1\r\nX-Sum: 2\r\n\r\n", keeps, ""},
	"trailers that are cut":                  {"", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 1\r\n", hangsUp, ""},
	"a length announced as a trailer":        {"", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: Content-Length\r\n\r\n0\r\n\r\n", hangsUp, ""},
	"trailers announced for a length":        {"", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTrailer: X-Sum\r\n\r\nhello", keeps, ""},
	"another encoding":                       {"", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", hangsUp, ""},
	"two encodings":                          {"", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", hangsUp, ""},
	"identity":                               {"", "HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\nhello", hangsUp, ""},
	"hints":                                  {"", "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </b>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", keeps, ""},
	"a 100 nobody asked for":                 {"", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", keeps, ""},
	"hints and the end":                      {"", "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", hangsUp, ""},
	"garbage":                                {"", "garbage\r\n\r\n", hangsUp, ""},
	"garbage that does not end":              {"", "SSH-2.0-OpenSSH_9.9\r\n", keeps, ""},
	"binary garbage":                         {"", "\x15\x03\x01\x00\x02\x02\x16\n\n", hangsUp, ""},
	"an empty line first":                    {"", "\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", hangsUp, ""},
	"no answer":                              {"", "", hangsUp, ""},
	"a status line that is cut":              {"", "HTTP/1.1 20", hangsUp, ""},
	"a header that is cut":                   {"", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n", hangsUp, ""},
	"a version without a dot":                {"", "HTTP/11 200 OK\r\nContent-Length: 0\r\n\r\n", hangsUp, ""},
	"a status of two digits":                 {"", "HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n", hangsUp, ""},
	"a status of four digits":                {"", "HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n", hangsUp, ""},
	"a status of letters":                    {"", "HTTP/1.1 abc OK\r\nContent-Length: 0\r\n\r\n", hangsUp, ""},
	"a line without a colon":                 {"", "HTTP/1.1 200 OK\r\nnothing\r\nContent-Length: 0\r\n\r\n", hangsUp, ""},
	"a name that is empty":                   {"", "HTTP/1.1 200 OK\r\n: x\r\nContent-Length: 0\r\n\r\n", hangsUp, ""},
	"a name with a control byte":             {"", "HTTP/1.1 200 OK\r\nX\x00: x\r\nContent-Length: 0\r\n\r\n", hangsUp, ""},
	"a value with a control byte":            {"", "HTTP/1.1 200 OK\r\nX: a\x00b\r\nContent-Length: 0\r\n\r\n", hangsUp, ""},
	"a value with a CR":                      {"", "HTTP/1.1 200 OK\r\nX: a\rY: b\r\nContent-Length: 0\r\n\r\n", hangsUp, ""},
	"a header that begins with a space":      {"", "HTTP/1.1 200 OK\r\n X: a\r\nContent-Length: 0\r\n\r\n", hangsUp, ""},
	"a large header":                         {"", "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 40<<10) + "\r\nContent-Length: 5\r\n\r\nhello", keeps, ""},
	"many headers":                           {"", "HTTP/1.1 200 OK\r\n" + strings.Repeat("X-Many: 1\r\n", 2000) + "Content-Length: 5\r\n\r\nhello", keeps, ""},
	"a large body":                           {"", "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + strings.Repeat("x", 1_000_000), keeps, ""},
	"large chunks":                           {"", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + strings.Repeat("ffff\r\n"+strings.Repeat("x", 0xffff)+"\r\n", 9) + "0\r\n\r\n", keeps, ""},
	"many small chunks":                      {"", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + strings.Repeat("1\r\nx\r\n", 20000) + "0\r\n\r\n", keeps, ""},
	"chunks that are all extension":          {"", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + strings.Repeat("1;"+strings.Repeat("y", 200)+"\r\nx\r\n", 500) + "0\r\n\r\n", hangsUp, ""},
	"length and chunks":                      {"", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", hangsUp, "two readers may take it for two messages"},
	"chunks of HTTP/1.0":                     {"", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", hangsUp, "its framing is faulty (RFC 9112, section 6.1)"},
	"a folded line":                          {"", "HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 0\r\n\r\n", hangsUp, "it is obsolete, and what is folded passes filters"},
	"a space before the colon":               {"", "HTTP/1.1 200 OK\r\nContent-Length : 5\r\n\r\nhello", hangsUp, "proxies must not pass it on (RFC 9112, section 5.1)"},
	"another HTTP/1":                         {"", "HTTP/1.2 200 OK\r\nContent-Length: 0\r\n\r\n", hangsUp, "there is none"},
	"HTTP/2 in words":                        {"", "HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n", hangsUp, "it is not spoken like this"},
	"a status with a sign":                   {"", "HTTP/1.1 +20 OK\r\nContent-Length: 0\r\n\r\n", hangsUp, "it is no number of three digits"},
	"a status below all classes":             {"", "HTTP/1.1 099 OK\r\nContent-Length: 0\r\n\r\n", hangsUp, "it is none"},
	"a reason with a control byte":           {"", "HTTP/1.1 200 O\x00K\r\nContent-Length: 0\r\n\r\n", hangsUp, "it is none"},
	"a length in a trailer":                  {"", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nContent-Length: 9\r\n\r\n", hangsUp, "no trailer may say how to read its message"},
	"a header that is larger than 64 KiB":    {"", "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 70<<10) + "\r\nContent-Length: 0\r\n\r\n", hangsUp, "no application needs that much"},
	"a line of extensions longer than 256":   {"", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;" + strings.Repeat("y", 300) + "\r\nhello\r\n0\r\n\r\n", hangsUp, "nobody uses them"},
	"informational responses without an end": {"", strings.Repeat("HTTP/1.1 103 Early Hints\r\n\r\n", 200) + "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", hangsUp, "somebody has to give up"},
}

// surplus are the answers behind which more comes than belongs to them. Their connections must not be used again.
var surplus = map[string]bool{"more than the length": true, "more than nothing": true, "HEAD with a body all the same": true}

func TestAnswersAreReadAsHTTPTransportReadsThem(t *testing.T) {
	t.Parallel()
	for name, c := range answers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			method := c.method
			if method == "" {
				method = "GET"
			}
			mine, reference := ours(), theirs()
			defer mine.CloseIdleConnections()
			defer reference.CloseIdleConnections()
			got := try(t, mine, startApplication(t, c.bytes, c.hangUp), method)
			want := try(t, reference, startApplication(t, c.bytes, c.hangUp), method)
			if c.stricter != "" {
				if got.failed == "" || want.failed != "" {
					t.Fatalf("it is said to be refused here only, but\n     here: %v\nnet/http: %v", got, want)
				}
				return
			}
			if got.failed != "" && got.failed == want.failed && got.failed == "round trip" {
				return
			}
			if surplus[name] {
				if got.reused {
					t.Error("the connection is used again, and what came behind the answer is the next one's")
				}
				want.reused = false // net/http finds that out by a goroutine, which may come late
			}
			if got.String() != want.String() {
				t.Errorf("\n     here: %.2000v\nnet/http: %.2000v", got, want)
			}
		})
	}
}
