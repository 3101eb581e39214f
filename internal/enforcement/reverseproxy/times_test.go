package reverseproxy

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/audit"
	"github.com/gatehouse-iap/gatehouse/internal/enforcement"
	"github.com/gatehouse-iap/gatehouse/internal/exchange"
	"github.com/gatehouse-iap/gatehouse/internal/exchange/tunnel"
	"github.com/gatehouse-iap/gatehouse/internal/listener"
	"github.com/gatehouse-iap/gatehouse/internal/snapshot"
)

// timekeeper is a client's connection that keeps the deadlines that it is given: each for writing as "off" or "on", and
// the last one for reading.
type timekeeper struct {
	http.ResponseWriter
	writing []string
	reading time.Time
}

func (k *timekeeper) SetWriteDeadline(t time.Time) error {
	word := "on"
	if t.IsZero() {
		word = "off"
	}
	k.writing = append(k.writing, word)
	return nil
}

func (k *timekeeper) SetReadDeadline(t time.Time) error {
	k.reading = t
	return nil
}

func TestTheDeadlineForReadingIsTakenOffWhatIsRead(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		length int64
		socket io.ReadCloser
		want   bool
	}{
		"a request over HTTP/2 without a body keeps it": {0, nil, false},
		"an upload over HTTP/2 has none":                {-1, nil, true},
		"a WebSocket over HTTP/2 has none":              {0, io.NopCloser(nil), true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			keeper := &timekeeper{ResponseWriter: httptest.NewRecorder(), reading: time.Unix(1, 0)}
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.ProtoMajor, r.ContentLength = 2, test.length
			if test.socket == nil {
				r.Body = io.NopCloser(strings.NewReader("")) // as net/http has it, whether there is one or not
			}
			new(passage).unbind(r, test.socket, http.NewResponseController(keeper))
			if off := keeper.reading.IsZero(); off != test.want {
				t.Errorf("the deadline for reading was taken off: %t, want %t", off, test.want)
			}
		})
	}
}

func TestTheFirstDeadlineServesWhereItIsNeitherLessThanTheLimitNorMuchMore(t *testing.T) {
	t.Parallel()
	for limit, want := range map[time.Duration]bool{
		time.Second: false, 59 * time.Second: false, time.Minute: true, listener.AnswerTimeout: false, 10 * time.Minute: false,
	} {
		if got := firstWillDo(limit); got != want {
			t.Errorf("for a limit of %s: %t, want %t", limit, got, want)
		}
	}
}

func TestDeadlinesAreTakenOffWhatLasts(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		major int
		steps func(p *passage, r *http.Request, control *http.ResponseController)
		want  []string
	}{
		"over HTTP/1 at once, and what is left is the connection's": {1, func(p *passage, r *http.Request, control *http.ResponseController) {
			p.unbind(r, nil, control)
			p.lasts()
			p.limitRest(r, control)
		}, []string{"off"}},
		"over HTTP/2 not from what is over soon": {2, func(p *passage, r *http.Request, control *http.ResponseController) {
			p.unbind(r, nil, control)
			p.limitRest(r, control)
		}, nil},
		"over HTTP/2 from what lasts, and what is left is bound again": {2, func(p *passage, r *http.Request, control *http.ResponseController) {
			p.unbind(r, nil, control)
			p.lasts()
			p.limitRest(r, control)
		}, []string{"off", "on"}},
		"over HTTP/2 from what has lasted before there was anything to take off": {2, func(p *passage, r *http.Request, control *http.ResponseController) {
			p.lasts()
			p.unbind(r, nil, control)
			p.limitRest(r, control)
		}, []string{"off", "on"}},
		"over HTTP/2 not from what lasts when all is said": {2, func(p *passage, r *http.Request, control *http.ResponseController) {
			p.unbind(r, nil, control)
			p.limitRest(r, control)
			p.lasts()
		}, nil},
		"over HTTP/2 once": {2, func(p *passage, r *http.Request, control *http.ResponseController) {
			p.unbind(r, nil, control)
			p.lasts()
			p.lasts()
		}, []string{"off"}},
		"over HTTP/2 from an exchange that is registered": {2, func(p *passage, r *http.Request, control *http.ResponseController) {
			p.unbind(r, nil, control)
			p.Decision()
		}, []string{"off"}},
		"over HTTP/2 from what becomes a WebSocket": {2, func(p *passage, r *http.Request, control *http.ResponseController) {
			p.unbind(r, nil, control)
			client, app := net.Pipe()
			defer client.Close()
			defer app.Close()
			f := Forwarder{life: p}
			f.enter(&tunnel.Tunnel{Client: connection{client}, App: app}).Done()
		}, []string{"off"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			keeper := &timekeeper{ResponseWriter: httptest.NewRecorder()}
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.ProtoMajor = test.major
			now := func() time.Time { return time.Unix(1, 0) }
			point := &enforcement.Point{
				Now: now, Confirmed: now, View: func() *snapshot.Snapshot { return nil },
				Record: func(*audit.Decision) bool { return true },
			}
			p := &passage{
				handler: &Handler{Point: point}, verdict: enforcement.Verdict{Served: &snapshot.Served{}},
				registry: exchange.New(func() <-chan struct{} { return nil }, now),
			}
			test.steps(p, r, http.NewResponseController(keeper))
			if !slices.Equal(keeper.writing, test.want) {
				t.Errorf("the deadline for writing was set %q, want %q", keeper.writing, test.want)
			}
		})
	}
}
