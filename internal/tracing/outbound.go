package tracing

import (
	"context"
	"net"
	"net/http"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

// Outbound makes spans of what the gate asks others by itself, such as a token endpoint. They are told nothing of the
// trace: it is no business of theirs.
func (t *Tracer) Outbound(next http.RoundTripper) http.RoundTripper {
	if t == nil {
		return next
	}
	return &outbound{t.tracer, next}
}

type outbound struct {
	tracer trace.Tracer
	next   http.RoundTripper
}

func (o *outbound) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx, span := o.tracer.Start(r.Context(), method(r.Method), trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(
		attribute.String("http.request.method", method(r.Method)), attribute.String("url.full", r.URL.Scheme+"://"+r.URL.Host+r.URL.Path),
		attribute.String("server.address", r.URL.Hostname())))
	defer span.End()
	response, err := o.next.RoundTrip(r.WithContext(ctx))
	if err != nil {
		span.SetStatus(codes.Error, "no answer") // the error's text quotes the address, query and all
		return nil, err
	}
	span.SetAttributes(attribute.Int("http.response.status_code", response.StatusCode))
	if response.StatusCode >= 400 {
		span.SetStatus(codes.Error, "")
	}
	return response, nil
}

// CloseIdleConnections does what http.Client's expects of its transport.
func (o *outbound) CloseIdleConnections() {
	if closer, ok := o.next.(interface{ CloseIdleConnections() }); ok {
		closer.CloseIdleConnections()
	}
}

// Store begins the span of a transaction that somebody's request waits for; the result ends it. What the gate does for
// itself, several times a minute, is no trace.
func (t *Tracer) Store(ctx context.Context, operation string) func(failed bool) {
	return t.operation(ctx, "store "+operation, "the store failed",
		attribute.String("db.system.name", "sqlite"), attribute.String("db.operation.name", operation))
}

// Directory begins the span of what somebody's sign-in asks an LDAP directory; the result ends it. Whether those who are
// signed in are still there is asked every minute, and is no trace.
func (t *Tracer) Directory(ctx context.Context, operation, address string) func(failed bool) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		host = address
	}
	return t.operation(ctx, "ldap "+operation, "the directory failed",
		attribute.String("network.protocol.name", "ldap"), attribute.String("server.address", host))
}

// operation begins a span within somebody's trace; without one it does nothing. The result ends it, where it failed with
// the words for that.
func (t *Tracer) operation(ctx context.Context, name, failure string, attributes ...attribute.KeyValue) func(failed bool) {
	if t == nil || !trace.SpanFromContext(ctx).IsRecording() {
		return func(bool) {}
	}
	_, span := t.tracer.Start(ctx, name, trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(attributes...))
	return func(failed bool) {
		if failed {
			span.SetStatus(codes.Error, failure)
		}
		span.End()
	}
}

// markFailed marks a span whose request was not answered as it should have been. What a client did wrong is no error
// of the server's.
func markFailed(span trace.Span, status int) {
	if status >= 500 {
		span.SetStatus(codes.Error, "")
	}
}
