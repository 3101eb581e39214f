package reverseproxy

import (
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
