// Package metrics owns what monitoring is told: the registry, the names of its series, and how many of them there
// may be. It decides nothing and keeps no history. On the way of a request stand counters that were bound
// before; no lock is shared between requests.
package metrics

import (
	"net/http"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Metrics is a registry of its own, with the series of one server.
type Metrics struct {
	registry  *prometheus.Registry
	series    []Series
	decisions *decisions
	requests  *requests
	sources   atomic.Pointer[Sources]
	files     atomic.Pointer[func() []Certificate]
	limits    atomic.Pointer[LimitCounts]

	signIns, providerFetches, rechecks *prometheus.CounterVec
	refreshes                          *prometheus.CounterVec
	refreshTime                        prometheus.Observer
	storeTime                          *prometheus.HistogramVec
	storeErrors                        *prometheus.CounterVec

	reloads     *prometheus.CounterVec
	reloadFine  *prometheus.GaugeVec
	reloadTimes *prometheus.GaugeVec
}

// New returns the metrics of a server, with those of the Go runtime and the process.
func New(version string) *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry()}
	m.decisions = newDecisions(m.counter(Series{
		Name: "gatehouse_decisions_total", Labels: []string{"reason", "code", "resource"},
		Help: "Decisions by reason, by the status that the gate answered with (none: it passed the request on), and by resource.",
	}))
	m.requests = m.newRequests()
	m.newParts()
	m.newStates()
	m.newLines()
	m.newLimits()
	m.reloads = m.counter(Series{
		Name: "gatehouse_reloads_total", Labels: []string{"what", "result"},
		Help: "Readings of the configuration, the certificates, the manifests and the files of upstreams after the start, by result.",
	})
	m.reloadFine = m.gauge(Series{
		Name: "gatehouse_reload_successful", Labels: []string{"what"}, Help: "Whether the last reading was taken up: 1, or 0 while the state before it stands.",
	})
	m.reloadTimes = m.gauge(Series{
		Name: "gatehouse_reload_success_timestamp_seconds", Labels: []string{"what"}, Help: "When the last reading that was taken up was made.",
	})
	m.gauge(Series{
		Name: "gatehouse_build_info", Labels: []string{"version"}, Help: "Always 1; the label says which version runs.",
	}).WithLabelValues(version).Set(1)
	m.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
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
		m.reloadTimes.WithLabelValues(what).Set(seconds(at))
	}
	m.reloadFine.WithLabelValues(what).Set(fine)
	if !atStart {
		m.reloads.WithLabelValues(what, result).Inc()
	}
}

// seconds is a time as Prometheus writes it.
func seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }
