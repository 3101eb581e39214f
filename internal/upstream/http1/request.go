package http1

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/net/http/httpguts"

	"github.com/gatehouse-iap/gatehouse/internal/fieldline"
)

// heads lends the memory in which requests are written.
var heads = sync.Pool{New: func() any { b := make([]byte, 0, 4<<10); return &b }}

func takeHead() *[]byte { return heads.Get().(*[]byte) }

func giveHead(b *[]byte) {
	if cap(*b) <= maxHead {
		heads.Put(b)
	}
}

// appendHead writes the request line and the header as http.Transport does, except that header fields come in no
// order. What could be read as more than one request is refused, wherever it comes from.
func appendHead(b []byte, r *http.Request) ([]byte, error) {
	if !httpguts.ValidHeaderFieldName(r.Method) { // both are tokens
		return b, fmt.Errorf("%q is no method", r.Method)
	}
	b = append(append(b, r.Method...), ' ')
	from := len(b)
	b = appendTarget(b, r)
	if fieldline.HasControl(b[from:]) || bytes.IndexByte(b[from:], ' ') >= 0 {
		return b, errors.New("the target of a request holds a space or a control character")
	}
	host := r.Host
	if host == "" {
		host = r.URL.Host
	}
	if !httpguts.ValidHostHeader(host) {
		return b, fmt.Errorf("%q is no host", host)
	}
	b = append(append(append(b, " HTTP/1.1\r\nHost: "...), host...), '\r', '\n')
	var err error
	if agents := r.Header["User-Agent"]; len(agents) > 0 && agents[0] != "" {
		if b, err = appendField(b, "User-Agent", agents[0]); err != nil {
			return b, err
		}
	}
	if b, err = appendFraming(b, r); err != nil {
		return b, err
	}
	for name, values := range r.Header {
		switch name {
		case "Host", "User-Agent", "Content-Length", "Transfer-Encoding", "Trailer": // written above
			continue
		}
		for _, value := range values {
			if b, err = appendField(b, name, value); err != nil {
				return b, err
			}
		}
	}
	return append(b, '\r', '\n'), nil
}

// appendTarget writes what URL.RequestURI returns; what is opaque only begins with its scheme where RequestURI has it so.
func appendTarget(b []byte, r *http.Request) []byte {
	u := r.URL
	switch {
	case u.Opaque == "":
		path := u.EscapedPath()
		if path == "" {
			path = "/"
		}
		b = append(b, path...)
	case strings.HasPrefix(u.Opaque, "//"):
		b = append(append(append(b, u.Scheme...), ':'), u.Opaque...)
	default:
		b = append(b, u.Opaque...)
	}
	if u.ForceQuery || u.RawQuery != "" {
		b = append(append(b, '?'), u.RawQuery...)
	}
	return b
}

// appendField writes one header line.
func appendField(b []byte, name, value string) ([]byte, error) {
	if !httpguts.ValidHeaderFieldName(name) {
		return b, fmt.Errorf("%q is no name of a header", name)
	}
	b = append(append(b, name...), ':', ' ')
	from := len(b)
	b = append(b, fieldline.Trim(value)...)
	if !fieldline.Value(b[from:]) {
		return b, fmt.Errorf("the header %s holds a control character", name)
	}
	return append(b, '\r', '\n'), nil
}

// appendFraming writes what says how long the body is and what comes behind it.
func appendFraming(b []byte, r *http.Request) ([]byte, error) {
	if r.Close && !httpguts.HeaderValuesContainsToken(r.Header["Connection"], "close") {
		b = append(b, "Connection: close\r\n"...)
	}
	switch length := bodyLength(r); {
	case length < 0:
		b = append(b, "Transfer-Encoding: chunked\r\n"...)
		return appendAnnounced(b, r.Trailer)
	case length > 0, r.Method == http.MethodPost, r.Method == http.MethodPut, r.Method == http.MethodPatch:
		b = append(b, "Content-Length: "...)
		b = append(strconv.AppendInt(b, length, 10), '\r', '\n')
	}
	return b, nil
}

// bodyLength is how long the body of a request is; negative where only its end will tell.
func bodyLength(r *http.Request) int64 {
	switch {
	case r.Body == nil || r.Body == http.NoBody:
		return 0
	case r.ContentLength == 0 || slices.Contains(r.TransferEncoding, "chunked"): // there is one, and its length was not given
		return -1
	}
	return r.ContentLength
}

// appendAnnounced writes which trailers will follow.
func appendAnnounced(b []byte, trailer http.Header) ([]byte, error) {
	if len(trailer) == 0 {
		return b, nil
	}
	b = append(b, "Trailer: "...)
	for i, name := range sortedNames(trailer) {
		if isFraming(name) || !httpguts.ValidHeaderFieldName(name) {
			return b, fmt.Errorf("%q is no name of a trailer", name)
		}
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, name...)
	}
	return append(b, '\r', '\n'), nil
}

// isFraming reports whether a field says how messages are to be read, which no trailer can.
func isFraming(name string) bool {
	return name == "Transfer-Encoding" || name == "Trailer" || name == "Content-Length"
}

func sortedNames(h http.Header) []string {
	names := make([]string, 0, len(h))
	for name := range h {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// mayRepeat reports whether sending a request twice does what sending it once does, and no body would be sent twice.
func mayRepeat(r *http.Request) bool {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace:
		return bodyLength(r) == 0
	}
	return false
}
