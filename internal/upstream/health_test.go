package upstream_test

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/upstream"
)

// steps is a clock for health checks that goes on when the test says so.
type steps struct {
	t       *testing.T
	pending chan chan time.Time
}

func newSteps(t *testing.T) *steps { return &steps{t, make(chan chan time.Time, 16)} }

func (s *steps) after(time.Duration) <-chan time.Time {
	next := make(chan time.Time)
	s.pending <- next
	return next
}

// decided waits for the checks of so many addresses that are under way, and begins the next ones. It begins none before
// it has seen all: an address may be at its next check before another one is at its first.
func (s *steps) decided(addresses int) {
	s.t.Helper()
	var under []chan time.Time
	for range addresses {
		select {
		case next := <-s.pending:
			under = append(under, next)
		case <-time.After(10 * time.Second):
			s.t.Fatal("no check was made")
		}
	}
	for _, next := range under {
		next <- time.Time{} // taken once the check is over
	}
}

// patient is an application whose health is set, and which remembers what it was asked.
type patient struct {
	*counted
	status  atomic.Int64
	mu      sync.Mutex
	checks  []*http.Request
	visitor atomic.Int64 // requests other than checks
}

func newPatient(t *testing.T) *patient {
	t.Helper()
	p := &patient{}
	p.status.Store(http.StatusOK)
	p.counted = newCounted(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/healthz" {
			p.visitor.Add(1)
			return
		}
		p.mu.Lock()
		p.checks = append(p.checks, r)
		p.mu.Unlock()
		w.WriteHeader(int(p.status.Load()))
	})
	return p
}

func checked(urls ...string) upstream.Config {
	return upstream.Config{URL: strings.Join(urls, " "), Host: "app.internal", HealthCheck: upstream.HealthCheck{
		Path: "/healthz?deep=1", Interval: time.Hour, Timeout: 10 * time.Second, Healthy: 2, Unhealthy: 2,
	}}.Canonical()
}

func states(up *upstream.Upstream) map[string]upstream.Health {
	found := map[string]upstream.Health{}
	for _, a := range up.Addresses() {
		found[a.URL] = a.Health
	}
	return found
}

func TestAnUnhealthyAddressGetsNoRequestsUntilItIsWellAgain(t *testing.T) {
	t.Parallel()
	a, b := newPatient(t), newPatient(t)
	clock := newSteps(t)
	var log bytes.Buffer // written by checks, and read once they have ended
	pools := &upstream.Pools{After: clock.after, Log: slog.New(slog.NewTextHandler(&log, nil))}
	config := checked(a.URL, b.URL)
	up := pools.Keep(map[upstream.Config]struct{}{config: {}})[config]
	if len(clock.pending) > 0 {
		t.Error("checked before anybody is served")
	}
	ctx, stop := context.WithCancel(t.Context())
	wait := pools.Run(ctx)
	visit := func() {
		t.Helper()
		for range 20 {
			response, err := send(t, up, "GET", "")
			if err != nil {
				t.Fatal(err)
			}
			read(t, response)
		}
	}
	clock.decided(2)
	if got := states(up); got[a.URL] != upstream.Healthy || got[b.URL] != upstream.Healthy {
		t.Fatalf("to begin with: %v", got)
	}
	a.status.Store(http.StatusServiceUnavailable)
	for range 3 { // the one under way, and two that fail
		clock.decided(2)
	}
	if got := states(up); got[a.URL] != upstream.Unhealthy || got[b.URL] != upstream.Healthy {
		t.Fatalf("one answers 503: %v", got)
	}
	visit()
	if a.visitor.Load() != 0 || b.visitor.Load() != 20 {
		t.Errorf("the unhealthy one got %d of 20 requests", a.visitor.Load())
	}
	if again := pools.Keep(map[upstream.Config]struct{}{config: {}})[config]; again != up {
		t.Error("a policy write forgets what is known")
	}
	a.status.Store(http.StatusOK)
	for range 3 {
		clock.decided(2)
	}
	visit()
	if a.visitor.Load() == 0 {
		t.Error("well again, and it gets no requests")
	}
	stop()
	wait()
	if text := log.String(); strings.Count(text, "is unhealthy") != 1 || strings.Count(text, "is healthy again") != 1 || !strings.Contains(text, "with 503") {
		t.Errorf("logged\n%s", text)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, r := range a.checks {
		if r.Method != http.MethodGet || r.RequestURI != "/healthz?deep=1" || r.Host != "app.internal" {
			t.Errorf("asked %s %s of %s", r.Method, r.RequestURI, r.Host)
		}
		for name := range r.Header {
			if name != "User-Agent" {
				t.Errorf("a check has the header %s: %q", name, r.Header[name])
			}
		}
	}
}

func TestChecksEndWithTheirAddress(t *testing.T) {
	t.Parallel()
	a, b := newPatient(t), newPatient(t)
	clock := newSteps(t)
	pools := &upstream.Pools{After: clock.after}
	wait := pools.Run(t.Context())
	config := checked(a.URL, b.URL)
	pools.Keep(map[upstream.Config]struct{}{config: {}})
	clock.decided(2)
	pools.Keep(nil)
	ended := make(chan struct{})
	go func() { wait(); close(ended) }()
	select {
	case <-ended:
	case <-time.After(10 * time.Second):
		t.Error("addresses that nobody wants are still checked")
	}
}

func TestACheckThatCannotBeMadeSaysWhy(t *testing.T) {
	t.Parallel()
	elsewhere := newCounted(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/login", http.StatusFound) })
	for name, c := range map[string]struct{ url, want string }{
		"nobody there":           {"http://" + deadAddress(t), "nothing listens there"},
		"no answer":              {stuck(t, onlyHTTP1), "healthCheck.timeoutSec"},
		"a redirect to sign in":  {elsewhere.URL, "with 302"},
		"something else than it": {"http://" + speaker(t, "what?"), "does not speak HTTP/1.1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			clock := newSteps(t)
			pools := &upstream.Pools{After: clock.after, Log: slog.New(slog.DiscardHandler)}
			config := checked(c.url)
			config.HealthCheck.Timeout, config.HealthCheck.Unhealthy = short, 1
			up := pools.Keep(map[upstream.Config]struct{}{config: {}})[config]
			ctx, stop := context.WithCancel(t.Context())
			wait := pools.Run(ctx)
			clock.decided(1)
			stop()
			wait()
			if state := up.Addresses()[0]; state.Health != upstream.Unhealthy || !strings.Contains(state.Problem, c.want) {
				t.Errorf("%+v, which should say %q", state, c.want)
			}
		})
	}
}

func TestWhatIsKnownOfAnAddressSurvivesThatItsFilesChange(t *testing.T) {
	t.Parallel()
	ours := newAuthority(t, "ours")
	ca := ours.file()
	clock := newSteps(t)
	pools := &upstream.Pools{After: clock.after, Log: slog.New(slog.DiscardHandler)}
	config := checked("https://" + deadAddress(t))
	config.TLS.CAFile, config.HealthCheck.Unhealthy = ca, 1
	pools.Keep(map[upstream.Config]struct{}{config: {}})
	ctx, stop := context.WithCancel(t.Context())
	wait := pools.Run(ctx)
	clock.decided(1)
	other := newAuthority(t, "other").file()
	replaceFile(t, ca, other)
	changed, problems := pools.Reload()
	if len(problems) > 0 || changed[config] == nil {
		t.Fatalf("%v, %v", changed, problems)
	}
	if state := changed[config].Addresses()[0]; state.Health != upstream.Unhealthy {
		t.Errorf("%+v", state)
	}
	stop()
	wait()
}
