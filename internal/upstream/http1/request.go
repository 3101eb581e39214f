package http1

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/net/http/httpguts"

	"github.com/gatehouse-iap/gatehouse/internal/fieldline"
)

// Outgoing is what a request is sent with that http.Request has as a map, or nowhere.
type Outgoing interface {
	// Fields goes through the header. Each name comes once, and nothing is kept of what is yielded.
	Fields(yield func(name string, values []string) bool)
	// Inform hears of informational responses. An error ends the round trip.
	Inform(code int, header http.Header) error
}

// Whole is what http.Request says and net/http/httptrace hears.
type Whole struct{ *http.Request }

// Fields implements Outgoing.
func (w Whole) Fields(yield func(name string, values []string) bool) {
	for name, values := range w.Header {
		if !yield(name, values) {
			return
		}
	}
}

// Inform implements Outgoing.
func (w Whole) Inform(code int, header http.Header) error {
	if trace := httptrace.ContextClientTrace(w.Context()); trace != nil && trace.Got1xxResponse != nil {
		return trace.Got1xxResponse(code, textproto.MIMEHeader(header))
	}
	return nil
}

// head is a request as it is sent, up to its body.
type head struct {
	bytes   []byte
	expects bool // a body waits for 100
	closes  bool // the connection is to be closed
	err     error
	yield   func(name string, values []string) bool // field
}

// heads lends the memory in which requests are written.
var heads = sync.Pool{New: func() any {
	h := &head{bytes: make([]byte, 0, 4<<10)}
	h.yield = h.field
	return h
}}

func takeHead() *head { return heads.Get().(*head) }

func (h *head) give() {
	if cap(h.bytes) <= MaxHead {
		heads.Put(h)
	}
}

// write writes the request line and the header as http.Transport does, except that header fields come in no
// order. What could be read as more than one request is refused, wherever it comes from.
func (h *head) write(r *http.Request, o Outgoing) error {
	h.expects, h.closes, h.err = false, false, nil
	b := h.bytes[:0]
	if !httpguts.ValidHeaderFieldName(r.Method) { // both are tokens
		return fmt.Errorf("%q is no method", r.Method)
	}
	b = append(append(b, r.Method...), ' ')
	b, fit := appendTarget(b, r.URL)
	if !fit {
		return errors.New("the target of a request holds a space or a control character")
	}
	host := r.Host
	if host == "" {
		host = r.URL.Host
	}
	if !httpguts.ValidHostHeader(host) {
		return fmt.Errorf("%q is no host", host)
	}
	h.bytes = append(append(append(b, " HTTP/1.1\r\nHost: "...), host...), '\r', '\n')
	if o.Fields(h.yield); h.err != nil {
		return h.err
	}
	if h.bytes, h.err = appendFraming(h.bytes, r, h.closes); h.err != nil {
		return h.err
	}
	h.bytes = append(h.bytes, '\r', '\n')
	return nil
}

// field writes the lines of one field.
func (h *head) field(name string, values []string) bool {
	switch name {
	case "Host", "Content-Length", "Transfer-Encoding", "Trailer": // which are written apart
		return true
	case "User-Agent":
		if len(values) == 0 || values[0] == "" {
			return true
		}
		values = values[:1]
	case "Connection":
		h.closes = httpguts.HeaderValuesContainsToken(values, "close")
	case "Expect":
		h.expects = httpguts.HeaderValuesContainsToken(values, "100-continue")
	}
	for _, value := range values {
		if h.bytes, h.err = appendField(h.bytes, name, value); h.err != nil {
			return false
		}
	}
	return true
}

// appendTarget writes what URL.RequestURI returns; what is opaque only begins with its scheme where RequestURI has it so.
// It reports whether that is fit for a request line. The parts are looked at and not their copies, here as elsewhere: what
// was written a moment ago has to be waited for.
func appendTarget(b []byte, u *url.URL) (target []byte, fit bool) {
	path := u.Opaque
	switch {
	case path == "":
		if path = u.EscapedPath(); path == "" {
			path = "/"
		}
	case strings.HasPrefix(path, "//"):
		b = append(append(b, u.Scheme...), ':')
	}
	b = append(b, path...)
	if u.ForceQuery || u.RawQuery != "" {
		b = append(append(b, '?'), u.RawQuery...)
	}
	return b, inTarget(u.Scheme) && inTarget(path) && inTarget(u.RawQuery)
}

func inTarget(part string) bool {
	return !fieldline.HasControl(part) && strings.IndexByte(part, ' ') < 0
}

// appendField writes one header line.
func appendField(b []byte, name, value string) ([]byte, error) {
	if !httpguts.ValidHeaderFieldName(name) {
		return b, fmt.Errorf("%q is no name of a header", name)
	}
	value = fieldline.Trim(value)
	if !fieldline.Value(value) {
		return b, fmt.Errorf("the header %s holds a control character", name)
	}
	return append(append(append(append(b, name...), ':', ' '), value...), '\r', '\n'), nil
}

// appendFraming writes what says how long the body is and what comes behind it.
func appendFraming(b []byte, r *http.Request, closes bool) ([]byte, error) {
	if r.Close && !closes {
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

// MayRepeat reports whether sending a request twice does what sending it once does, and no body would be sent twice.
func MayRepeat(r *http.Request) bool {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace:
		return bodyLength(r) == 0
	}
	return false
}
