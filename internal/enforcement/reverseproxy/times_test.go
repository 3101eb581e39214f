package reverseproxy

import (
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/audit"
	"github.com/gatehouse-iap/gatehouse/internal/enforcement"
	"github.com/gatehouse-iap/gatehouse/internal/exchange"
	"github.com/gatehouse-iap/gatehouse/internal/exchange/tunnel"
	"github.com/gatehouse-iap/gatehouse/internal/snapshot"
)

// timekeeper keeps the deadlines for writing that it is given: "off", or "on".
type timekeeper struct {
	http.ResponseWriter
	set []string
}

func (k *timekeeper) SetWriteDeadline(t time.Time) error {
	word := "on"
	if t.IsZero() {
		word = "off"
	}
	k.set = append(k.set, word)
	return nil
}

func (k *timekeeper) SetReadDeadline(time.Time) error { return nil }

func TestDeadlinesAreTakenOffWhatLasts(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		major int
		steps func(p *passage, r *http.Request, control *http.ResponseController)
		want  []string
	}{
		"over HTTP/1 at once, and what is left is the connection's": {1, func(p *passage, r *http.Request, control *http.ResponseController) {
			p.unbind(r, control)
			p.lasts()
			p.limitRest(r, control)
		}, []string{"off"}},
		"over HTTP/2 not from what is over soon": {2, func(p *passage, r *http.Request, control *http.ResponseController) {
			p.unbind(r, control)
			p.limitRest(r, control)
		}, nil},
		"over HTTP/2 from what lasts, and what is left is bound again": {2, func(p *passage, r *http.Request, control *http.ResponseController) {
			p.unbind(r, control)
			p.lasts()
			p.limitRest(r, control)
		}, []string{"off", "on"}},
		"over HTTP/2 from what has lasted before there was anything to take off": {2, func(p *passage, r *http.Request, control *http.ResponseController) {
			p.lasts()
			p.unbind(r, control)
			p.limitRest(r, control)
		}, []string{"off", "on"}},
		"over HTTP/2 not from what lasts when all is said": {2, func(p *passage, r *http.Request, control *http.ResponseController) {
			p.unbind(r, control)
			p.limitRest(r, control)
			p.lasts()
		}, nil},
		"over HTTP/2 once": {2, func(p *passage, r *http.Request, control *http.ResponseController) {
			p.unbind(r, control)
			p.lasts()
			p.lasts()
		}, []string{"off"}},
		"over HTTP/2 from an exchange that is registered": {2, func(p *passage, r *http.Request, control *http.ResponseController) {
			p.unbind(r, control)
			p.Decision()
		}, []string{"off"}},
		"over HTTP/2 from what becomes a WebSocket": {2, func(p *passage, r *http.Request, control *http.ResponseController) {
			p.unbind(r, control)
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
			if !slices.Equal(keeper.set, test.want) {
				t.Errorf("the deadline for writing was set %q, want %q", keeper.set, test.want)
			}
		})
	}
}
