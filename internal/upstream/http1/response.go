package http1

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"golang.org/x/net/http/httpguts"

	"github.com/gatehouse-iap/gatehouse/internal/fieldline"
)

// framing is how the body of an answer ends.
type framing uint8

const (
	none     framing = iota // there is no body
	length                  // after ContentLength bytes
	chunked                 // with the last chunk and its trailers
	toTheEnd                // with the connection
)

// chunkedEncoding is what a chunked answer says of itself; nobody writes into it.
var chunkedEncoding = []string{"chunked"}

// parseHead reads a status line and a header into a response. It is stricter than RFC 9112 wants clients to be:
// whatever two readers could take for two different messages is refused. space is room for the values.
func parseHead(head []byte, method string, r *http.Response, space []string) (framing, error) {
	text := string(head) // all that follows are parts of it
	line, rest := cutLine(text)
	if err := parseStatus(line, r); err != nil {
		return none, err
	}
	var err error
	if r.Header, err = parseFields(rest, head[len(text)-len(rest):], space); err != nil {
		return none, err
	}
	r.Close = closes(r)
	return frame(r, method)
}

// cutLine takes the next line off, without its end.
func cutLine(text string) (line, rest string) {
	line = text
	if end := strings.IndexByte(text, '\n'); end >= 0 {
		line, rest = text[:end], text[end+1:]
	}
	if last := len(line) - 1; last >= 0 && line[last] == '\r' {
		line = line[:last]
	}
	return line, rest
}

func parseStatus(line string, r *http.Response) error {
	if len(line) < len("HTTP/1.1 200") || line[:len(version)] != version || line[8] != ' ' {
		return fmt.Errorf("%w: its status line is %.64q", errMalformed, line)
	}
	minor := line[7]
	r.Proto, r.ProtoMajor, r.ProtoMinor = line[:8], 1, int(minor-'0')
	r.Status = strings.TrimLeft(line[9:], " ")
	code, reason, _ := strings.Cut(r.Status, " ")
	status := statusCode(code)
	if status < 100 || minor != '0' && minor != '1' || !httpguts.ValidHeaderFieldValue(reason) {
		return fmt.Errorf("%w: its status line is %.64q", errMalformed, line)
	}
	r.StatusCode = status
	return nil
}

// statusCode reads three digits; anything else is zero.
func statusCode(code string) int {
	if len(code) != 3 {
		return 0
	}
	status := 0
	for i := range len(code) {
		if code[i] < '0' || code[i] > '9' {
			return 0
		}
		status = 10*status + int(code[i]-'0')
	}
	return status
}

const (
	usualFields = 8  // for whose values there is room beside the response
	manyFields  = 64 // for how many names room is made before they have been read
)

// parseFields reads header lines up to the empty one; raw is the same text. Lines that continue the one before are
// refused. Values are put into space, if that is large enough.
func parseFields(text string, raw []byte, space []string) (http.Header, error) {
	count := strings.Count(text, "\n") - 1
	header := make(http.Header, min(count, manyFields))
	if count > len(space) {
		space = make([]string, count)
	}
	var seen uint64 // has a bit for each name so far, which others may share
	for whole := len(text); ; {
		from := whole - len(text)
		line, rest := cutLine(text)
		if line == "" {
			return header, nil
		}
		text = rest
		colon := strings.IndexByte(line, ':')
		if colon < 0 || !fieldline.Value(raw[from+colon+1:from+len(line)]) {
			return nil, malformedLine(line)
		}
		name, value := line[:colon], fieldline.Trim(line[colon+1:])
		if valid, canonical := fieldline.Name(name); !valid {
			return nil, malformedLine(line)
		} else if !canonical {
			name = http.CanonicalHeaderKey(name)
		}
		bit := uint64(1) << (uint(len(name)+5*int(name[0])+11*int(name[len(name)-1])) % 64)
		if seen&bit != 0 {
			if values, again := header[name]; again {
				header[name] = append(values, value)
				continue
			}
		}
		seen |= bit
		space[0] = value
		header[name], space = space[:1:1], space[1:]
	}
}

func malformedLine(line string) error {
	return fmt.Errorf("%w: it has the header line %.64q", errMalformed, line)
}

// closes reports whether the connection ends with an answer.
func closes(r *http.Response) bool {
	lines := r.Header["Connection"]
	if len(lines) == 0 {
		return r.ProtoMinor == 0
	}
	ends := httpguts.HeaderValuesContainsToken(lines, "close")
	if r.ProtoMinor == 0 {
		return ends || !httpguts.HeaderValuesContainsToken(lines, "keep-alive")
	}
	if ends {
		delete(r.Header, "Connection") // it is in Close now
	}
	return ends
}

var (
	errLengths  = fmt.Errorf("%w: it has more than one length", errMalformed)
	errEncoding = fmt.Errorf("%w: it has a transfer encoding other than chunked", errMalformed)
)

// frame finds out where the body ends (RFC 9112, section 6.3), and takes what said so out of the header.
func frame(r *http.Response, method string) (framing, error) {
	isChunked, err := takeEncoding(r)
	if err != nil {
		return none, err
	}
	size, err := contentLength(r.Header)
	if err != nil {
		return none, err
	}
	if isChunked && size >= 0 {
		return none, errLengths
	}
	if isChunked {
		r.TransferEncoding = chunkedEncoding
		if r.Trailer, err = announced(r.Header); err != nil {
			return none, err
		}
	}
	switch {
	case method == http.MethodHead:
		r.ContentLength = size
		return none, nil
	case r.StatusCode < 200, r.StatusCode == http.StatusNoContent, r.StatusCode == http.StatusNotModified, size == 0:
		return none, nil
	case isChunked:
		r.ContentLength = -1
		return chunked, nil
	case size > 0:
		r.ContentLength = size
		return length, nil
	}
	r.ContentLength, r.Close = -1, true
	return toTheEnd, nil
}

func takeEncoding(r *http.Response) (isChunked bool, err error) {
	lines, found := r.Header["Transfer-Encoding"]
	if !found {
		return false, nil
	}
	delete(r.Header, "Transfer-Encoding")
	if r.ProtoMinor == 0 || len(lines) != 1 || !strings.EqualFold(lines[0], "chunked") {
		return false, errEncoding
	}
	return true, nil
}

// contentLength returns the length that a header gives, or -1. The same one may be given again.
func contentLength(h http.Header) (int64, error) {
	lengths := h["Content-Length"]
	if len(lengths) == 0 {
		return -1, nil
	}
	for _, again := range lengths[1:] {
		if again != lengths[0] {
			return -1, errLengths
		}
	}
	if len(lengths) > 1 {
		h["Content-Length"] = lengths[:1:1]
	}
	n, err := strconv.ParseUint(lengths[0], 10, 63)
	if err != nil {
		return -1, fmt.Errorf("%w: its length is %.64q", errMalformed, lengths[0])
	}
	return int64(n), nil
}

// announced takes the names of trailers out of the header.
func announced(h http.Header) (http.Header, error) {
	lines, found := h["Trailer"]
	if !found {
		return nil, nil
	}
	delete(h, "Trailer")
	var trailer http.Header
	for _, line := range lines {
		for name := range strings.SplitSeq(line, ",") {
			name = http.CanonicalHeaderKey(strings.Trim(name, " \t"))
			switch {
			case name == "":
				continue
			case isFraming(name):
				return nil, errors.New("the application announces a trailer that says how to read its answer")
			case trailer == nil:
				trailer = http.Header{}
			}
			trailer[name] = nil
		}
	}
	return trailer, nil
}
