package reverseproxy

import (
	"errors"
	"maps"
	"net/http"
	"sync"
)

// maxHints bounds how many informational responses come before an answer. There is no use for more than a few, and
// an application could send them for ever.
const maxHints = 32

var errHints = errors.New("the application sent more informational responses than anybody needs")

// hints passes informational responses on. Transports may call it from a goroutine of theirs, even when they have
// given the round trip up.
type hints struct {
	request *http.Request

	mu      sync.Mutex
	w       http.ResponseWriter // nil when the answer itself has begun
	passed  int
	reading bool // the client's body is being read for the first time
	goesOn  bool // it has been, or is: the server says 100 by itself
}

func (h *hints) pass(code int, header http.Header) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.passed++; h.passed > maxHints {
		return errHints
	}
	if h.w == nil || !h.request.ProtoAtLeast(1, 1) || code == http.StatusContinue && h.goesOn { // HTTP/1.0 knows none
		return nil
	}
	cleanAnswer(header)
	// The writer sends the header that it has. What has been set for the answer is not for the hint.
	own := h.w.Header()
	kept := maps.Clone(own)
	clear(own)
	if h.reading && code != http.StatusContinue {
		// The server says 100 by itself when a body that waits for it is read, and may be writing that right now. To be
		// told to say so makes it wait for what it writes; a hint does not, and both would write at the same time.
		h.w.WriteHeader(http.StatusContinue)
		h.reading = false
	}
	copyHeader(own, header)
	// No hint gets this field. But net/http copies a header that names it, and else its HTTP/2 may be reading this very
	// map when WriteHeader has returned because the client has ended the stream: to change it then ends the process.
	own["Transfer-Encoding"] = nil
	h.w.WriteHeader(code)
	clear(own)
	maps.Copy(own, kept)
	return nil
}

// reads says that the first read of the client's body is about to begin, or is over.
func (h *hints) reads(now bool) {
	h.mu.Lock()
	h.reading, h.goesOn = now, true
	h.mu.Unlock()
}

// end makes way for the answer.
func (h *hints) end() {
	h.mu.Lock()
	h.w = nil
	h.mu.Unlock()
}
