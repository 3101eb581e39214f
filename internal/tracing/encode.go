package tracing

import (
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	collector "go.opentelemetry.io/proto/slim/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/slim/otlp/common/v1"
	resource "go.opentelemetry.io/proto/slim/otlp/resource/v1"
	wire "go.opentelemetry.io/proto/slim/otlp/trace/v1"
)

// exportRequest writes spans as the protocol has them. All are of one process and one scope.
func exportRequest(spans []sdktrace.ReadOnlySpan) *collector.ExportTraceServiceRequest {
	if len(spans) == 0 {
		return &collector.ExportTraceServiceRequest{}
	}
	written := make([]*wire.Span, len(spans))
	for i, span := range spans {
		written[i] = encode(span)
	}
	return &collector.ExportTraceServiceRequest{ResourceSpans: []*wire.ResourceSpans{{
		Resource: &resource.Resource{Attributes: attributes(spans[0].Resource().Attributes())},
		ScopeSpans: []*wire.ScopeSpans{{
			Scope: &common.InstrumentationScope{Name: spans[0].InstrumentationScope().Name}, Spans: written,
		}},
	}}}
}

func encode(s sdktrace.ReadOnlySpan) *wire.Span {
	own := s.SpanContext()
	id, in := own.SpanID(), own.TraceID()
	span := &wire.Span{
		TraceId: in[:], SpanId: id[:], TraceState: own.TraceState().String(), Flags: uint32(own.TraceFlags()), Name: s.Name(), Kind: kind(s.SpanKind()),
		StartTimeUnixNano: uint64(s.StartTime().UnixNano()), EndTimeUnixNano: uint64(s.EndTime().UnixNano()), Attributes: attributes(s.Attributes()),
	}
	if parent := s.Parent().SpanID(); parent.IsValid() {
		span.ParentSpanId = parent[:]
	}
	for _, link := range s.Links() {
		id, in := link.SpanContext.SpanID(), link.SpanContext.TraceID()
		span.Links = append(span.Links, &wire.Span_Link{TraceId: in[:], SpanId: id[:], TraceState: link.SpanContext.TraceState().String()})
	}
	if status := s.Status(); status.Code == codes.Error {
		span.Status = &wire.Status{Code: wire.Status_STATUS_CODE_ERROR, Message: status.Description}
	}
	return span
}

func kind(k trace.SpanKind) wire.Span_SpanKind {
	switch k {
	case trace.SpanKindServer:
		return wire.Span_SPAN_KIND_SERVER
	case trace.SpanKindClient:
		return wire.Span_SPAN_KIND_CLIENT
	default:
		return wire.Span_SPAN_KIND_INTERNAL
	}
}

// attributes writes those of the two types that our spans have; others, from the environment, as text. Protobuf refuses
// text that is not UTF-8, and a batch with it: clients write paths, and one of them must not lose the spans of others.
func attributes(list []attribute.KeyValue) []*common.KeyValue {
	written := make([]*common.KeyValue, len(list))
	for i, a := range list {
		value := &common.AnyValue{Value: &common.AnyValue_StringValue{StringValue: strings.ToValidUTF8(a.Value.String(), "\uFFFD")}}
		if a.Value.Type() == attribute.INT64 {
			value = &common.AnyValue{Value: &common.AnyValue_IntValue{IntValue: a.Value.AsInt64()}}
		}
		written[i] = &common.KeyValue{Key: string(a.Key), Value: value}
	}
	return written
}
