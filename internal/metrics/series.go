package metrics

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
)

// Kind is the type of a series, as Prometheus names it.
type Kind string

// The kinds of series.
const (
	Counter   Kind = "counter"
	Gauge     Kind = "gauge"
	Histogram Kind = "histogram"
)

// Series is one name that monitoring may read. The reference page, the dashboard's check and the registry are made
// from the same values, so that none of them can name what another does not have.
type Series struct {
	Name   string
	Kind   Kind
	Labels []string
	Help   string
	// Buckets are the upper bounds of a histogram, in the unit of its name.
	Buckets []float64
}

// Series lists what the gate itself tells, by name.
func (m *Metrics) Series() []Series {
	return slices.SortedFunc(slices.Values(m.series), func(a, b Series) int { return cmp.Compare(a.Name, b.Name) })
}

// register notes what a collector tells and adds it to the registry. Everything with a name of ours goes through here.
func (m *Metrics) register(c prometheus.Collector, series ...Series) {
	m.series = append(m.series, series...)
	m.registry.MustRegister(c)
}

func (m *Metrics) counter(s Series) *prometheus.CounterVec {
	s.Kind = Counter
	vec := prometheus.NewCounterVec(prometheus.CounterOpts{Name: s.Name, Help: s.Help}, s.Labels)
	m.register(vec, s)
	return vec
}

func (m *Metrics) gauge(s Series) *prometheus.GaugeVec {
	s.Kind = Gauge
	vec := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: s.Name, Help: s.Help}, s.Labels)
	m.register(vec, s)
	return vec
}

func (m *Metrics) histogram(s Series) *prometheus.HistogramVec {
	s.Kind = Histogram
	vec := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: s.Name, Help: s.Help, Buckets: s.Buckets}, s.Labels)
	m.register(vec, s)
	return vec
}

// reading is a collector of series that are read from a running server at each scrape.
type reading struct {
	series []Series
	descs  map[string]*prometheus.Desc
	read   func(emit)
}

// emit tells one value of a series.
type emit func(name string, value float64, labels ...string)

func (m *Metrics) reading(read func(emit), series ...Series) {
	r := &reading{series: series, descs: map[string]*prometheus.Desc{}, read: read}
	for _, s := range series {
		r.descs[s.Name] = prometheus.NewDesc(s.Name, s.Help, s.Labels, nil)
	}
	m.register(r, series...)
}

func (r *reading) Describe(out chan<- *prometheus.Desc) {
	for _, desc := range r.descs {
		out <- desc
	}
}

func (r *reading) Collect(out chan<- prometheus.Metric) {
	kinds := map[string]prometheus.ValueType{}
	for _, s := range r.series {
		kinds[s.Name] = prometheus.GaugeValue
		if s.Kind == Counter {
			kinds[s.Name] = prometheus.CounterValue
		}
	}
	r.read(func(name string, value float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(r.descs[name], kinds[name], value, labels...)
	})
}

// WriteReference writes the page about the series.
func WriteReference(w io.Writer) error {
	var b strings.Builder
	b.WriteString(`# Metrics

What ` + "`/metrics`" + ` of the admin listener tells, by name. [Monitoring](../monitoring.md) says what to look at. Besides these
there are the usual series of the Go runtime (` + "`go_*`" + `) and of the process (` + "`process_*`" + `).

A resource has series of its own while it is among the first ` + fmt.Sprint(maxResources) + ` that were asked for since the start; all others share
` + "`other`" + `, and ` + "`none`" + ` is what led to no resource. Durations are in seconds. Counters begin at 0 with the process.

| name | kind | labels | what it tells |
|---|---|---|---|
`)
	m := New("")
	for _, s := range m.Series() {
		labels := make([]string, len(s.Labels))
		for i, label := range s.Labels {
			labels[i] = "`" + label + "`"
		}
		help := s.Help
		if len(s.Buckets) > 0 {
			help += " Buckets: " + strings.Trim(fmt.Sprint(s.Buckets), "[]") + "."
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", s.Name, s.Kind, strings.Join(labels, ", "), help)
	}
	_, err := io.WriteString(w, b.String())
	return err
}
