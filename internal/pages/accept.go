package pages

import (
	"mime"
	"net/http"
	"strconv"
	"strings"
)

// format is how an answer is written.
type format int

const (
	asHTML    format = iota
	asProblem        // application/problem+json
	asText           // text/plain
)

// AdmitsHTML reports whether a client would take HTML: it names text/html, covers it by a wildcard, or sends
// no Accept at all.
func AdmitsHTML(h http.Header) bool {
	quality, _ := accepts(h.Values("Accept"), "text/html")
	return quality > 0
}

// negotiate chooses the form of a refusal. HTML wherever it is admitted, except for clients that name JSON and
// reach HTML only through a wildcard ("application/json, */*"): those are programs. Whoever takes neither
// gets a plain sentence rather than 406, since the refusal itself is the message.
func negotiate(accept []string) format {
	html, htmlNamed := accepts(accept, "text/html")
	var program, named bool
	for _, mediaType := range []string{"application/problem+json", "application/json"} {
		quality, exact := accepts(accept, mediaType)
		program = program || quality > 0
		named = named || quality > 0 && exact
	}
	switch {
	case html > 0 && (htmlNamed || !named):
		return asHTML
	case program:
		return asProblem
	default:
		return asText
	}
}

// maxAccept is how much of Accept is read; browsers send less than 200 bytes. Over HTTP/2 a header of 64 KiB costs
// its sender a few bytes once it has been sent, and parsing it would cost us milliseconds each time.
const maxAccept = 4 << 10

// accepts returns the quality that the most specific matching range gives to a media type (RFC 9110, 12.5.1),
// and whether that range names the type itself. Entries that cannot be read admit nothing.
func accepts(accept []string, mediaType string) (quality float64, named bool) {
	if len(accept) == 0 {
		return 1, false
	}
	family, _, _ := strings.Cut(mediaType, "/")
	best, read := 0, 0
	for entry := range strings.SplitSeq(strings.Join(accept, ","), ",") {
		if read += len(entry) + 1; read > maxAccept {
			break
		}
		name, parameters, err := mime.ParseMediaType(entry)
		if err != nil {
			continue
		}
		rank := 0
		switch name {
		case mediaType:
			rank = 3
		case family + "/*":
			rank = 2
		case "*/*":
			rank = 1
		}
		if q := qualityOf(parameters); rank > best || rank == best && rank > 0 && q > quality {
			best, quality = rank, q
		}
	}
	return quality, best == 3
}

func qualityOf(parameters map[string]string) float64 {
	value, given := parameters["q"]
	if !given {
		return 1
	}
	q, err := strconv.ParseFloat(value, 64)
	if err != nil || !(q >= 0 && q <= 1) {
		return 0
	}
	return q
}
