// Package metrics owns what monitoring is told: the registry, the names of its series, and how many of them there
// may be. It decides nothing and keeps no history. On the way of a request stands one counter that was bound
// before; no lock is shared between requests.
package metrics

import (
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/gatehouse-iap/gatehouse/internal/audit"
)

// Metrics is a registry of its own, with the series of one server.
type Metrics struct {
	registry  *prometheus.Registry
	decisions decisions

	reloads     *prometheus.CounterVec
	reloadFine  *prometheus.GaugeVec
	reloadTimes *prometheus.GaugeVec
	observe     sync.Once
}

// New returns the metrics of a server, with those of the Go runtime and the process.
func New(version string) *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry()}
	m.decisions.vec = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "gatehouse_decisions_total",
		Help: "Decisions by reason, by the status that the gate answered with (none: it passed the request on), and by resource (the first 1000, then other; none: nothing was routed to).",
	}, []string{"reason", "code", "resource"})
	m.reloads = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "gatehouse_reloads_total", Help: "Readings of the configuration, the certificates, the manifests and the files of upstreams after the start, by result.",
	}, []string{"what", "result"})
	m.reloadFine = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "gatehouse_reload_successful", Help: "Whether the last reading was taken up: 1, or 0 while the state before it stands.",
	}, []string{"what"})
	m.reloadTimes = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "gatehouse_reload_success_timestamp_seconds", Help: "When the last reading that was taken up was made.",
	}, []string{"what"})
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "gatehouse_build_info", Help: "Always 1; the label says which version runs.", ConstLabels: prometheus.Labels{"version": version},
	})
	build.Set(1)
	m.registry.MustRegister(m.decisions.vec, m.reloads, m.reloadFine, m.reloadTimes, build,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Handler serves the series to a scraper.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4})
}

// Reloaded notes that something was read, at the start or since, and whether it was taken up.
func (m *Metrics) Reloaded(what string, at time.Time, taken, atStart bool) {
	fine, result := 0.0, "failure"
	if taken {
		fine, result = 1, "success"
		m.reloadTimes.WithLabelValues(what).Set(float64(at.UnixMilli()) / 1000)
	}
	m.reloadFine.WithLabelValues(what).Set(fine)
	if !atStart {
		m.reloads.WithLabelValues(what, result).Inc()
	}
}

// Sources are read at each scrape.
type Sources struct {
	Position  func() int64           // of the snapshot that requests read
	Confirmed func() time.Time       // when the store last confirmed it
	Sessions  func() int             // in memory
	Log       func() audit.LogCounts // of the decision log
	LogFails  func() bool            // it loses records
	Lines     func() []Lines         // of the records, elsewhere
	Now       func() time.Time
}

// Observe adds the series that are read from a running server. It counts once.
func (m *Metrics) Observe(s Sources) {
	m.observe.Do(func() {
		gauge := func(name, help string, f func() float64) {
			m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, f))
		}
		gauge("gatehouse_snapshot_position", "Position in the change feed of the snapshot that requests read.",
			func() float64 { return float64(s.Position()) })
		gauge("gatehouse_snapshot_age_seconds", "Time since the store last confirmed the snapshot. The gate closes when it passes maxStaleness (600).",
			func() float64 { return max(0, s.Now().Sub(s.Confirmed()).Seconds()) })
		gauge("gatehouse_sessions", "Sessions in memory.", func() float64 { return float64(s.Sessions()) })
		gauge("gatehouse_decision_log_failing", "Whether the decision log loses records: 1 while its disk is full or too slow.", func() float64 {
			if s.LogFails() {
				return 1
			}
			return 0
		})
		m.registry.MustRegister(&logCollector{s.Log}, &linesCollector{s.Lines})
	})
}

// logCollector reads the counts of the decision log once a scrape.
type logCollector struct{ counts func() audit.LogCounts }

var (
	recordedDesc = prometheus.NewDesc("gatehouse_decision_log_decisions_total",
		"Decisions given to the decision log, by class.", []string{"class"}, nil)
	unsampledDesc = prometheus.NewDesc("gatehouse_decision_log_unsampled_total",
		"Anonymous requests that were sent to sign in, counted and on purpose not recorded.", nil, nil)
	droppedDesc = prometheus.NewDesc("gatehouse_decision_log_dropped_total",
		"Decisions that should have been recorded and were not: buffer full, or disk failing.", []string{"class"}, nil)
)

func (c *logCollector) Describe(out chan<- *prometheus.Desc) {
	out <- recordedDesc
	out <- unsampledDesc
	out <- droppedDesc
}

func (c *logCollector) Collect(out chan<- prometheus.Metric) {
	counts := c.counts()
	emit := func(desc *prometheus.Desc, n uint64, labels ...string) {
		out <- prometheus.MustNewConstMetric(desc, prometheus.CounterValue, float64(n), labels...)
	}
	emit(recordedDesc, counts.Passed, "passed")
	emit(recordedDesc, counts.Refused, "refused")
	emit(unsampledDesc, counts.Unsampled)
	emit(droppedDesc, counts.DroppedPasses, "passed")
	emit(droppedDesc, counts.DroppedRefusals, "refused")
}
