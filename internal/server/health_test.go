package server_test

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/metrics"
	"github.com/gatehouse-iap/gatehouse/internal/server"
	"github.com/gatehouse-iap/gatehouse/internal/signin"
	"github.com/gatehouse-iap/gatehouse/internal/storage/sqlite/sqlitetest"
)

// monitored is a gate with two listeners for clients and one for health.
type monitored struct {
	*gate
	health string
	second string
	cancel context.CancelFunc
	ended  chan error
}

func startMonitored(t *testing.T) *monitored {
	t.Helper()
	m := &monitored{gate: &gate{t: t, dataDir: sqlitetest.Data(t), app: startRecorder(t), clock: &clock{}}, ended: make(chan error, 1)}
	listen := func() net.Listener {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	first, second, health := listen(), listen(), listen()
	s, err := server.New(t.Context(), server.Options{
		DataDir: m.dataDir, External: signin.External{Scheme: "http", Port: 80}, AuthHost: "auth.test",
		Endpoints: []server.Endpoint{{Listener: first}, {Listener: second, HealthPath: "/-/healthz"}},
		Health: &server.Health{
			Listener: health, Metrics: metrics.New("test"),
			Report: func() map[string]any { return map[string]any{"config": map[string]string{"state": "kept"}} },
		},
		ProjectID: "dev-project", ProjectNumber: 123456789012, Bootstrap: m.bootstrap,
		Log: slog.New(slog.DiscardHandler), Now: m.clock.now,
	})
	if err != nil {
		t.Fatal(err)
	}
	var ctx context.Context
	ctx, m.cancel = context.WithCancel(context.Background())
	go func() { m.ended <- s.Serve(ctx) }()
	if err := s.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	m.server, m.address, m.second, m.health = s, first.Addr().String(), second.Addr().String(), health.Addr().String()
	t.Cleanup(func() {
		m.cancel()
		if err := <-m.ended; err != nil {
			t.Errorf("the server ended with %v", err)
		}
	})
	return m
}

// at asks a listener for a path.
func (m *monitored) at(method, address, path string) (int, string) {
	m.t.Helper()
	request, err := http.NewRequestWithContext(m.t.Context(), method, "http://"+address+path, http.NoBody)
	if err != nil {
		m.t.Fatal(err)
	}
	response, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(request)
	if err != nil {
		m.t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		m.t.Fatal(err)
	}
	return response.StatusCode, string(body)
}

func TestTheRoutesOfAServerInProductionAreThoseThatWereReviewed(t *testing.T) {
	t.Parallel()
	m := startMonitored(t)
	want, err := os.ReadFile("testdata/routes_serve.golden")
	if err != nil {
		t.Fatal(err)
	}
	if got := m.server.Routes(); got != string(want) {
		t.Errorf("the routes are\n%s\nreview them, then write them to testdata/routes_serve.golden", got)
	}
}

func TestReadinessTellsWhatTheServerSees(t *testing.T) {
	t.Parallel()
	m := startMonitored(t)
	var answer struct {
		Status   string
		Config   struct{ State string }
		Snapshot struct {
			Position   int64
			AgeSeconds float64
		}
		Listeners []struct{ Address string }
	}
	read := func() int {
		t.Helper()
		status, body := m.at("GET", m.health, "/readyz")
		if err := json.Unmarshal([]byte(body), &answer); err != nil {
			t.Fatalf("%v: %s", err, body)
		}
		return status
	}
	if status := read(); status != 200 || answer.Status != "ready" || answer.Config.State != "kept" || answer.Snapshot.Position < 5 ||
		len(answer.Listeners) != 2 || answer.Listeners[1].Address != m.second {
		t.Errorf("%d %+v", status, answer)
	}
	if status, body := m.at("HEAD", m.health, "/readyz"); status != 200 || body != "" {
		t.Errorf("HEAD gets %d %q", status, body)
	}
	if status, _ := m.at("POST", m.health, "/readyz"); status != 405 {
		t.Errorf("POST gets %d", status)
	}
	m.clock.advance(time.Hour)
	if status := read(); status != 503 || answer.Status != "stale" || answer.Snapshot.AgeSeconds < 3500 {
		t.Errorf("without the store's word for an hour: %d %+v", status, answer)
	}
	if status, _ := m.at("GET", m.health, "/healthz"); status != 200 {
		t.Errorf("a restart would not help, but /healthz gets %d", status)
	}
}

func TestReadinessEndsBeforeTheServerDoes(t *testing.T) {
	t.Parallel()
	m := startMonitored(t)
	entered, leave := make(chan struct{}), make(chan struct{})
	m.app.say(func(*http.Request) string {
		close(entered)
		<-leave
		return "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\nlate"
	})
	answered := make(chan string, 1)
	go func() {
		_, body := m.get("open.test", "/")
		answered <- body
	}()
	<-entered
	m.cancel()
	for status := 200; status != 503; { // the end reaches the listeners a moment after it is asked for
		status, _ = m.at("GET", m.health, "/readyz")
	}
	if _, body := m.at("GET", m.health, "/readyz"); !strings.Contains(body, `"status": "stopping"`) {
		t.Errorf("it says %s", body)
	}
	close(leave)
	if body := <-answered; body != "late" {
		t.Errorf("the request under way is answered with %q", body)
	}
}

func TestALoadBalancerIsToldWhetherToSendPeopleHere(t *testing.T) {
	t.Parallel()
	m := startMonitored(t)
	for method, want := range map[string]int{"GET": 200, "HEAD": 200, "POST": 405, "OPTIONS": 405} {
		if status, body := m.at(method, m.second, "/-/healthz"); status != want || strings.Contains(body, "position") {
			t.Errorf("%s: %d %q", method, status, body)
		}
	}
	m.clock.advance(time.Hour)
	if status, body := m.at("GET", m.second, "/-/healthz?verbose"); status != 503 || body != "stale\n" {
		t.Errorf("without the store's word for an hour: %d %q", status, body)
	}
	if m.app.last() != "" {
		t.Error("the application was asked")
	}
}

func TestDecisionsAreCounted(t *testing.T) {
	t.Parallel()
	m := startMonitored(t)
	m.get("open.test", "/")
	m.get("app.test", "/")
	m.get("nowhere.test", "/")
	_, scrape := m.at("GET", m.health, "/metrics")
	for _, line := range []string{
		`gatehouse_decisions_total{code="none",reason="iap_disabled",resource="` + string(open.Service.Name()) + `"} 1`,
		`gatehouse_decisions_total{code="302",reason="no_credential",resource="` + string(private.Service.Name()) + `"} 1`,
		`gatehouse_decisions_total{code="404",reason="host_unknown",resource="none"} 1`,
		`gatehouse_decision_log_decisions_total{class="refused"} 2`,
		"gatehouse_sessions 0",
	} {
		if !strings.Contains(scrape, line+"\n") {
			t.Errorf("the metrics lack %s", line)
		}
	}
}

func TestEveryListenerForClientsAnswersAlike(t *testing.T) {
	t.Parallel()
	m := startMonitored(t)
	m.address = m.second
	if response, _ := m.get("open.test", "/"); response.StatusCode != 200 {
		t.Errorf("the second listener answers %d", response.StatusCode)
	}
}
