package http1

import (
	"bufio"
	"bytes"
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/net/http/httpguts"
)

// plainHeads are heads that are answered here.
var plainHeads = map[string]string{
	"the shortest":                         "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
	"HEAD":                                 "HEAD /x HTTP/1.1\r\nHost: a\r\n\r\n",
	"a path and a query":                   "GET /a%2Fb/c%20d?q=1&q=%zz HTTP/1.1\r\nHost: app.test:8080\r\n\r\n",
	"signs that URLs should not have":      "GET /<>\"{}|\\^`#x?#y HTTP/1.1\r\nHost: a\r\n\r\n",
	"a semicolon and two slashes inside":   "GET /a;b//c?d;e HTTP/1.1\r\nHost: a\r\n\r\n",
	"dots in the path":                     "GET /a/../b/./c HTTP/1.1\r\nHost: a\r\n\r\n",
	"a query that is empty":                "GET /? HTTP/1.1\r\nHost: a\r\n\r\n",
	"an address of IPv6":                   "GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n",
	"names in lower case":                  "GET / HTTP/1.1\r\nhost: a\r\nx-goog-iap-jwt-assertion: e\r\nuser-agent: u\r\n\r\n",
	"names that fold to others":            "GET / HTTP/1.1\r\nHost: a\r\nX_Goog_Iap: 1\r\nx-goog_iap: 2\r\nX.y: 3\r\n!#$%&'*+-.^_`|~: 4\r\n\r\n",
	"values with space around":             "GET / HTTP/1.1\r\nHost: \t a \t\r\nX:\t b c\td \t\r\nY:\r\nZ:z\r\n\r\n",
	"a name that comes again":              "GET / HTTP/1.1\r\nHost: a\r\nCookie: a=1\r\nB: b\r\ncookie: b=2\r\nCOOKIE: c=3\r\n\r\n",
	"values with colons":                   "GET / HTTP/1.1\r\nHost: a\r\nReferer: http://b:80/?x:y\r\n\r\n",
	"a connection that is to be kept":      "GET / HTTP/1.1\r\nHost: a\r\nConnection: Keep-Alive\r\nConnection: keep-alive\r\n\r\n",
	"no-cache as in HTTP/1.0":              "GET / HTTP/1.1\r\nHost: a\r\nPragma: no-cache\r\n\r\n",
	"no-cache in both ways":                "GET / HTTP/1.1\r\nHost: a\r\nPragma: no-cache\r\nCache-Control: max-age=0\r\n\r\n",
	"no-cache as a second value":           "GET / HTTP/1.1\r\nHost: a\r\nPragma: x\r\nPragma: no-cache\r\n\r\n",
	"as many fields as are taken":          "GET / HTTP/1.1\r\nHost: a\r\n" + strings.Repeat("A: 1\r\n", mostFields-1) + "\r\n",
	"names that only look like framing":    "GET / HTTP/1.1\r\nHost: a\r\nContent_Length: 5\r\nX-Transfer-Encoding: chunked\r\nTE: trailers\r\n\r\n",
	"what a proxy says of its connections": "GET / HTTP/1.1\r\nHost: a\r\nProxy-Connection: close\r\nKeep-Alive: timeout=5\r\n\r\n",
}

// otherHeads have an end, and are net/http's all the same.
var otherHeads = map[string]string{
	"a body":                             "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n",
	"a body of no bytes":                 "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
	"a length in lower case":             "GET / HTTP/1.1\r\nHost: a\r\ncontent-length: 1\r\n\r\n",
	"chunks":                             "GET / HTTP/1.1\r\nHost: a\r\ntransfer-encoding: chunked\r\n\r\n",
	"an encoding that nobody knows":      "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: x\r\n\r\n",
	"a trailer":                          "GET / HTTP/1.1\r\nHost: a\r\nTrailer: X\r\n\r\n",
	"an expectation":                     "GET / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n",
	"an upgrade":                         "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
	"an upgrade without a connection":    "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n",
	"settings of HTTP/2":                 "GET / HTTP/1.1\r\nHost: a\r\nHTTP2-Settings: AAMA\r\n\r\n",
	"the preface of HTTP/2":              "PRI * HTTP/2.0\r\n\r\n",
	"the end of the connection":          "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
	"the end among others":               "GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, close\r\n\r\n",
	"the end after the contrary":         "GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\nConnection: close\r\n\r\n",
	"fields of the connection":           "GET / HTTP/1.1\r\nHost: a\r\nConnection: x-goog-iap\r\n\r\n",
	"HTTP/1.0":                           "GET / HTTP/1.0\r\nHost: a\r\n\r\n",
	"HTTP/1.2":                           "GET / HTTP/1.2\r\nHost: a\r\n\r\n",
	"HTTP/2.0":                           "GET / HTTP/2.0\r\nHost: a\r\n\r\n",
	"HTTP/0.9":                           "GET /\r\nHost: a\r\n\r\n",
	"the protocol in lower case":         "GET / http/1.1\r\nHost: a\r\n\r\n",
	"the method in lower case":           "get / HTTP/1.1\r\nHost: a\r\n\r\n",
	"another method":                     "GETS / HTTP/1.1\r\nHost: a\r\n\r\n",
	"POST":                               "POST / HTTP/1.1\r\nHost: a\r\n\r\n",
	"a target in absolute form":          "GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n",
	"a target that names a host to some": "GET //b/c HTTP/1.1\r\nHost: a\r\n\r\n",
	"a target with an asterisk":          "GET * HTTP/1.1\r\nHost: a\r\n\r\n",
	"a target without a slash":           "GET a HTTP/1.1\r\nHost: a\r\n\r\n",
	"no target":                          "GET  HTTP/1.1\r\nHost: a\r\n\r\n",
	"space in the target":                "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n",
	"two spaces after the target":        "GET /  HTTP/1.1\r\nHost: a\r\n\r\n",
	"a tab after the method":             "GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n",
	"space after the protocol":           "GET / HTTP/1.1 \r\nHost: a\r\n\r\n",
	"a target beyond ASCII":              "GET /\xc3\xa4 HTTP/1.1\r\nHost: a\r\n\r\n",
	"a target with a control character":  "GET /\x7f HTTP/1.1\r\nHost: a\r\n\r\n",
	"an escape that is none":             "GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n",
	"no Host":                            "GET / HTTP/1.1\r\nX: a\r\n\r\n",
	"no fields":                          "GET / HTTP/1.1\r\n\r\n",
	"an empty Host":                      "GET / HTTP/1.1\r\nHost:\r\n\r\n",
	"two Hosts":                          "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
	"the same Host twice":                "GET / HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n",
	"a Host after an empty one":          "GET / HTTP/1.1\r\nHost:\r\nHost: b\r\n\r\n",
	"two hosts in a Host":                "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n",
	"a Host with a path":                 "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n",
	"a Host with a user":                 "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n",
	"a Host with an escape":              "GET / HTTP/1.1\r\nHost: a%2eb\r\n\r\n",
	"a folded line":                      "GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n c\r\n\r\n",
	"a folded line at the beginning":     "GET / HTTP/1.1\r\n X: b\r\nHost: a\r\n\r\n",
	"space before the colon":             "GET / HTTP/1.1\r\nHost : a\r\n\r\n",
	"space in a name":                    "GET / HTTP/1.1\r\nHost: a\r\nX Y: b\r\n\r\n",
	"no colon":                           "GET / HTTP/1.1\r\nHost: a\r\nX\r\n\r\n",
	"no name":                            "GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n",
	"a name beyond ASCII":                "GET / HTTP/1.1\r\nHost: a\r\nX\xe4: b\r\n\r\n",
	"a name with NUL":                    "GET / HTTP/1.1\r\nHost: a\r\nX\x00: b\r\n\r\n",
	"a value beyond ASCII":               "GET / HTTP/1.1\r\nHost: a\r\nX: \xe4\r\n\r\n",
	"a value with NUL":                   "GET / HTTP/1.1\r\nHost: a\r\nX: b\x00c\r\n\r\n",
	"a value with CR":                    "GET / HTTP/1.1\r\nHost: a\r\nX: b\rY: c\r\n\r\n",
	"a value with CR at its end":         "GET / HTTP/1.1\r\nHost: a\r\nX: b\r\r\n\r\n",
	"a value with LF":                    "GET / HTTP/1.1\r\nHost: a\r\nX: b\nContent-Length: 5\r\n\r\n",
	"a line that ends with LF":           "GET / HTTP/1.1\nHost: a\r\nX: b\r\n\r\n",
	"an end that only LF makes":          "GET / HTTP/1.1\r\nHost: a\n\nGET /b HTTP/1.1\r\nHost: a\r\n\r\n",
	"an empty line before":               "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
	"space before":                       " GET / HTTP/1.1\r\nHost: a\r\n\r\n",
	"one field too many":                 "GET / HTTP/1.1\r\nHost: a\r\n" + strings.Repeat("A: 1\r\n", mostFields) + "\r\n",
}

func parsed(text string) (*http.Request, bool) {
	r := new(http.Request)
	return r, parse(text, r, new(url.URL))
}

// same fails the test if a head that is answered here is not the same request to net/http.
func same(t *testing.T, text string) (plain bool) {
	t.Helper()
	got, plain := parsed(text)
	if !plain {
		return false
	}
	reader := bufio.NewReader(strings.NewReader(text))
	want, err := http.ReadRequest(reader)
	if err != nil {
		t.Fatalf("net/http does not take %q: %v", text, err)
	}
	if rest := reader.Buffered(); rest > 0 {
		t.Fatalf("net/http ends %q %d bytes earlier", text, rest)
	}
	if want.Close || want.ContentLength != 0 || want.TransferEncoding != nil || want.Trailer != nil || want.Body != http.NoBody {
		t.Fatalf("to net/http %q has a body, or ends the connection", text)
	}
	if want.Host == "" || !httpguts.ValidHostHeader(want.Host) { // of which it takes one, and its server one that is valid
		t.Fatalf("%q has the host %q", text, want.Host)
	}
	for name, values := range got.Header {
		if !httpguts.ValidHeaderFieldName(name) || http.CanonicalHeaderKey(name) != name {
			t.Fatalf("%q has the name %q", text, name)
		}
		for _, value := range values {
			if !httpguts.ValidHeaderFieldValue(value) {
				t.Fatalf("%q has the value %q", text, value)
			}
		}
	}
	type request struct {
		Method, Target, Host, Proto string
		Major, Minor                int
		URL                         any
		Header                      http.Header
	}
	of := func(r *http.Request) request {
		return request{r.Method, r.RequestURI, r.Host, r.Proto, r.ProtoMajor, r.ProtoMinor, *r.URL, r.Header}
	}
	if !reflect.DeepEqual(of(got), of(want)) {
		t.Fatalf("%q is\n%+v, to net/http\n%+v", text, of(got), of(want))
	}
	return true
}

func TestAPlainHeadIsTheSameRequestToNetHTTP(t *testing.T) {
	t.Parallel()
	for name, text := range plainHeads {
		if !same(t, text) {
			t.Errorf("%s: it is not answered here", name)
		}
	}
}

func TestAnyOtherHeadIsLeftToNetHTTP(t *testing.T) {
	t.Parallel()
	for name, text := range otherHeads {
		if same(t, text) {
			t.Errorf("%s: it is answered here", name)
		}
	}
}

// A byte of each value in each place of a head that has a little of everything.
func TestNoByteMakesAHeadThatNetHTTPReadsInAnotherWay(t *testing.T) {
	t.Parallel()
	const text = "GET /a?b HTTP/1.1\r\nHost: a:1\r\nCookie: b\r\nConnection: keep-alive\r\ncookie:c\r\n\r\n"
	for i := range len(text) - 4 {
		for b := range 256 {
			for _, change := range []string{text[:i] + string([]byte{byte(b)}) + text[i+1:], text[:i] + string([]byte{byte(b)}) + text[i:]} {
				if strings.Index(change, "\r\n\r\n") == len(change)-4 {
					same(t, change)
				}
			}
		}
	}
}

func TestTheValuesOfANameDoNotShareRoomWithOthers(t *testing.T) {
	t.Parallel()
	got, plain := parsed("GET / HTTP/1.1\r\nHost: a\r\nA: 1\r\nB: 2\r\n\r\n")
	if !plain {
		t.Fatal("it is not answered here")
	}
	got.Header.Add("A", "3")
	if b := got.Header.Get("B"); b != "2" {
		t.Errorf("a value that was added to A is B's: %q", b)
	}
}

func TestAHeadOfManyFieldsDoesNotCostMoreThanItsLength(t *testing.T) {
	head := func(field string) string {
		lines := strings.Repeat(field+"\r\n", largestHead/(len(field)+2)-4)
		return "GET / HTTP/1.1\r\nHost: a\r\n" + lines + "\r\n"
	}
	for name, text := range map[string]string{
		"the same name": head("A:"), "no names": head("x"), "one long": "GET / HTTP/1.1\r\nHost: a\r\nX: " + strings.Repeat("x", largestHead-50) + "\r\n\r\n",
	} {
		if cost := testing.AllocsPerRun(5, func() { parsed(text) }); cost > 2*mostFields {
			t.Errorf("%s: %v allocations", name, cost)
		}
	}
	several := "GET / HTTP/1.1\r\nHost: a\r\n" + strings.Repeat("A: 1\r\n", mostFields-1) + "\r\n"
	if cost := testing.AllocsPerRun(5, func() { parsed(several) }); cost > 20 {
		t.Errorf("a name that comes %d times makes %v allocations", mostFields-1, cost)
	}
}

func TestNobodyWaitsForTheEndOfAHeadThatIsOtherAlready(t *testing.T) {
	t.Parallel()
	for begun, want := range map[string]bool{
		"G": true, "H": true, "GET / HTTP/1.1\r": true, "GET / HTTP/1.1\r\nHost: a\r\n\r": true,
		"P": false, "\r": false, "\n": false, "g": false, "GET / HTTP/1.1\n": false, "GET / HTTP/1.1\r\nHost: a\r\n\n": false, "\x16\x03\x01": false,
	} {
		for searched := range len(begun) {
			if searched > 0 && strings.ContainsAny(begun[:searched], "\n") {
				break // as head calls it: what stands before has been looked at
			}
			if got := mayBecome([]byte(begun), searched); got != want {
				t.Errorf("%q, of which %d bytes were known: %v", begun, searched, got)
			}
		}
	}
}

func FuzzWhatIsPlainIsTheSameRequestToNetHTTP(f *testing.F) {
	for _, heads := range []map[string]string{plainHeads, otherHeads} {
		for _, text := range heads {
			f.Add([]byte(text))
		}
	}
	f.Add(fmt.Appendf(nil, "GET /%s HTTP/1.1\r\nHost: a\r\n\r\n", strings.Repeat("%61", 100)))
	f.Fuzz(func(t *testing.T, data []byte) {
		if i := bytes.Index(data, endOfHead); i >= 0 { // as it is cut off from what follows
			same(t, string(data[:i+len(endOfHead)]))
		}
	})
}

func TestWhatRecordsKeepOfARequestKeepsNoCookies(t *testing.T) {
	t.Parallel()
	text := "GET /path HTTP/1.1\r\nHost: app.test\r\nCookie: a=b\r\n\r\n"
	got, plain := parsed(text)
	if !plain {
		t.Fatal("it is not taken")
	}
	first, last := unsafe.StringData(text), unsafe.StringData(text[len(text)-1:])
	for name, value := range map[string]string{"method": got.Method, "target": got.RequestURI, "host": got.Host, "path": got.URL.Path} {
		if at := uintptr(unsafe.Pointer(unsafe.StringData(value))); at >= uintptr(unsafe.Pointer(first)) && at <= uintptr(unsafe.Pointer(last)) {
			t.Errorf("the %s is a part of the whole head", name)
		}
	}
}
