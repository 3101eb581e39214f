package metrics

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/gatehouse-iap/gatehouse/internal/resource"
)

// Buckets are classic ones: every scraper reads them in the text form, and observing is two atomic additions. Native
// histograms need the protobuf form and a flag on servers that are in use.
var (
	decisionBuckets = []float64{.00001, .000025, .00005, .0001, .00025, .0005, .001, .0025, .01, .05, .25, 1}
	requestBuckets  = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30}
)

// requests are the series of requests to applications.
type requests struct {
	inFlight  prometheus.Gauge
	decision  prometheus.Observer
	responses *prometheus.CounterVec
	failures  *prometheus.CounterVec
	of        byResource[Exchanges]
}

// Exchanges are the series of one resource.
type Exchanges struct {
	duration, header prometheus.Observer
	answered, failed *cells
	all              *requests
}

func (m *Metrics) newRequests() *requests {
	duration := m.histogram(Series{
		Name: "gatehouse_request_duration_seconds", Labels: []string{"resource"}, Buckets: requestBuckets,
		Help: "From the arrival of a request to the end of its answer, the gate's own answers included. Upgraded connections and event streams are left out: they last as long as people like.",
	})
	header := m.histogram(Series{
		Name: "gatehouse_upstream_header_duration_seconds", Labels: []string{"resource"}, Buckets: requestBuckets,
		Help: "From passing a request on to the header of the application's answer.",
	})
	r := &requests{
		inFlight: m.gauge(Series{
			Name: "gatehouse_requests_in_flight", Help: "Requests to applications that are under way, upgraded connections and streams included.",
		}).WithLabelValues(),
		decision: m.histogram(Series{
			Name: "gatehouse_decision_duration_seconds", Buckets: decisionBuckets,
			Help: "The gate's own time: from the arrival of a request until it is routed, recognised, decided, asserted and recorded.",
		}).WithLabelValues(),
		responses: m.counter(Series{
			Name: "gatehouse_upstream_responses_total", Labels: []string{"code", "resource"},
			Help: "Answers of applications by status; one that no standard names counts as its class, such as 5xx.",
		}),
		failures: m.counter(Series{
			Name: "gatehouse_upstream_failures_total", Labels: []string{"code", "resource"},
			Help: "Requests that were passed on and not answered by the application, by the status that the gate answered with in its place.",
		}),
	}
	r.of.new = func(label string) *Exchanges {
		return &Exchanges{
			duration: duration.WithLabelValues(label), header: header.WithLabelValues(label),
			answered: newCells(label, len(statusLabels)), failed: newCells(label, len(statusLabels)), all: r,
		}
	}
	return r
}

// Began counts a request as under way, and Ended takes it out again.
func (m *Metrics) Began() { m.requests.inFlight.Inc() }

// Ended notes the end of a request that Began noted.
func (m *Metrics) Ended() { m.requests.inFlight.Dec() }

// Decided notes how long the gate took itself, and returns the series of the resource.
func (m *Metrics) Decided(name resource.Name, took time.Duration) *Exchanges {
	m.requests.decision.Observe(took.Seconds())
	return m.requests.of.of(name)
}

// Answered notes the application's answer, and how long it took to come.
func (e *Exchanges) Answered(status int, took time.Duration) {
	e.header.Observe(took.Seconds())
	i := statusIndex(status)
	e.answered.count(i, func() prometheus.Counter { return e.all.responses.WithLabelValues(statusLabels[i], e.answered.label) })
}

// Failed notes that the application did not answer, and with which status we did.
func (e *Exchanges) Failed(status int) {
	i := statusIndex(status)
	e.failed.count(i, func() prometheus.Counter { return e.all.failures.WithLabelValues(statusLabels[i], e.failed.label) })
}

// Done notes how long an exchange took.
func (e *Exchanges) Done(took time.Duration) { e.duration.Observe(took.Seconds()) }

// statusLabels are those that answers may have: the standard's statuses, and a class for what is none of them. An
// application chooses its statuses as it likes and must not choose how many series there are.
var statusLabels, statusIndices = func() (labels []string, indices [600]uint8) {
	for class := 1; class <= 5; class++ {
		shared := uint8(len(labels))
		labels = append(labels, strconv.Itoa(class)+"xx")
		for status := class * 100; status < (class+1)*100; status++ {
			indices[status] = shared
			if http.StatusText(status) != "" {
				indices[status] = uint8(len(labels))
				labels = append(labels, strconv.Itoa(status))
			}
		}
	}
	return append(labels, "other"), indices
}()

func statusIndex(status int) int {
	if status < 100 || status >= len(statusIndices) {
		return len(statusLabels) - 1
	}
	return int(statusIndices[status])
}
