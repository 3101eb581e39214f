package reverseproxy

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
)

// informed remembers which headers were sent.
type informed struct {
	*httptest.ResponseRecorder
	codes []int
}

func (w *informed) WriteHeader(code int) { w.codes = append(w.codes, code) }

// hinting is a body during whose reads the application sends a hint.
type hinting struct{ hints *hints }

func (b hinting) Read(p []byte) (int, error) {
	return copy(p, "some"), b.hints.pass(http.StatusEarlyHints, nil)
}
func (b hinting) Close() error { return nil }

// The application's 100 may come while the body is being read already, for which the server has said it.
func TestAClientIsToldOnceToGoOn(t *testing.T) {
	t.Parallel()
	w := &informed{ResponseRecorder: httptest.NewRecorder()}
	h := &hints{w: w, request: httptest.NewRequest(http.MethodPost, "/", http.NoBody)}
	if err := h.pass(http.StatusContinue, http.Header{}); err != nil || !slices.Equal(w.codes, []int{100}) {
		t.Errorf("before the body is read, sent %v, %v", w.codes, err)
	}
	h.reads(true)
	h.reads(false)
	if err := h.pass(http.StatusContinue, http.Header{}); err != nil || !slices.Equal(w.codes, []int{100}) {
		t.Errorf("afterwards, sent %v, %v", w.codes, err)
	}
}

// net/http takes care that its own 100 and one that it is told to send do not meet. Other informational responses it
// would write in the midst of its own.
func TestAHintWaitsForThe100OfTheServer(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		expect string
		proto  int
		want   []int
	}{
		"a body that waits for 100":          {"100-continue", 1, []int{100, 103, 103}},
		"a body that does not":               {"", 1, []int{103, 103}},
		"a stream, which has frames of each": {"100-continue", 2, []int{103, 103}},
	} {
		w := &informed{ResponseRecorder: httptest.NewRecorder()}
		r := httptest.NewRequest(http.MethodPost, "/", http.NoBody)
		r.Header.Set("Expect", c.expect)
		r.ProtoMajor, r.ContentLength = c.proto, 8
		h := &hints{w: w, request: r}
		r.Body = hinting{h}
		body := outgoingBody(r.Clone(t.Context()), r, nil, h)
		if _, err := io.CopyN(io.Discard, body, 8); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(w.codes, c.want) {
			t.Errorf("%s: sent %v, want %v", name, w.codes, c.want)
		}
	}
}

// unhurried keeps the headers of hints as net/http's HTTP/2 does, which may look at them when WriteHeader has returned:
// those that name a length or an encoding are copied.
type unhurried struct {
	*httptest.ResponseRecorder
	sent []http.Header
}

func (w *unhurried) WriteHeader(int) {
	h := w.Header()
	_, length := h["Content-Length"]
	_, encoding := h["Transfer-Encoding"]
	if length || encoding {
		h = h.Clone()
		h.Del("Content-Length")
		h.Del("Transfer-Encoding")
	}
	w.sent = append(w.sent, h)
}

func TestAHintDoesNotChangeWhileItIsWrittenForAClientThatHasLeft(t *testing.T) {
	t.Parallel()
	w := &unhurried{ResponseRecorder: httptest.NewRecorder()}
	w.Header().Set("Vary", "Origin")
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.ProtoMajor, r.ProtoMinor = 2, 0
	h := &hints{w: w, request: r}
	for _, link := range []string{"</a>", "</b>"} {
		if err := h.pass(http.StatusEarlyHints, http.Header{"Link": {link}}); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := fmt.Sprint(w.sent), "[map[Link:[</a>]] map[Link:[</b>]]]"; got != want {
		t.Errorf("the hints have become %s, want %s", got, want)
	}
	if got := fmt.Sprint(w.Header()); got != "map[Vary:[Origin]]" {
		t.Errorf("of the hints, the answer has kept %s", got)
	}
}
