package http1

import (
	"bufio"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/gatehouse-iap/gatehouse/internal/fieldline"
)

// begin writes the head of the answer. body is what the body begins with, as far as that is known, and ended says that
// it is all there is.
func (w *response) begin(header http.Header, body []byte, ended bool) {
	w.begun = true
	out, isHead := w.conn.out, w.request.Method == http.MethodHead
	writeStatusLine(out, w.status)

	encoding := first(header, "Transfer-Encoding")
	if ended && encoding == "" && w.bodyAllowed() && !isSet(header, "Content-Length") && (!isHead || len(body) > 0) && len(w.trailers) == 0 && !hasPrefixed(header) {
		w.length = int64(len(body))
	}
	hasBody, identity := w.bodyAllowed() && !isHead, encoding == "identity"
	w.chunked = hasBody && !identity && (encoding != "" || w.length == unknown)
	w.last = w.last || w.conn.server.stopping.Load() || first(header, "Connection") == "close" ||
		hasBody && identity && w.length == unknown || w.status == http.StatusSwitchingProtocols
	left := leftOut{contentType: w.status == http.StatusNotModified, connection: w.last}
	writeFields(out, header, &left)
	if w.bodyAllowed() && w.length != unknown && (encoding == "" || identity) { // once, whatever the handler wrote
		_, _ = out.Write(append(strconv.AppendInt(append(out.AvailableBuffer(), "Content-Length: "...), w.length, 10), "\r\n"...))
	}
	if _, typed := header["Content-Type"]; w.bodyAllowed() && !typed && encoding == "" && !isSet(header, "Content-Encoding") && len(body) > 0 {
		writeField(out, "Content-Type", http.DetectContentType(body))
	}
	if w.last {
		writeField(out, "Connection", "close")
	}
	if w.chunked {
		writeField(out, "Transfer-Encoding", "chunked")
	}
	if _, dated := header["Date"]; !dated {
		writeField(out, "Date", w.conn.server.dateOf(w.conn.server.Now()))
	}
	_, _ = out.WriteString("\r\n")
}

// inform sends an informational response, with the header as it stands.
func (w *response) inform(status int) {
	out := w.conn.out
	writeStatusLine(out, status)
	writeFields(out, w.header, &leftOut{})
	_, _ = out.WriteString("\r\n")
	_ = out.Flush() // an error stays with the writer
}

func writeStatusLine(out *bufio.Writer, status int) {
	if status == http.StatusOK {
		_, _ = out.WriteString("HTTP/1.1 200 OK\r\n")
		return
	}
	line := append(strconv.AppendInt(append(out.AvailableBuffer(), "HTTP/1.1 "...), int64(status), 10), ' ')
	if text := http.StatusText(status); text != "" {
		line = append(line, text...)
	} else {
		line = strconv.AppendInt(append(line, "status code "...), int64(status), 10)
	}
	_, _ = out.Write(append(line, "\r\n"...))
}

// leftOut are fields that handlers set and the connection does not get, or not as they are: those of the framing, and
// others.
type leftOut struct{ contentType, connection bool }

func (l *leftOut) has(name string) bool {
	if l == nil {
		return false
	}
	switch name {
	case "Transfer-Encoding", "Content-Length":
		return true
	case "Content-Type":
		return l.contentType
	case "Connection":
		return l.connection
	}
	return false
}

// writeFields writes a header in the order of its names.
func writeFields(out *bufio.Writer, header http.Header, left *leftOut) {
	type field struct {
		name   string
		values []string
	}
	var space [24]field
	fields := space[:0]
	for name, values := range header {
		if !left.has(name) && isName(name) { // which those of trailers are not
			fields = append(fields, field{name, values})
		}
	}
	slices.SortFunc(fields, func(a, b field) int { return strings.Compare(a.name, b.name) })
	for _, f := range fields {
		for _, value := range f.values {
			writeField(out, f.name, value)
		}
	}
}

func isName(name string) bool {
	valid, _ := fieldline.Name(name)
	return valid
}

// writeField writes one field, on one line whatever its value holds.
func writeField(out *bufio.Writer, name, value string) {
	_, _ = out.WriteString(name)
	_, _ = out.WriteString(": ")
	if fieldline.HasControl(value) {
		value = oneLine.Replace(value)
	}
	_, _ = out.WriteString(fieldline.Trim(value))
	_, _ = out.WriteString("\r\n")
}

var oneLine = strings.NewReplacer("\r", " ", "\n", " ")

func first(h http.Header, name string) string {
	if values := h[name]; len(values) > 0 {
		return values[0]
	}
	return ""
}

func isSet(h http.Header, name string) bool { return first(h, name) != "" }

// hasPrefixed reports whether a header names trailers by prefix.
func hasPrefixed(h http.Header) bool {
	for name := range h {
		if _, found := trailerOf(name); found {
			return true
		}
	}
	return false
}

func trailerOf(name string) (string, bool) { return strings.CutPrefix(name, http.TrailerPrefix) }
