package server_test

import (
	"bytes"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/admin"
	"github.com/gatehouse-iap/gatehouse/internal/catalog"
	"github.com/gatehouse-iap/gatehouse/internal/metrics"
	"github.com/gatehouse-iap/gatehouse/internal/server"
)

// notes is a log that several goroutines write.
type notes struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (n *notes) Write(p []byte) (int, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.text.Write(p)
}

func (n *notes) String() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.text.String()
}

// mute accepts connections and says nothing.
func mute(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	t.Cleanup(func() { close(ended); l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() { <-ended; conn.Close() }()
		}
	}()
	return l.Addr().String()
}

// refusing is an address on which nobody listens.
func refusing(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// reach changes how the application of a service is reached.
func (g *gate) reach(service catalog.Service, edit func(*catalog.Service)) {
	g.t.Helper()
	service.IAPDisabled = service.Name == "open"
	edit(&service)
	if err := g.server.Admin().PutService(g.t.Context(), admin.System("test"), service); err != nil {
		g.t.Fatal(err)
	}
}

func TestWhatGoesWrongOnTheWayToAnApplication(t *testing.T) {
	t.Parallel()
	log := &notes{}
	health, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := startGate(t, func(o *server.Options) {
		o.Log = slog.New(slog.NewTextHandler(log, nil))
		o.Health = &server.Health{Listener: health, Metrics: metrics.New("test")}
	})
	expect := func(t *testing.T, status int, logged string) *http.Response {
		t.Helper()
		response, body := g.get("open.test", "/", "Accept: text/html")
		if response.StatusCode != status || !strings.Contains(body, "upstream_failed") || strings.Contains(body, "127.0.0.1") {
			t.Errorf("status %d:\n%s", response.StatusCode, body)
		}
		if !strings.Contains(log.String(), logged) {
			t.Errorf("nothing in the log says %q:\n%s", logged, log)
		}
		return response
	}

	t.Run("an address that refuses is passed over", func(t *testing.T) {
		g.reach(open, func(s *catalog.Service) { s.Upstreams = []string{"http://" + refusing(t), "http://" + g.app.address} })
		for range 10 {
			if response, body := g.get("open.test", "/"); response.StatusCode != http.StatusOK {
				t.Fatalf("status %d %s", response.StatusCode, body)
			}
		}
	})
	t.Run("no answer is 504, and the log names the setting", func(t *testing.T) {
		g.reach(open, func(s *catalog.Service) {
			s.Upstream, s.UpstreamTimeouts = "http://"+mute(t), &catalog.UpstreamTimeouts{FirstByteSec: 1}
		})
		expect(t, http.StatusGatewayTimeout, "did not begin its answer within 1s: find out why, or raise upstreamTimeouts.firstByteSec")
	})
	t.Run("an address that cannot be connected to for long is 503 at once, with the time to come back at", func(t *testing.T) {
		silent := "https://" + mute(t)
		g.reach(open, func(s *catalog.Service) {
			s.Upstream, s.UpstreamTimeouts = silent, &catalog.UpstreamTimeouts{ConnectSec: 1}
		})
		var together sync.WaitGroup
		for range 5 {
			together.Go(func() {
				if response, _ := g.get("open.test", "/"); response.StatusCode != http.StatusGatewayTimeout {
					t.Errorf("status %d", response.StatusCode)
				}
			})
		}
		together.Wait()
		began := time.Now()
		response := expect(t, http.StatusServiceUnavailable, "nothing was sent: ")
		if after := response.Header.Get("Retry-After"); after != "1" && after != "2" || time.Since(began) > 500*time.Millisecond {
			t.Errorf("Retry-After %q, after %v", after, time.Since(began))
		}
		for _, a := range g.server.Admin().Upstreams("open") {
			if a.Address != silent || a.Circuit != "open" || a.InFlight != 0 || a.Resource != open.Service.Name() {
				t.Errorf("administration sees %+v", a)
			}
		}
		if others := g.server.Admin().Upstreams(""); len(others) < 6 {
			t.Errorf("administration sees %d addresses", len(others))
		}
		m := &monitored{gate: g}
		if status, body := m.at("GET", health.Addr().String(), "/readyz"); status != 200 || !strings.Contains(body, `"circuit": "open"`) || strings.Count(body, `"circuit"`) != 1 {
			t.Errorf("/readyz: %d %s", status, body)
		}
	})
}

func TestAHealthCheckOpensNothingToClientsAndHasNobodysName(t *testing.T) {
	t.Parallel()
	asked := make(chan *http.Request, 8)
	app := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case asked <- r:
		default:
		}
	}))
	t.Cleanup(app.Close)
	g := startGate(t)
	g.reach(private, func(s *catalog.Service) {
		s.Upstream, s.HealthCheck = app.URL, &catalog.HealthCheck{RequestPath: "/internal/health"}
	})
	check := <-asked // made by the gate itself, at once
	if check.URL.Path != "/internal/health" || len(check.Cookies()) > 0 {
		t.Errorf("the application was asked for %s with %v", check.URL, check.Header)
	}
	for name := range check.Header {
		if name != "User-Agent" {
			t.Errorf("the check has the header %s", name)
		}
	}
	for _, spoof := range []string{"X-Nothing: x", "User-Agent: gatehouse-health-check", "User-Agent: GoogleHC/1.0"} {
		if response, _ := g.get("app.test", "/internal/health", spoof, "Accept: text/html"); response.StatusCode != http.StatusFound {
			t.Errorf("a client without a name gets %d with %s", response.StatusCode, spoof)
		}
	}
	states := g.server.Admin().Upstreams("private")
	if len(states) != 1 || states[0].HealthState == "" {
		t.Errorf("administration sees %+v", states)
	}
}
