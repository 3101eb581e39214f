package metrics

import (
	"errors"
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/gatehouse-iap/gatehouse/internal/audit"
	"github.com/gatehouse-iap/gatehouse/internal/policy"
	"github.com/gatehouse-iap/gatehouse/internal/resource"
)

func scrape(t testing.TB, m *Metrics) string {
	t.Helper()
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	if w.Code != 200 {
		t.Fatalf("status %d: %s", w.Code, w.Body)
	}
	return w.Body.String()
}

func has(t testing.TB, text string, lines ...string) {
	t.Helper()
	for _, line := range lines {
		if !strings.Contains(text, line+"\n") {
			t.Errorf("the scrape lacks %q", line)
		}
	}
}

func TestDecisionsAreCountedByReasonCodeAndResource(t *testing.T) {
	t.Parallel()
	m := New("test")
	for range 3 {
		m.Decision(&audit.Decision{Reason: policy.Granted, Resource: "projects/1/a"})
	}
	m.Decision(&audit.Decision{Reason: policy.NotGranted, Status: 403, Resource: "projects/1/a"})
	m.Decision(&audit.Decision{Reason: policy.HostUnknown, Status: 404})
	m.Decision(&audit.Decision{Reason: "no such reason", Status: 418})
	has(t, scrape(t, m),
		`gatehouse_decisions_total{code="none",reason="granted",resource="projects/1/a"} 3`,
		`gatehouse_decisions_total{code="403",reason="not_granted",resource="projects/1/a"} 1`,
		`gatehouse_decisions_total{code="404",reason="host_unknown",resource="none"} 1`,
		`gatehouse_decisions_total{code="other",reason="no such reason",resource="none"} 1`,
	)
}

func TestResourcesBeyondTheFirstThousandShareOneName(t *testing.T) {
	t.Parallel()
	m := New("test")
	var wait sync.WaitGroup
	for worker := range 4 {
		wait.Go(func() {
			for i := range 1500 {
				m.Decision(&audit.Decision{Reason: policy.Granted, Resource: resource.Name(fmt.Sprint("r", (i+worker*300)%1500))})
			}
		})
	}
	wait.Wait()
	total, series := 0, 0
	for line := range strings.Lines(scrape(t, m)) {
		if strings.HasPrefix(line, "gatehouse_decisions_total{") {
			var n int
			if _, err := fmt.Sscan(line[strings.LastIndex(line, " ")+1:], &n); err != nil {
				t.Fatal(err)
			}
			total, series = total+n, series+1
		}
	}
	if total != 6000 || series != maxResources+1 {
		t.Errorf("%d decisions in %d series", total, series)
	}
	has(t, scrape(t, m), `gatehouse_decisions_total{code="none",reason="granted",resource="other"} 2000`)
}

func TestCountingADecisionAllocatesNothing(t *testing.T) {
	m := New("test")
	d := &audit.Decision{Reason: policy.Granted, Resource: "projects/1/a"}
	if n := testing.AllocsPerRun(100, func() { m.Decision(d) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestTheServersStateIsReadAtEachScrape(t *testing.T) {
	t.Parallel()
	m := New("test")
	now := time.Unix(1000, 0)
	m.Observe(Sources{
		Position: func() int64 { return 17 }, Confirmed: func() time.Time { return now.Add(-3 * time.Second) },
		Sessions: func() int { return 5 }, Now: func() time.Time { return now },
		Log: func() audit.LogCounts {
			return audit.LogCounts{Passed: 1, Refused: 2, Unsampled: 3, DroppedPasses: 4, DroppedRefusals: 5}
		},
		LogFails: func() bool { return true }, Lines: func() []Lines { return []Lines{{"udp://h:514", 6, 7}} },
	})
	m.Reloaded("config", now, true, true)
	m.Reloaded("manifests", now, true, false)
	m.Reloaded("manifests", now, false, false)
	has(t, scrape(t, m),
		"gatehouse_snapshot_position 17", "gatehouse_snapshot_age_seconds 3", "gatehouse_sessions 5",
		`gatehouse_decision_log_decisions_total{class="passed"} 1`, `gatehouse_decision_log_decisions_total{class="refused"} 2`,
		"gatehouse_decision_log_unsampled_total 3",
		`gatehouse_decision_log_dropped_total{class="passed"} 4`, `gatehouse_decision_log_dropped_total{class="refused"} 5`,
		"gatehouse_decision_log_failing 1", `gatehouse_audit_lines_total{to="udp://h:514"} 6`, `gatehouse_audit_lines_dropped_total{to="udp://h:514"} 7`,
		`gatehouse_reload_successful{what="config"} 1`, `gatehouse_reload_successful{what="manifests"} 0`,
		`gatehouse_reloads_total{result="failure",what="manifests"} 1`, `gatehouse_reloads_total{result="success",what="manifests"} 1`,
		`gatehouse_reload_success_timestamp_seconds{what="manifests"} 1000`, `gatehouse_build_info{version="test"} 1`,
	)
}

func TestEverySeriesIsInTheListAndNoOther(t *testing.T) {
	t.Parallel()
	m := New("test")
	listed := map[string]bool{}
	for _, s := range m.Series() {
		if listed[s.Name] {
			t.Errorf("%s is listed twice", s.Name)
		}
		listed[s.Name] = true
		if s.Help == "" || !strings.HasSuffix(s.Help, ".") {
			t.Errorf("the help of %s is no sentence: %q", s.Name, s.Help)
		}
		if (s.Kind == Counter) != strings.HasSuffix(s.Name, "_total") || s.Kind == Histogram && !strings.HasSuffix(s.Name, "_seconds") {
			t.Errorf("%s is not a name for a %s", s.Name, s.Kind)
		}
	}
	descs := make(chan *prometheus.Desc, 1000)
	m.registry.Describe(descs)
	close(descs)
	registered := map[string]bool{}
	for desc := range descs {
		_, rest, _ := strings.Cut(desc.String(), `fqName: "`)
		if name, _, _ := strings.Cut(rest, `"`); strings.HasPrefix(name, "gatehouse_") {
			registered[name] = true
		}
	}
	for name := range registered {
		if !listed[name] {
			t.Errorf("%s is not in the list: register it by counter, gauge, histogram or reading", name)
		}
	}
	if len(registered) != len(listed) {
		t.Errorf("%d are registered and %d listed", len(registered), len(listed))
	}
}

func TestWhatIsScrapedIsAsListed(t *testing.T) {
	t.Parallel()
	m := New("test")
	exercise(m)
	families, err := m.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]int{}
	for i, family := range families {
		found[family.GetName()] = i + 1
	}
	for _, s := range m.Series() {
		if found[s.Name] == 0 {
			t.Errorf("%s is never told", s.Name)
			continue
		}
		family := families[found[s.Name]-1]
		if kind := strings.ToLower(family.GetType().String()); kind != string(s.Kind) {
			t.Errorf("%s is a %s, and listed as a %s", s.Name, kind, s.Kind)
		}
		for _, metric := range family.GetMetric() {
			var labels []string
			for _, pair := range metric.GetLabel() {
				labels = append(labels, pair.GetName())
			}
			want := slices.Sorted(slices.Values(s.Labels))
			if !slices.Equal(labels, want) {
				t.Errorf("%s has the labels %v, and is listed with %v", s.Name, labels, want)
			}
		}
	}
}

// exercise makes something of everything happen.
func exercise(m *Metrics) {
	now := time.Unix(10000, 0)
	m.Decision(&audit.Decision{Reason: policy.Granted, Resource: "projects/1/a"})
	m.Began()
	e := m.Decided("projects/1/a", 30*time.Microsecond)
	e.Answered(200, time.Millisecond)
	e.Failed(502)
	e.Done(time.Millisecond)
	m.SignIn("corp", "success")
	m.ProviderFetch("corp", "keys", nil)
	m.Rechecked("corp", "confirmed")
	m.Refreshed(time.Millisecond, true, nil)
	m.Stored("read", time.Millisecond, false)
	m.Reloaded("config", now, true, false)
	m.ObserveCertificates(func() []Certificate {
		return []Certificate{{File: "a.crt", NotAfter: now}, {File: "a.crt", NotAfter: now}, {File: "b.crt", NotAfter: now, Kept: true}}
	})
	m.ObserveLimits(LimitCounts{
		Open:        func() int64 { return 7 },
		Connections: func() map[string]uint64 { return map[string]uint64{"address": 3} },
		Requests:    func() map[string]uint64 { return map[string]uint64{"body": 2} },
		Ended:       func() map[string]uint64 { return map[string]uint64{"idle": 9} },
	})
	m.Observe(Sources{
		Ready: func() bool { return true }, Position: func() int64 { return 17 }, Confirmed: func() time.Time { return now.Add(-3 * time.Second) },
		Sessions: func() int { return 5 }, Log: func() audit.LogCounts { return audit.LogCounts{} },
		LogFails:   func() bool { return true },
		Lines:      func() []Lines { return []Lines{{"udp://h:514", 6, 7}} },
		Assertions: func() (uint64, uint64) { return 3, 4 },
		Keys:       func() []SigningKey { return []SigningKey{{Purpose: "assertion", From: now.Add(-time.Hour)}} },
		Traces:     func() (uint64, uint64) { return 5, 6 },
		Upstreams: func() []UpstreamAddress {
			return []UpstreamAddress{
				{Resource: "a", Address: "http://10.0.0.1:80", Known: true, Healthy: true, InFlight: 2},
				{Resource: "a", Address: "http://10.0.0.2:80", Known: true, Open: true}, {Resource: "b", Address: "http://10.0.0.2:80"},
			}
		},
		Exchanges: func() []ExchangeCount {
			return []ExchangeCount{{Kind: "websocket", Open: 2, Ended: map[string]uint64{"session_ended": 1, "": 3}}, {Kind: "grpc"}}
		},
		Now: func() time.Time { return now },
	})
}

func TestStatesAreReadAtEachScrape(t *testing.T) {
	t.Parallel()
	m := New("test")
	scrape(t, m) // nobody has said yet where to read them
	exercise(m)
	has(t, scrape(t, m),
		"gatehouse_decision_log_failing 1", `gatehouse_audit_lines_total{to="udp://h:514"} 6`, `gatehouse_audit_lines_dropped_total{to="udp://h:514"} 7`,
		"gatehouse_ready 1", "gatehouse_assertions_signed_total 3", "gatehouse_assertions_reused_total 4",
		`gatehouse_signing_key_age_seconds{purpose="assertion"} 3600`,
		`gatehouse_certificate_expiry_timestamp_seconds{file="a.crt"} 10000`, `gatehouse_certificate_current{file="a.crt"} 1`, `gatehouse_certificate_current{file="b.crt"} 0`,
		`gatehouse_upstream_healthy{address="http://10.0.0.1:80",resource="a"} 1`, `gatehouse_upstream_healthy{address="http://10.0.0.2:80",resource="a"} 0`,
		`gatehouse_upstream_circuit_open{address="http://10.0.0.2:80",resource="a"} 1`, `gatehouse_upstream_requests_in_flight{address="http://10.0.0.1:80",resource="a"} 2`,
		`gatehouse_exchanges_open{kind="websocket"} 2`, `gatehouse_exchanges_ended_total{kind="websocket",reason="session_ended"} 1`,
		`gatehouse_exchanges_ended_total{kind="websocket",reason="stopping"} 3`, `gatehouse_exchanges_open{kind="grpc"} 0`,
		`gatehouse_trace_spans_total{result="exported"} 5`, `gatehouse_trace_spans_total{result="failed"} 6`,
	)
	if strings.Contains(scrape(t, m), `gatehouse_upstream_healthy{address="http://10.0.0.2:80",resource="b"}`) {
		t.Error("an address that nobody looks at has a health")
	}
}

func TestRequestsAreCountedByResourceAndStatus(t *testing.T) {
	t.Parallel()
	m := New("test")
	m.Began()
	m.Began()
	e := m.Decided("projects/1/a", 30*time.Microsecond)
	for status, label := range map[int]string{200: "200", 101: "101", 599: "5xx", 299: "2xx", 99: "other", 600: "other", 999: "other", -1: "other"} {
		if got := statusLabels[statusIndex(status)]; got != label {
			t.Errorf("%d counts as %s", status, got)
		}
		e.Answered(status, 3*time.Millisecond)
	}
	e.Failed(504)
	e.Done(30 * time.Millisecond)
	m.Ended()
	m.Decided("", time.Second).Done(time.Second)
	has(t, scrape(t, m),
		"gatehouse_requests_in_flight 1", `gatehouse_decision_duration_seconds_bucket{le="5e-05"} 1`, "gatehouse_decision_duration_seconds_count 2",
		`gatehouse_upstream_responses_total{code="200",resource="projects/1/a"} 1`, `gatehouse_upstream_responses_total{code="other",resource="projects/1/a"} 4`,
		`gatehouse_upstream_failures_total{code="504",resource="projects/1/a"} 1`, `gatehouse_upstream_header_duration_seconds_count{resource="projects/1/a"} 8`,
		`gatehouse_request_duration_seconds_bucket{resource="projects/1/a",le="0.05"} 1`, `gatehouse_request_duration_seconds_count{resource="none"} 1`,
	)
}

func TestPartsAreCountedByWhatBecameOfThem(t *testing.T) {
	t.Parallel()
	m := New("test")
	m.SignIn("corp", "provider_unavailable")
	m.ProviderFetch("corp", "discovery", errors.New("down"))
	m.Rechecked("corp", "ended")
	m.Refreshed(time.Second, false, nil)
	m.Refreshed(time.Second, false, errors.New("down"))
	m.Stored("write", time.Second, true)
	has(t, scrape(t, m),
		`gatehouse_sign_ins_total{outcome="provider_unavailable",provider="corp"} 1`, `gatehouse_provider_fetches_total{document="discovery",provider="corp",result="failure"} 1`,
		`gatehouse_session_rechecks_total{provider="corp",result="ended"} 1`, `gatehouse_snapshot_refreshes_total{result="unchanged"} 1`,
		`gatehouse_snapshot_refreshes_total{result="failure"} 1`, `gatehouse_snapshot_refresh_duration_seconds_count 0`,
		`gatehouse_store_errors_total{operation="write"} 1`, `gatehouse_store_errors_total{operation="read"} 0`,
	)
}

func TestCountingARequestAllocatesNothing(t *testing.T) {
	m := New("test")
	if n := testing.AllocsPerRun(100, func() { countRequest(m) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func countRequest(m *Metrics) {
	m.Began()
	e := m.Decided("projects/1/a", 30*time.Microsecond)
	e.Answered(200, time.Millisecond)
	e.Done(time.Millisecond)
	m.Ended()
}

func BenchmarkRequest(b *testing.B) {
	m := New("test")
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			countRequest(m)
		}
	})
}

func BenchmarkDecision(b *testing.B) {
	m := New("test")
	d := &audit.Decision{Reason: policy.Granted, Resource: "projects/1/a"}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			m.Decision(d)
		}
	})
}
