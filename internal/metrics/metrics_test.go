package metrics

import (
	"fmt"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

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
