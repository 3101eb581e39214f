package http1_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

// chunky is a body that comes in pieces, and fills a trailer with its end.
type chunky struct {
	pieces  []string
	trailer http.Header
}

func (c *chunky) Read(p []byte) (int, error) {
	if len(c.pieces) == 0 {
		for name := range c.trailer {
			c.trailer[name] = []string{"at the end"}
		}
		return 0, io.EOF
	}
	n := copy(p, c.pieces[0])
	c.pieces = c.pieces[1:]
	return n, nil
}

func (c *chunky) Close() error { return nil }

// sent returns the bytes that a transport writes for a request, its header lines in order, or the error.
func sent(t *testing.T, transport http.RoundTripper, r *http.Request) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	received := make(chan string, 1)
	go func() {
		conn, err := l.Accept()
		if err != nil {
			received <- ""
			return
		}
		defer conn.Close()
		var b strings.Builder
		got, err := http.ReadRequest(bufio.NewReader(io.TeeReader(conn, &b)))
		if err == nil {
			_, _ = io.Copy(io.Discard, got.Body)
		}
		received <- b.String()
		_, _ = io.WriteString(conn, "HTTP/1.1 204 No Content\r\n\r\n")
	}()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	r = r.WithContext(ctx)
	if r.URL.Host == "" {
		r.URL.Host = l.Addr().String()
	}
	response, err := transport.RoundTrip(r)
	if err != nil {
		return "refused"
	}
	defer response.Body.Close()
	head, body, _ := strings.Cut(<-received, "\r\n\r\n")
	head = strings.ReplaceAll(head, l.Addr().String(), "ADDRESS")
	fields := strings.Split(head, "\r\n")
	slices.Sort(fields[1:])
	return strings.Join(fields, "\r\n") + "\r\n\r\n" + body
}

func TestRequestsAreWrittenAsHTTPTransportWritesThem(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		make     func() *http.Request
		stricter bool // refused here only
	}{
		"a GET": {make: func() *http.Request { return request("GET", "/a/b?c=d", "") }},
		"a GET with fields": {make: func() *http.Request {
			r := request("GET", "/", "")
			r.Header = http.Header{"User-Agent": {" x "}, "Accept": {"a", "b"}, "X_odd": {" spaced\t"}, "X-Empty": {""}, "Cookie": {"a=1; b=2"}}
			return r
		}},
		"without an agent": {make: func() *http.Request {
			r := request("GET", "/", "")
			r.Header = http.Header{"User-Agent": {""}}
			return r
		}},
		"fields that the framing sets": {make: func() *http.Request {
			r := request("POST", "/", "hello")
			r.Header = http.Header{"User-Agent": {""}, "Host": {"x"}, "Content-Length": {"9"}, "Transfer-Encoding": {"gzip"}, "Trailer": {"X"}}
			return r
		}},
		"a target as received":   {make: func() *http.Request { return opaque("/a|b%2Fc;d/../e", "x=%zz&y=a;b") }},
		"a target with a bare ?": {make: func() *http.Request { r := opaque("/a", ""); r.URL.ForceQuery = true; return r }},
		"OPTIONS *":              {make: func() *http.Request { r := opaque("*", ""); r.Method = "OPTIONS"; return r }},
		"a target that begins with //": {make: func() *http.Request {
			r := request("GET", "/", "")
			r.URL.Path, r.URL.RawPath = "//a/b", "//a%2Fb"
			return r
		}},
		"another host": {make: func() *http.Request {
			r := request("GET", "/", "")
			r.Host = "app.test:8080"
			return r
		}},
		"a POST":                {make: func() *http.Request { return request("POST", "/", "hello") }},
		"a POST of more":        {make: func() *http.Request { return request("POST", "/", strings.Repeat("x", 100_000)) }},
		"a POST of nothing":     {make: func() *http.Request { return request("POST", "/", "") }},
		"a PUT of nothing":      {make: func() *http.Request { return request("PUT", "/", "") }},
		"a PATCH of nothing":    {make: func() *http.Request { return request("PATCH", "/", "") }},
		"a DELETE of nothing":   {make: func() *http.Request { return request("DELETE", "/", "") }},
		"a DELETE of something": {make: func() *http.Request { return request("DELETE", "/", "hello") }},
		"a GET with a body":     {make: func() *http.Request { return request("GET", "/", "hello") }},
		"a method nobody knows": {make: func() *http.Request { return request("PROPFIND", "/", "") }},
		"chunks":                {make: func() *http.Request { return inChunks(nil) }},
		"chunks and a trailer":  {make: func() *http.Request { return inChunks(http.Header{"X-Sum": nil, "X-Other": nil}) }},
		"chunks that are asked for": {make: func() *http.Request {
			r := request("POST", "/", "hello")
			r.TransferEncoding = []string{"chunked"}
			return r
		}},
		"a connection that ends": {make: func() *http.Request { r := request("GET", "/", ""); r.Close = true; return r }},
		"an upgrade": {make: func() *http.Request {
			r := request("GET", "/", "")
			r.Header = http.Header{"User-Agent": {""}, "Connection": {"Upgrade"}, "Upgrade": {"websocket"}}
			return r
		}},
		"a body shorter than its length": {make: func() *http.Request { r := request("POST", "/", "hello"); r.ContentLength = 9; return r }},
		"a body longer than its length":  {make: func() *http.Request { r := request("POST", "/", "hello"); r.ContentLength = 3; return r }},
		"a larger body, shorter than its length": {make: func() *http.Request {
			r := request("POST", "/", strings.Repeat("x", 10_000))
			r.ContentLength = 20_000
			return r
		}},
		"a line break in a value":  {make: func() *http.Request { return with("X", "a\r\nY: b") }},
		"a NUL in a value":         {make: func() *http.Request { return with("X", "a\x00b") }},
		"a line break in a name":   {make: func() *http.Request { return with("X\r\nY", "a") }},
		"a space in a name":        {make: func() *http.Request { return with("X Y", "a") }},
		"an empty name":            {make: func() *http.Request { return with("", "a") }},
		"a line break in a target": {make: func() *http.Request { return opaque("/a\r\nX: y", "") }},
		"a length as a trailer":    {make: func() *http.Request { return inChunks(http.Header{"Content-Length": nil}) }},
		"a line break in a method": {make: func() *http.Request { r := request("GET", "/", ""); r.Method = "G\r\nX: T"; return r }},
		"a space in a target":      {make: func() *http.Request { return opaque("/a HTTP/1.1", "") }, stricter: true},
		"a space in a query":       {make: func() *http.Request { return opaque("/a", "b HTTP/1.1") }, stricter: true},
		"a host that is none":      {make: func() *http.Request { r := request("GET", "/", ""); r.Host = "a b"; return r }, stricter: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			mine, reference := ours(), theirs()
			defer mine.CloseIdleConnections()
			defer reference.CloseIdleConnections()
			got, want := sent(t, mine, c.make()), sent(t, reference, c.make())
			if c.stricter {
				if got != "refused" || want == "refused" {
					t.Errorf("it is said to be refused here only, but\n    here: %q\nnet/http: %q", got, want)
				}
			} else if got != want {
				t.Errorf("\n    here: %.500q\nnet/http: %.500q", got, want)
			}
		})
	}
}

func request(method, target, body string) *http.Request {
	var reader io.Reader = http.NoBody
	if body != "" {
		reader = strings.NewReader(body)
	}
	r, err := http.NewRequest(method, "http://replaced"+target, reader)
	if err != nil {
		panic(err) // of constants
	}
	r.URL.Host, r.Host = "", "app.test"
	r.Header["User-Agent"] = []string{"test"}
	return r
}

func opaque(path, query string) *http.Request {
	r := request("GET", "/", "")
	r.URL = &url.URL{Scheme: "http", Opaque: path, RawQuery: query}
	return r
}

func with(name, value string) *http.Request {
	r := request("GET", "/", "")
	r.Header[name] = []string{value}
	return r
}

func inChunks(trailer http.Header) *http.Request {
	r := request("POST", "/", "")
	r.Body, r.ContentLength, r.Trailer = &chunky{[]string{"one", strings.Repeat("two", 1000)}, trailer}, -1, trailer
	return r
}
