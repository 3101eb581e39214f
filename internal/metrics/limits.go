package metrics

import "github.com/prometheus/client_golang/prometheus"

// LimitCounts are read at each scrape. Counts are by the limit that was reached.
type LimitCounts struct {
	Open                  func() int64 // connections
	Connections, Requests func() map[string]uint64
}

// ObserveLimits adds the series of the listeners' limits. Call it once.
func (m *Metrics) ObserveLimits(c LimitCounts) { m.registry.MustRegister(limitCollector{c}) }

type limitCollector struct{ LimitCounts }

var (
	openDesc               = prometheus.NewDesc("gatehouse_connections", "Connections of clients that are open.", nil, nil)
	refusedConnectionsDesc = prometheus.NewDesc("gatehouse_refused_connections_total",
		"Connections that were closed for a limit, by limit; docs/limits.md describes each.", []string{"reason"}, nil)
	refusedRequestsDesc = prometheus.NewDesc("gatehouse_refused_requests_total",
		"Requests that were refused or cut off for a limit, by limit; docs/limits.md describes each.", []string{"reason"}, nil)
)

func (c limitCollector) Describe(out chan<- *prometheus.Desc) {
	out <- openDesc
	out <- refusedConnectionsDesc
	out <- refusedRequestsDesc
}

func (c limitCollector) Collect(out chan<- prometheus.Metric) {
	out <- prometheus.MustNewConstMetric(openDesc, prometheus.GaugeValue, float64(c.Open()))
	for reason, n := range c.Connections() {
		out <- prometheus.MustNewConstMetric(refusedConnectionsDesc, prometheus.CounterValue, float64(n), reason)
	}
	for reason, n := range c.Requests() {
		out <- prometheus.MustNewConstMetric(refusedRequestsDesc, prometheus.CounterValue, float64(n), reason)
	}
}
