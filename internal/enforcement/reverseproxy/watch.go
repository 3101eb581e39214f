package reverseproxy

import (
	"net/http"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/enforcement"
	"github.com/gatehouse-iap/gatehouse/internal/metrics"
	"github.com/gatehouse-iap/gatehouse/internal/requestid"
	"github.com/gatehouse-iap/gatehouse/internal/resource"
	"github.com/gatehouse-iap/gatehouse/internal/tracing"
)

// watch is what becomes of one request, for the metrics, the trace and the request id. It wraps nothing that the
// request passes through.
type watch struct {
	counts *metrics.Metrics // nil where nobody counts
	series *metrics.Exchanges
	trace  *tracing.Request // nil where nobody traces

	began, passed time.Time
	given         string // by a trusted proxy
	id            [1]string
	headers       [3]enforcement.Header
	lasting       bool // an upgraded connection or an event stream
}

// begin begins to watch a request that enforcement will decide on.
func (w *watch) begin(h *Handler, in *Incoming) {
	w.counts, w.began = h.Metrics, time.Now()
	if in.Client.Trusted {
		w.given = requestid.Given(in.Header)
	}
	if w.counts != nil {
		w.counts.Began()
	}
	w.trace = h.Tracer.Request(in.Request, in.Client.Trusted)
}

// decided hears the verdict.
func (w *watch) decided(v *enforcement.Verdict, scheme string) {
	if w.id[0] = w.given; w.given == "" {
		w.id[0] = v.ID.String()
	}
	var name resource.Name
	if v.Served != nil {
		name = v.Served.Resource
	}
	if w.counts != nil {
		w.passed = time.Now()
		w.series = w.counts.Decided(name, w.passed.Sub(w.began))
	}
	if w.trace != nil {
		w.trace.Decided(tracing.Decision{
			Began: w.began, Host: v.Host, Scheme: scheme, Resource: string(name), Reason: string(v.Reason), ID: v.ID.String(), Status: v.Status,
		})
	}
}

// answers puts the id on an answer of our own, and into the context of whatever makes it.
func (w *watch) answers(rw http.ResponseWriter, r *http.Request) *http.Request {
	w.sign(rw.Header())
	return r.WithContext(requestid.NewContext(w.trace.Context(r.Context()), requestid.ID{Text: w.id[0], Trace: w.trace.ID()}))
}

// forwarding returns the headers by which the application comes to know the request's names.
func (w *watch) forwarding(v *enforcement.Verdict) []enforcement.Header {
	w.headers[0] = enforcement.Header{Name: requestid.Header, Values: w.id[:]}
	n := 1
	if trace := w.trace.Forward(v.Served.Upstream.Address); trace != nil {
		// The client's own are replaced, also where there is nothing to put in their place.
		w.headers[1] = enforcement.Header{Name: "Traceparent", Values: trace["Traceparent"]}
		w.headers[2] = enforcement.Header{Name: "Tracestate", Values: trace["Tracestate"]}
		n = 3
	}
	if len(v.Headers) == 0 {
		return w.headers[:n]
	}
	return append(v.Headers[:len(v.Headers):len(v.Headers)], w.headers[:n]...)
}

// sign puts the id on an answer.
func (w *watch) sign(answer http.Header) {
	if w != nil {
		answer[requestid.Header] = w.id[:]
	}
}

// name is what the log calls the request.
func (w *watch) name() string {
	if w == nil {
		return ""
	}
	return w.id[0]
}

// answered hears the application's answer.
func (w *watch) answered(response *http.Response) {
	if w == nil {
		return
	}
	w.trace.Answered(response.StatusCode)
	w.lasting = response.StatusCode == http.StatusSwitchingProtocols || isEventStream(response.Header)
	if w.series != nil {
		w.series.Answered(response.StatusCode, time.Since(w.passed))
	}
}

// failed hears that we answer in the application's place.
func (w *watch) failed(status int) {
	w.trace.Answered(status)
	w.lasting = false
	if w.series != nil {
		w.series.Failed(status)
	}
}

// end hears that the exchange is over, however it ended.
func (w *watch) end() {
	w.trace.End()
	if w.counts == nil {
		return
	}
	w.counts.Ended()
	if w.series != nil && !w.lasting {
		w.series.Done(time.Since(w.began))
	}
}
