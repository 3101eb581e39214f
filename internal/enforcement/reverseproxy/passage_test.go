package reverseproxy

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/exchange"
	"github.com/gatehouse-iap/gatehouse/internal/exchange/framing"
	"github.com/gatehouse-iap/gatehouse/internal/policy"
	"github.com/gatehouse-iap/gatehouse/internal/requestid"
	"github.com/gatehouse-iap/gatehouse/internal/upstream"
)

// passing is a passage whose answer has begun.
func passing(kind exchange.Kind, parts parts) *passage {
	return &passage{
		kind: kind, parts: parts, whole: true, begun: true, stop: func() {}, control: *http.NewResponseController(httptest.NewRecorder()),
	}
}

func TestAnAnswerEndsBehindThePartThatIsUnderWay(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		kind          exchange.Kind
		parts         parts
		before, after string
		passes        string
	}{
		"between two events nothing more passes":      {exchange.EventStream, &framing.EventStream{}, "data: a\n\n", "data: b\n\n", ""},
		"an event that is under way passes":           {exchange.EventStream, &framing.EventStream{}, "data: a\n\ndata", ": b\n\ndata: c\n\n", ": b\n\n"},
		"between two messages nothing more passes":    {exchange.GRPC, &framing.GRPC{}, "\x00\x00\x00\x00\x01a", "\x00\x00\x00\x00\x01b", ""},
		"a message that is under way passes":          {exchange.GRPC, &framing.GRPC{}, "\x00\x00\x00", "\x00\x01a\x00\x00\x00\x00\x01b", "\x00\x01a"},
		"a message that is still under way goes on":   {exchange.GRPC, &framing.GRPC{}, "\x00\x00\x00", "\x00\x09a", "\x00\x09a"},
		"what has not begun to consist of parts, too": {exchange.EventStream, &framing.EventStream{}, "", "data: a\n\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := passing(test.kind, test.parts)
			if pass, ends := p.follow([]byte(test.before)); string(pass) != test.before || ends {
				t.Fatalf("before the end %q passes, %t", pass, ends)
			}
			if !p.End(exchange.Ending{Reason: policy.SessionEnded}) {
				t.Fatal("it does not end")
			}
			pass, ends := p.follow([]byte(test.after))
			if string(pass) != test.passes || ends != test.parts.Whole() {
				t.Errorf("%q passes, and it ends: %t; want %q", pass, ends, test.passes)
			}
		})
	}
}

func TestACallThatMayHaveOneAnswerIsWaitedForUntilItIsLate(t *testing.T) {
	t.Parallel()
	p := passing(exchange.GRPC, &framing.GRPC{})
	p.begun = false
	if p.End(exchange.Ending{}) || !p.End(exchange.Ending{Late: true}) {
		t.Error("a call that has not answered is not told to end when the server stops, but when it has waited long enough")
	}
}

func TestARoundTripDoesNotBeginForWhatHasEnded(t *testing.T) {
	t.Parallel()
	for _, kind := range []exchange.Kind{exchange.HTTP, exchange.GRPC} {
		p := passing(kind, nil)
		p.stop = nil
		p.End(exchange.Ending{Reason: policy.NotGranted})
		ctx, cancel := p.context(context.Background())
		defer cancel()
		if ctx.Err() == nil {
			t.Errorf("%s: the round trip begins", kind)
		}
	}
}

// Nobody can ask about an end by its id otherwise.
func TestACallThatEndsBeforeItIsAnsweredIsCalledByItsID(t *testing.T) {
	t.Parallel()
	p := passing(exchange.GRPC, nil)
	p.begun, p.watch.id[0] = false, "its-id"
	p.End(exchange.Ending{Reason: policy.SessionEnded})
	w := httptest.NewRecorder()
	f := Forwarder{life: p}
	f.fail(w, httptest.NewRequest(http.MethodPost, "/", nil), &upstream.Upstream{}, context.Canceled)
	if got := w.Result().Header.Values(requestid.Header); len(got) != 1 || got[0] != "its-id" {
		t.Errorf("the answer is called %q", got)
	}
}

// The application may have been slow to take the part before: then nobody was reading when the upload was to end.
func TestAnUploadThatIsToEndIsNotGivenMoreTime(t *testing.T) {
	t.Parallel()
	w := &timekeeper{ResponseWriter: httptest.NewRecorder()}
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader("the rest"))
	p := &passage{control: *http.NewResponseController(w)}
	body := limitBody(w, r, 0)
	p.carries(body)
	p.End(exchange.Ending{Reason: policy.SessionEnded})
	_, _ = body.Read(make([]byte, 4))
	body.release()
	if !w.reading.Equal(time.Unix(1, 0)) {
		t.Errorf("the rest of the body has until %s", w.reading)
	}
}
