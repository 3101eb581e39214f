// Package tracing owns the traces that are sent to a collector: which requests have one, what their spans say, and
// the way to the collector. It is there only where a collector is configured; every method of a nil value does nothing,
// so that a request pays one comparison for traces that nobody wants. No span holds a query string, a header, an
// address of a person or a secret.
package tracing

import (
	"context"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// Config says where traces go.
type Config struct {
	// Endpoint is the whole URL of the collector's OTLP over HTTP, such as http://localhost:4318/v1/traces.
	Endpoint string
	// Ratio is how many of the traces that begin here are kept, from 0 to 1.
	Ratio float64
	// Headers are sent to the collector. They may be secret.
	Headers http.Header
	Version string
	Log     *slog.Logger
}

// Tracer begins traces. The nil one begins none.
type Tracer struct {
	provider *sdktrace.TracerProvider
	tracer   trace.Tracer
	exporter *exporter
}

// New returns a tracer that sends in the background. A collector that does not answer holds up nobody: spans wait in a
// bounded queue, and what finds it full is dropped.
func New(c Config) *Tracer {
	e := newExporter(c)
	provider := sdktrace.NewTracerProvider(
		sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.TraceIDRatioBased(c.Ratio))),
		sdktrace.WithResource(resource.NewSchemaless(
			attribute.String("service.name", "gatehouse"), attribute.String("service.version", c.Version))),
		sdktrace.WithBatcher(e, sdktrace.WithExportTimeout(exportTimeout)),
	)
	return &Tracer{provider: provider, tracer: provider.Tracer("gatehouse"), exporter: e}
}

// Counts says how many spans the collector took, and how many it was sent and did not take.
func (t *Tracer) Counts() (exported, failed uint64) {
	if t == nil {
		return 0, 0
	}
	return t.exporter.exported.Load(), t.exporter.failed.Load()
}

// Flush sends what waits.
func (t *Tracer) Flush(ctx context.Context) error {
	if t == nil {
		return nil
	}
	return t.provider.ForceFlush(ctx)
}

// Close sends what waits, for a few seconds at most, and ends the sending.
func (t *Tracer) Close() {
	if t == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	_ = t.provider.Shutdown(ctx) // what could not be sent has been logged
}

var traceContext propagation.TraceContext

// Request is the trace of one request.
type Request struct {
	tracer   trace.Tracer
	ctx      context.Context
	span     trace.Span
	upstream trace.Span
	status   atomic.Int32 // of the answer
}

// Request begins the span of a request. A trusted proxy's trace is continued, as it was sampled. Anybody else's
// is linked to: who writes a header must not decide what we keep, nor write into somebody's trace.
func (t *Tracer) Request(r *http.Request, trusted bool) *Request {
	if t == nil {
		return nil
	}
	ctx := r.Context()
	options := []trace.SpanStartOption{trace.WithSpanKind(trace.SpanKindServer)}
	if r.Header["Traceparent"] != nil {
		if trusted {
			ctx = traceContext.Extract(ctx, propagation.HeaderCarrier(r.Header))
		} else if theirs := trace.SpanContextFromContext(traceContext.Extract(context.Background(), propagation.HeaderCarrier(r.Header))); theirs.IsValid() {
			options = append(options, trace.WithLinks(trace.Link{SpanContext: theirs}))
		}
	}
	q := &Request{tracer: t.tracer}
	q.ctx, q.span = t.tracer.Start(ctx, method(r.Method), options...)
	if q.span.IsRecording() {
		q.span.SetAttributes(attribute.String("http.request.method", method(r.Method)), attribute.String("url.path", clip(r.URL.Path)))
	}
	return q
}

// Context carries the trace to what is done for the request.
func (q *Request) Context(ctx context.Context) context.Context {
	if q == nil {
		return ctx
	}
	return trace.ContextWithSpan(ctx, q.span)
}

// ID is the trace's id for logs; empty where there is none.
func (q *Request) ID() string {
	if q == nil || !q.span.SpanContext().IsSampled() {
		return ""
	}
	return q.span.SpanContext().TraceID().String()
}

// Decision is what was decided about a request.
type Decision struct {
	Began            time.Time
	Host, Scheme     string
	Resource, Reason string
	ID               string
	Status           int // of our own answer; 0 where the request is passed on
}

// Decided notes the decision as a span of its own.
func (q *Request) Decided(d Decision) {
	if q == nil {
		return
	}
	q.status.Store(int32(d.Status))
	if !q.span.IsRecording() {
		return
	}
	_, span := q.tracer.Start(q.ctx, "decide", trace.WithTimestamp(d.Began))
	span.SetAttributes(attribute.String("gatehouse.reason", d.Reason))
	span.End()
	q.span.SetAttributes(attribute.String("server.address", clip(d.Host)), attribute.String("url.scheme", d.Scheme),
		attribute.String("gatehouse.resource", d.Resource), attribute.String("gatehouse.reason", d.Reason), attribute.String("gatehouse.decision_id", d.ID))
}

// Forward begins the span of the application's part, and returns what tells the application to continue the trace.
func (q *Request) Forward(address string) http.Header {
	if q == nil {
		return nil
	}
	ctx, span := q.tracer.Start(q.ctx, "forward", trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(attribute.String("server.address", address)))
	q.upstream = span
	header := http.Header{}
	traceContext.Inject(ctx, propagation.HeaderCarrier(header))
	return header
}

// Answered notes the status of the answer, the application's or, where it failed, our own.
func (q *Request) Answered(status int) {
	if q != nil {
		q.status.Store(int32(status))
	}
}

// End ends the spans.
func (q *Request) End() {
	if q == nil {
		return
	}
	status := int(q.status.Load())
	for _, span := range []trace.Span{q.upstream, q.span} {
		if span == nil {
			continue
		}
		if status != 0 {
			span.SetAttributes(attribute.Int("http.response.status_code", status))
		}
		markFailed(span, status)
		span.End()
	}
}

// methods are those that a span may be named after; clients invent others.
var methods = map[string]bool{
	"GET": true, "HEAD": true, "POST": true, "PUT": true, "PATCH": true, "DELETE": true, "OPTIONS": true, "TRACE": true, "CONNECT": true,
}

func method(m string) string {
	if methods[m] {
		return m
	}
	return "_OTHER"
}

// clip bounds what clients choose.
func clip(s string) string {
	const limit = 1024
	if len(s) > limit {
		return s[:limit]
	}
	return s
}
