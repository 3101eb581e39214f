package reverseproxy

import (
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/gatehouse-iap/gatehouse/internal/requestid"
)

// answer copies the application's answer to the client.
func answer(w http.ResponseWriter, r *http.Request, control *http.ResponseController, response *http.Response, life *passage) {
	defer response.Body.Close()
	cleanAnswer(response.Trailer) // those that were announced
	header := passAnswer(w, response.Header)
	life.watcher().sign(header)
	if _, found := header["Content-Type"]; !found {
		header["Content-Type"] = nil // or net/http would guess one from the body
	}
	announced := slices.Collect(maps.Keys(response.Trailer))
	switch {
	case r.ProtoMajor != 1:
	case response.ContentLength < 0:
		header["Transfer-Encoding"] = chunkedEncoding // or net/http would count what is short
	case len(announced) > 0 && wantsTrailers(r) && response.ContentLength > 0:
		delete(header, "Content-Length")
		header["Transfer-Encoding"] = chunkedEncoding
	}
	if len(announced) > 0 {
		header.Add("Trailer", strings.Join(announced, ", "))
	}
	w.WriteHeader(response.StatusCode)
	err := copyBody(w, r, control, response, life)
	switch {
	case life.hasEnded():
		life.sayWhy(w)
		return
	case err != nil:
		panic(http.ErrAbortHandler)
	}
	_ = response.Body.Close() // all of it has been read; trailers are there now at the latest
	if len(response.Trailer) > 0 {
		life.limitRest(r, control)
		copyTrailer(w, control, response.Trailer, announced)
	}
}

// wantsTrailers reports whether a client of HTTP/1.1 would rather have trailers than a length: over HTTP/2, applications
// send both.
func wantsTrailers(r *http.Request) bool {
	return r.ProtoAtLeast(1, 1) && r.Method != http.MethodHead && hasToken(r.Header["Te"], "trailers")
}

// chunkedEncoding is what an answer without a length says of itself; nobody writes into it.
var chunkedEncoding = []string{"chunked"}

// copyTrailer adds the trailers, which are there once the body has been read. HTTP/1.1 has them where it has no
// length. HTTP/2 has them anywhere, and announces them nowhere.
func copyTrailer(w http.ResponseWriter, control *http.ResponseController, trailer http.Header, announced []string) {
	cleanAnswer(trailer)
	// A short body that has not been flushed gets a length and no trailers.
	_ = control.Flush() // where it fails, there is nobody to tell
	for name, values := range trailer {
		if !slices.Contains(announced, name) {
			name = http.TrailerPrefix + name
		}
		w.Header()[name] = values
	}
}

// copyBody copies a body. What comes without a length, or as events, is flushed as it comes. An application that has
// a length to give has the whole answer, and buffers save writes.
func copyBody(w http.ResponseWriter, r *http.Request, control *http.ResponseController, response *http.Response, life *passage) error {
	if response.ContentLength == 0 || response.Body == http.NoBody {
		return nil
	}
	streams := response.ContentLength < 0 || isEventStream(response.Header)
	buffer := bufferPool.Get().(*[]byte)
	defer bufferPool.Put(buffer)
	waiting := patienceOverAnswer(r, control, response)
	for {
		if streams && !isReady(response.Body) {
			waiting.begins()
			_ = control.Flush() // where it fails, so does the next write
			waiting.ends()
		}
		n, err := response.Body.Read(*buffer)
		part, ends := life.follow((*buffer)[:n])
		if len(part) > 0 {
			waiting.begins()
			_, err := w.Write(part)
			waiting.ends()
			if err != nil {
				return err
			}
		}
		if err == io.EOF || ends {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// isReady reports whether a body can be read without waiting. Then what has been written may wait for what comes.
// Bodies that cannot tell are not.
func isReady(body io.Reader) bool {
	can, tells := body.(interface{ Ready() bool })
	return tells && can.Ready()
}

// bufferPool lends the copy loop its memory.
var bufferPool = sync.Pool{New: func() any { b := make([]byte, 32<<10); return &b }}

const eventStream = "text/event-stream"

func isEventStream(h http.Header) bool {
	types := h["Content-Type"]
	if len(types) == 0 || len(types[0]) < len(eventStream) || !strings.EqualFold(types[0][:len(eventStream)], eventStream) {
		return false
	}
	rest := strings.TrimLeft(types[0][len(eventStream):], " \t")
	return rest == "" || rest[0] == ';'
}

// headerTaker is a ResponseWriter that takes a whole header over, and adds what it has to it: nothing has to be copied.
type headerTaker interface {
	TakeHeader(header http.Header)
}

// passAnswer gives the client the application's header, and returns what it has become: without what belongs to the
// application's connection, and without what would speak as the gate.
func passAnswer(w http.ResponseWriter, from http.Header) http.Header {
	cleanAnswer(from)
	if taker, can := w.(headerTaker); can {
		taker.TakeHeader(from)
		return from
	}
	to := w.Header()
	copyHeader(to, from)
	return to
}

// isOurAnswer reports whether only the gate answers with a header.
func isOurAnswer(name string) bool {
	return name == requestid.Header || foldedHasPrefix(name, "x_goog_iap_")
}

// cleanAnswer takes out what belongs to the application's connection, and what Connection names besides. And it keeps
// the application from speaking as the gate: our cookies, X-Goog-IAP-* headers and what the request is called are ours,
// in the header, in hints and in trailers.
func cleanAnswer(h http.Header) {
	for _, name := range namedBy(h["Connection"]) {
		delete(h, name)
	}
	for name := range h {
		if isHopByHop(name) || isOurAnswer(name) {
			delete(h, name)
		}
	}
	cookies, found := h["Set-Cookie"]
	if !found {
		return
	}
	if kept := cleanSetCookie(cookies); len(kept) == 0 && cookies != nil { // nil announces a trailer that is yet to come
		delete(h, "Set-Cookie")
	} else {
		h["Set-Cookie"] = kept
	}
}

// cleanSetCookie returns the lines that set no cookie of ours.
func cleanSetCookie(lines []string) []string {
	if !slices.ContainsFunc(lines, setsOurCookie) {
		return lines
	}
	return slices.DeleteFunc(slices.Clone(lines), setsOurCookie)
}

// setsOurCookie reports whether a browser would send what a Set-Cookie line sets under one of our names. One that
// starts with = has no name, and is sent as its value alone: that is where the name would stand.
func setsOurCookie(line string) bool {
	line = strings.TrimLeft(line, "= \t")
	name, _, _ := strings.Cut(line, "=")
	return isOurCookie(strings.TrimSpace(name))
}

// copyHeader adds one header to another. Values are shared: nobody writes into them.
func copyHeader(to, from http.Header) {
	for name, values := range from {
		if there := to[name]; len(there) > 0 {
			to[name] = append(there[:len(there):len(there)], values...)
		} else {
			to[name] = values
		}
	}
}
