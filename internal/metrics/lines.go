package metrics

import "github.com/prometheus/client_golang/prometheus"

// Lines says how many lines of the records one place besides the log has taken.
type Lines struct {
	To               string
	Written, Dropped uint64
}

// linesCollector reads that once a scrape.
type linesCollector struct{ lines func() []Lines }

var (
	linesWrittenDesc = prometheus.NewDesc("gatehouse_audit_lines_total",
		"Lines of the records, decisions and administrative changes, that a place of audit.lines has taken.", []string{"to"}, nil)
	linesDroppedDesc = prometheus.NewDesc("gatehouse_audit_lines_dropped_total",
		"Lines of the records that a place of audit.lines did not take in time. They are in the records themselves.", []string{"to"}, nil)
)

func (c *linesCollector) Describe(out chan<- *prometheus.Desc) {
	out <- linesWrittenDesc
	out <- linesDroppedDesc
}

func (c *linesCollector) Collect(out chan<- prometheus.Metric) {
	for _, l := range c.lines() {
		out <- prometheus.MustNewConstMetric(linesWrittenDesc, prometheus.CounterValue, float64(l.Written), l.To)
		out <- prometheus.MustNewConstMetric(linesDroppedDesc, prometheus.CounterValue, float64(l.Dropped), l.To)
	}
}
