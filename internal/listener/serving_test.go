package listener

import (
	"bufio"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"

	"golang.org/x/net/http2"
)

// echo says what a request is.
var echo = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	_, _ = fmt.Fprintf(w, "%s %s %s %q %v %d %v\n", r.Method, r.RequestURI, r.Host, body, err, r.ContentLength, r.Header)
})

// says returns all that a client gets for what it sends, but for the date, when it then has nothing more to say.
func says(t *testing.T, address, sent string) string {
	t.Helper()
	c := dial(t, address)
	_, _ = io.WriteString(c, sent) // which may be more than is taken
	_ = c.(*net.TCPConn).CloseWrite()
	said, _ := io.ReadAll(c) // up to the end, in whatever way it comes
	var lines []string
	for line := range strings.Lines(string(said)) {
		if !strings.HasPrefix(line, "Date: ") {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "")
}

// What a plain listener answers is what net/http answers: with the server before it there is no difference to be seen,
// neither for requests that come alone nor for those behind others.
func TestAPlainListenerAnswersAsNetHTTPDoes(t *testing.T) {
	t.Parallel()
	here := serve(t, Spec{}, echo)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	own, err := Spec{}.listener()
	if err != nil {
		t.Fatal(err)
	}
	theirs := newServer(own, echo, slog.New(slog.DiscardHandler))
	theirs.ConnContext, theirs.ConnState = nil, nil
	go func() { _ = theirs.Serve(l) }()
	t.Cleanup(func() { _ = theirs.Close() })

	const line, host, end = "GET /x HTTP/1.1\r\n", "Host: a\r\n", "\r\n"
	for name, sent := range map[string]string{
		"a plain request":                "GET /x?y HTTP/1.1\r\nHost: a\r\nCookie: a\r\ncookie: b\r\n\r\n",
		"HEAD":                           "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n",
		"a body with GET":                line + host + "Content-Length: 4\r\n\r\nbody",
		"a body that looks like another": line + host + "Content-Length: 28\r\n\r\nGET /z HTTP/1.1\r\nHost: b\r\n\r\n",
		"a body of nothing":              line + host + "Content-Length: 0\r\n\r\n",
		"two lengths":                    line + host + "Content-Length: 4\r\nContent-Length: 5\r\n\r\nbody5",
		"chunks":                         line + host + "Transfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n",
		"chunks and a length":            line + host + "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n",
		"an encoding nobody knows":       line + host + "Transfer-Encoding: chunked, x\r\n\r\n",
		"POST":                           "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody",
		"an expectation":                 line + host + "Expect: 100-continue\r\nContent-Length: 4\r\n\r\nbody",
		"an expectation of another kind": line + host + "Expect: wonders\r\n\r\n",
		"an upgrade":                     line + host + "Connection: Upgrade\r\nUpgrade: x\r\n\r\n",
		"an end":                         line + host + "Connection: close\r\n\r\n",
		"HTTP/1.0":                       "GET /x HTTP/1.0\r\nHost: a\r\n\r\n",
		"HTTP/1.0 without a Host":        "GET /x HTTP/1.0\r\n\r\n",
		"HTTP/1.2":                       "GET /x HTTP/1.2\r\nHost: a\r\n\r\n",
		"HTTP/3":                         "GET /x HTTP/3.0\r\nHost: a\r\n\r\n",
		"absolute form":                  "GET http://b/x HTTP/1.1\r\nHost: a\r\n\r\n",
		"two slashes":                    "GET //b/x HTTP/1.1\r\nHost: a\r\n\r\n",
		"an asterisk":                    "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
		"a method in lower case":         "get /x HTTP/1.1\r\nHost: a\r\n\r\n",
		"a bare LF after the line":       "GET /x HTTP/1.1\nHost: a\r\n\r\n",
		"bare LFs alone":                 "GET /x HTTP/1.1\nHost: a\n\n",
		"a bare CR":                      line + host + "X: a\rY: b\r\n\r\n",
		"a line that is folded":          line + host + "X: a\r\n b\r\n\r\n",
		"space before a colon":           line + "Host : a\r\n\r\n",
		"two Hosts":                      line + host + "Host: b\r\n\r\n",
		"no Host":                        line + end,
		"an empty Host":                  line + "Host:\r\n\r\n",
		"a Host that is none":            line + "Host: a b\r\n\r\n",
		"a Host beyond ASCII":            line + "Host: \xe4\r\n\r\n",
		"a value beyond ASCII":           line + host + "X: \xe4\r\n\r\n",
		"a value with NUL":               line + host + "X: a\x00b\r\n\r\n",
		"a name with NUL":                line + host + "X\x00: a\r\n\r\n",
		"an empty line before":           "\r\n" + line + host + end,
		"an escape that is none":         "GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n",
		"a target beyond ASCII":          "GET /\xc3\xa4 HTTP/1.1\r\nHost: a\r\n\r\n",
		"space in the target":            "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n",
		"a long head":                    line + host + "X: " + strings.Repeat("x", 20<<10) + "\r\n\r\n",
		"many fields":                    line + host + strings.Repeat("X: y\r\n", 200) + end,
		"half a head":                    line + "Host",
		"one byte":                       "G",
		"nothing":                        "",
		"a handshake of TLS":             "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, before := range []string{"", line + host + end, strings.Repeat("HEAD /b HTTP/1.1\r\nHost: b\r\n\r\n", 2)} {
				for _, after := range []string{"", line + host + end, "POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi" + line + host + end} {
					if name == "one byte" && before != "" { // is answered with 400, and by net/http with nothing if there are fewer than four
						continue
					}
					if after != "" && (sent == "" || name == "half a head" || name == "one byte") {
						continue
					}
					all := before + sent + after
					if got, want := says(t, here, all), says(t, l.Addr().String(), all); got != want {
						t.Errorf("%.300q is answered with\n%s\n\nby net/http with\n%s", all, got, want)
					}
				}
			}
		})
	}
}

// A proxy in front of us may take it for the body, and the answer to it for that to somebody else's request.
func TestWhatFollowsARequestOfHTTP10IsNoRequest(t *testing.T) {
	t.Parallel()
	address := serve(t, Spec{}, answered)
	for name, sent := range map[string]string{
		"chunks":  "POST /x HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n",
		"nothing": "GET /x HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n",
	} {
		if answers := strings.Count(says(t, address, sent), "HTTP/1."); answers != 1 {
			t.Errorf("%s: %d answers", name, answers)
		}
	}
}

// The protocol is chosen by the first bytes of a connection that somebody else has read.
func TestHTTP2WithoutTLSIsSpokenWithWhoBeginsIt(t *testing.T) {
	t.Parallel()
	c := dial(t, serve(t, Spec{}, answered))
	f := newFrames(t, c)
	if err := f.ask(true, true); err != nil {
		t.Fatal(err)
	}
	f.until(t, func(frame http2.Frame) bool {
		data, ok := frame.(*http2.DataFrame)
		return ok && string(data.Data()) == "answer"
	})
}

func TestARequestKnowsItsConnectionFromEitherServer(t *testing.T) {
	t.Parallel()
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		peer, known := peerOf(r)
		local, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
		_, server := r.Context().Value(http.ServerContextKey).(*http.Server)
		_, _ = fmt.Fprint(w, peer, known, local, server, r.RemoteAddr)
	})
	address := serve(t, Spec{ProxyFrom: prefixes(t, "127.0.0.1/32")}, handler)
	want := "192.0.2.1 true " + address + " true 192.0.2.1:1"
	for _, method := range []string{"GET", "DELETE"} {
		c := dial(t, address)
		_, _ = io.WriteString(c, "PROXY TCP4 192.0.2.1 192.0.2.9 1 1\r\n"+method+" / HTTP/1.1\r\nHost: a\r\n\r\n")
		response, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		if body, _ := io.ReadAll(response.Body); strings.ReplaceAll(string(body), " ", "") != strings.ReplaceAll(want, " ", "") {
			t.Errorf("%s: %s, want %s", method, body, want)
		}
	}
}

func TestLimitsOfARequestHoldWhoeverReadsIt(t *testing.T) {
	t.Parallel()
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = fmt.Fprintf(w, "[%s]", Oversized(r)) })
	address := serve(t, Spec{Limits: Limits{MaxHeaderBytes: 4000, MaxURLBytes: 1000}}, handler)
	for name, c := range map[string]struct{ url, fields, want string }{
		"short":                                {"/", "", "[]"},
		"a long URL":                           {"/" + strings.Repeat("u", 1000), "", "[url]"},
		"a long field":                         {"/", "X: " + strings.Repeat("x", 4000) + "\r\n", "[header]"},
		"many fields":                          {"/", strings.Repeat("X: y\r\n", 99), "[]"},
		"too many fields":                      {"/", strings.Repeat("X: y\r\n", 150), "[header]"},
		"a field that nobody reads to its end": {"/", "X: " + strings.Repeat("x", 14000) + "\r\n", "[header]"},
	} {
		for _, method := range []string{"GET", "DELETE"} {
			said := says(t, address, method+" "+c.url+" HTTP/1.1\r\nHost: a\r\n"+c.fields+"\r\n")
			if name == "a field that nobody reads to its end" && method == "DELETE" {
				c.want = "431" // by net/http
			}
			if !strings.Contains(said, c.want) {
				t.Errorf("%s, %s: %q", name, method, said)
			}
		}
	}
}
