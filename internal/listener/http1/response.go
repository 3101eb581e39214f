package http1

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/net/http/httpguts"
)

// unknown is the length of an answer that has declared none.
const unknown = -1

// sniffed is how much of an answer without a length is held back: one that has ended by then gets its length, and a type
// that nobody named is guessed from it.
const sniffed = 2 << 10

// response is a ResponseWriter, and what http.ResponseController asks of one. It does what that of net/http does.
type response struct {
	conn    *connection
	request http.Request // with url: all of what is answered is in one piece of memory
	url     url.URL
	cancel  context.CancelFunc
	header  http.Header

	status   int         // 0 before WriteHeader
	declared http.Header // the header as it was then, where it could not be written yet
	held     []byte      // of the body, for as long as the head is not written
	begun    bool        // the head is written
	length   int64       // declared by the handler
	written  int64
	trailers []string
	chunked  bool
	last     bool        // the connection ends with this answer
	flushed  bool        // the client may have the head
	over     atomic.Bool // the handler has returned
}

// errOver is what whoever writes an answer gets when its handler has returned: the connection is the next answer's.
var errOver = errors.New("the answer has ended: a handler must not write after it has returned")

// Header implements http.ResponseWriter.
func (w *response) Header() http.Header {
	if w.header == nil {
		w.header = http.Header{}
	}
	return w.header
}

// TakeHeader adds a header to that of the answer, in front of what was set, and keeps it.
func (w *response) TakeHeader(header http.Header) {
	for name, values := range w.header {
		header[name] = append(slices.Clip(header[name]), values...)
	}
	w.header = header
}

// WriteHeader implements http.ResponseWriter.
func (w *response) WriteHeader(status int) {
	if status < 100 || status > 999 {
		panic(fmt.Sprintf("invalid WriteHeader code %v", status))
	}
	if w.over.Load() {
		return
	}
	if w.status != 0 {
		w.conn.server.Log.Warn("an answer was given a second status", "status", status, "first", w.status, "path", w.request.URL.Path)
		return
	}
	if status < 200 && status != http.StatusSwitchingProtocols {
		w.inform(status)
		return
	}
	w.status = status
	w.declare()
	if w.dependsOnBody() {
		w.declared = maps.Clone(w.header)
		return
	}
	w.begin(w.header, nil, false)
}

// declare reads what the header says of the body.
func (w *response) declare() {
	if declared := first(w.header, "Content-Length"); declared != "" {
		length, err := strconv.ParseInt(declared, 10, 64)
		if err != nil || length < 0 {
			w.conn.server.Log.Warn("an answer was given a length that is none", "length", declared, "path", w.request.URL.Path)
			delete(w.header, "Content-Length")
		} else {
			w.length = length
		}
	}
	for _, line := range w.header["Trailer"] {
		for name := range strings.SplitSeq(line, ",") {
			if name = http.CanonicalHeaderKey(strings.Trim(name, " \t")); name != "" && httpguts.ValidTrailerHeader(name) {
				w.trailers = append(w.trailers, name)
			}
		}
	}
}

// dependsOnBody reports whether the head cannot be written before it is known how the body begins, or that it has ended.
func (w *response) dependsOnBody() bool {
	if !w.bodyAllowed() || isSet(w.header, "Transfer-Encoding") {
		return false
	}
	_, typed := w.header["Content-Type"]
	return !typed && !isSet(w.header, "Content-Encoding") || w.length == unknown && len(w.trailers) == 0
}

func (w *response) bodyAllowed() bool {
	return w.status >= 200 && w.status != http.StatusNoContent && w.status != http.StatusNotModified
}

// Write implements http.ResponseWriter.
func (w *response) Write(p []byte) (int, error) {
	if w.over.Load() {
		return 0, errOver
	}
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	if len(p) == 0 {
		return 0, nil
	}
	if !w.bodyAllowed() {
		return 0, http.ErrBodyNotAllowed
	}
	w.written += int64(len(p))
	if w.length != unknown && w.written > w.length {
		return 0, http.ErrContentLength
	}
	next := p
	if !w.begun {
		if len(w.held)+len(p) <= sniffed {
			w.held = append(w.held, p...)
			return len(p), nil
		}
		next = w.fill(p)
		w.release(next, false)
	}
	if err := w.body(next); err != nil {
		return 0, err
	}
	return len(p), nil
}

// fill adds to what is held as much as may be, for a type is guessed from that, and returns the rest.
func (w *response) fill(p []byte) (rest []byte) {
	if len(w.held) == 0 {
		return p
	}
	n := sniffed - len(w.held)
	w.held = append(w.held, p[:n]...)
	return p[n:]
}

// release writes the head, and what was held back of the body; next comes after that.
func (w *response) release(next []byte, ended bool) {
	start := w.held
	if len(start) == 0 {
		start = next
	}
	w.begin(w.declared, start, ended)
	held := w.held
	w.declared, w.held = nil, nil
	_ = w.body(held) // an error stays with the connection's writer
}

// body writes a piece of the body as it goes over the connection.
func (w *response) body(p []byte) (err error) {
	out := w.conn.out
	if w.request.Method == http.MethodHead || len(p) == 0 {
		return nil
	}
	if w.chunked {
		_, _ = out.Write(append(strconv.AppendInt(out.AvailableBuffer(), int64(len(p)), 16), "\r\n"...))
		_, _ = out.Write(p)
		_, err = out.WriteString("\r\n")
	} else {
		_, err = out.Write(p)
	}
	if err != nil {
		w.cancel() // the client takes nothing any more
	}
	return err
}

// Flush implements http.Flusher.
func (w *response) Flush() { _ = w.FlushError() }

// FlushError is what http.ResponseController flushes with.
func (w *response) FlushError() error {
	if w.over.Load() {
		return errOver
	}
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	if !w.begun {
		w.release(nil, false)
	}
	w.flushed = true
	err := w.conn.out.Flush()
	if err != nil {
		w.cancel()
	}
	return err
}

// SetReadDeadline is what http.ResponseController ends the reading of a request with. There is nothing to read, but that
// the client goes: a time that has passed says that it has.
func (w *response) SetReadDeadline(t time.Time) error {
	if !t.IsZero() && !t.After(w.conn.server.Now()) {
		w.cancel()
	}
	return nil
}

// SetWriteDeadline is what http.ResponseController bounds the writing of an answer with.
func (w *response) SetWriteDeadline(t time.Time) error {
	if w.over.Load() {
		return errOver
	}
	return w.conn.net.SetWriteDeadline(t)
}

// EnableFullDuplex is asked for by handlers that answer while they read: nothing here waits for the one before the other.
func (w *response) EnableFullDuplex() error { return nil }

// finish ends the answer, and reports whether another one may follow on the connection.
func (w *response) finish() bool {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	if !w.begun {
		w.release(nil, true)
	}
	out := w.conn.out
	if w.chunked {
		_, _ = out.WriteString("0\r\n")
		w.trail()
		_, _ = out.WriteString("\r\n")
	}
	if err := out.Flush(); err != nil {
		return false
	}
	short := w.request.Method != http.MethodHead && w.bodyAllowed() && w.length != unknown && w.length != w.written
	if short {
		w.conn.server.Log.Debug("an answer was shorter than its length", slog.Int64("length", w.length), slog.Int64("written", w.written))
	}
	return !w.last && !short
}

// trail writes the trailers.
func (w *response) trail() {
	named := http.Header{}
	for name, values := range w.header {
		if trailer, found := trailerOf(name); found {
			named[trailer] = values
		}
	}
	for _, name := range w.trailers {
		named[name] = append(slices.Clip(named[name]), w.header[name]...)
	}
	writeFields(w.conn.out, named, nil)
}
