package upstream

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/upstream/http1"
)

func TestABodyOfWhichSomethingWasReadIsNotOfferedAgain(t *testing.T) {
	t.Parallel()
	u := &Upstream{addresses: make([]*address, 2), timeouts: Config{}.Canonical().Timeouts}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://app.test", strings.NewReader("body"))
	if err != nil {
		t.Fatal(err)
	}
	w := u.watch(request)
	if !w.mayOfferAgain() {
		t.Error("nothing was read, and it is not offered again")
	}
	if _, err := io.ReadFull(w.request.Body, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	if w.mayOfferAgain() {
		t.Error("half a body is offered")
	}
}

func TestAnAnswerOverAConnectionThatWasLeftClosesACircuit(t *testing.T) {
	t.Parallel()
	app := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(app.Close)
	pools := &Pools{Log: slog.New(slog.DiscardHandler)}
	config := Config{URL: app.URL}.Canonical()
	u := pools.Keep(map[Config]struct{}{config: {}})[config]
	t.Cleanup(func() { pools.Keep(nil) })
	ask := func() {
		t.Helper()
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, app.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		response, err := u.Send(request, http1.Whole{Request: request})
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, response.Body) // so that the connection is left
		response.Body.Close()
	}
	ask()
	for range circuitThreshold {
		u.addresses[0].failed(errRefused)
	}
	if ask(); u.Addresses()[0].Circuit != CircuitClosed {
		t.Errorf("%+v", u.Addresses()[0])
	}
}

func TestMostRequestsAreNotWatched(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		addresses int
		length    int64
		idle      time.Duration
		h2        bool
		watched   bool
	}{
		"no body":                       {addresses: 2},
		"a small body, one address":     {addresses: 1, length: 1000},
		"a small body, two addresses":   {addresses: 2, length: 1000, watched: true},
		"a large body":                  {addresses: 1, length: 1 << 20, watched: true},
		"a body of unknown length":      {addresses: 1, length: -1, watched: true},
		"no body, and silence bounded":  {addresses: 1, idle: time.Second, watched: true},
		"no body, over HTTP/2":          {addresses: 1, h2: true, watched: true},
		"a small body, over HTTP/2 too": {addresses: 1, length: 1000, h2: true},
	} {
		u := &Upstream{addresses: make([]*address, c.addresses), timeouts: Timeouts{FirstByte: time.Second, Idle: c.idle}, multiplexed: c.h2}
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://app.test", nil)
		if err != nil {
			t.Fatal(err)
		}
		if c.length != 0 {
			request.Body, request.ContentLength = io.NopCloser(strings.NewReader("")), c.length
		}
		if w := u.watch(request); (w != nil) != c.watched {
			t.Errorf("%s: watched %v", name, w != nil)
		}
	}
}
