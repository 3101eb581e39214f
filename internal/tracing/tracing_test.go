package tracing

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/trace"
	collector "go.opentelemetry.io/proto/slim/otlp/collector/trace/v1"
	wire "go.opentelemetry.io/proto/slim/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-iap/gatehouse/internal/tracing/tracingtest"
)

func start(t testing.TB, ratio float64) (*Tracer, *tracingtest.Receiver, *bytes.Buffer) {
	t.Helper()
	receiver, out := tracingtest.Start(t), &bytes.Buffer{}
	tracer := New(Config{
		Endpoint: receiver.URL, Ratio: ratio, Headers: http.Header{"Authorization": {"Bearer collector-secret"}}, Version: "1.2.3",
		Log: slog.New(slog.NewTextHandler(out, nil)),
	})
	tracer.exporter.pause = time.Millisecond
	t.Cleanup(tracer.Close)
	return tracer, receiver, out
}

func flush(t testing.TB, tracer *Tracer) {
	t.Helper()
	if err := tracer.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// serve traces one request that is passed on, and returns what the application was told.
func serve(tracer *Tracer, r *http.Request, trusted bool, status int) http.Header {
	q := tracer.Request(r, trusted)
	defer q.End()
	q.Decided(Decision{Began: time.Now(), Host: "app.test", Scheme: "https", Resource: "projects/1/app", Reason: "granted", ID: "01ABC"})
	header := q.Forward("10.0.0.1:80")
	q.Answered(status)
	return header
}

const theirs = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

func request(headers ...string) *http.Request {
	r := httptest.NewRequest("POST", "/a/b?token=planted-query", nil)
	r.Header.Set("Cookie", "planted-cookie")
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return r
}

func TestARequestHasOneTraceThatTheApplicationContinues(t *testing.T) {
	t.Parallel()
	tracer, receiver, _ := start(t, 1)
	told := serve(tracer, request(), false, 503)
	flush(t, tracer)
	spans := map[string]*wire.Span{}
	for _, span := range receiver.Spans() {
		spans[span.GetName()] = span
	}
	root, decide, forward := spans["POST"], spans["decide"], spans["forward"]
	if root == nil || decide == nil || forward == nil || len(spans) != 3 {
		t.Fatalf("%v", spans)
	}
	for _, child := range []*wire.Span{decide, forward} {
		if !bytes.Equal(child.GetParentSpanId(), root.GetSpanId()) || !bytes.Equal(child.GetTraceId(), root.GetTraceId()) {
			t.Errorf("%s is not the request's", child.GetName())
		}
	}
	var id trace.TraceID
	var span trace.SpanID
	copy(id[:], root.GetTraceId())
	copy(span[:], forward.GetSpanId())
	if got, want := told.Get("Traceparent"), "00-"+id.String()+"-"+span.String()+"-01"; got != want {
		t.Errorf("the application is told %s, not %s", got, want)
	}
	got := tracingtest.Attributes(root.GetAttributes())
	for name, want := range map[string]string{
		"http.request.method": "POST", "url.path": "/a/b", "url.scheme": "https", "server.address": "app.test", "http.response.status_code": "503",
		"gatehouse.resource": "projects/1/app", "gatehouse.reason": "granted", "gatehouse.decision_id": "01ABC",
	} {
		if got[name] != want {
			t.Errorf("%s is %q, not %q", name, got[name], want)
		}
		delete(got, name)
	}
	if len(got) > 0 {
		t.Errorf("the span says more: %v", got)
	}
	if root.GetKind() != wire.Span_SPAN_KIND_SERVER || forward.GetKind() != wire.Span_SPAN_KIND_CLIENT || root.GetStatus().GetCode() != wire.Status_STATUS_CODE_ERROR {
		t.Errorf("%v %v %v", root.GetKind(), forward.GetKind(), root.GetStatus())
	}
	if r := receiver.Resource(); r["service.name"] != "gatehouse" || r["service.version"] != "1.2.3" {
		t.Errorf("%v", r)
	}
	if h := receiver.Headers()[0]; h.Get("Authorization") != "Bearer collector-secret" {
		t.Errorf("%v", h)
	}
	if raw := receiver.Raw(); strings.Contains(raw, "planted") {
		t.Error("a query or a cookie is in a span")
	}
}

func TestOnlyATrustedProxysTraceIsContinued(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		trusted   bool
		parent    string
		continued bool
		spans     int
	}{
		"a trusted proxy's":                       {true, theirs, true, 3},
		"a trusted proxy's that it does not keep": {true, theirs[:len(theirs)-2] + "00", true, 0},
		"a stranger's":                            {false, theirs, false, 0},
		"one that cannot be read":                 {true, "00-zz", false, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tracer, receiver, _ := start(t, 0) // nothing that begins here is kept
			told := serve(tracer, request("Traceparent", test.parent, "Tracestate", "a=b"), test.trusted, 200)
			flush(t, tracer)
			if got := strings.Contains(told.Get("Traceparent"), "4bf92f3577b34da6a3ce929d0e0e4736"); got != test.continued {
				t.Errorf("the application is told %s", told.Get("Traceparent"))
			}
			if got := told.Get("Tracestate") == "a=b"; got != test.continued {
				t.Errorf("the application is told the state %q", told.Get("Tracestate"))
			}
			if got := len(receiver.Spans()); got != test.spans {
				t.Errorf("%d spans", got)
			}
		})
	}
	tracer, receiver, _ := start(t, 1)
	serve(tracer, request("Traceparent", theirs), false, 200)
	flush(t, tracer)
	if root := receiver.Named("POST")[0]; len(root.GetLinks()) != 1 || root.GetParentSpanId() != nil {
		t.Errorf("a stranger's trace is not linked to: %v", root)
	}
}

type answering func(*http.Request) (*http.Response, error)

func (f answering) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestWhatTheGateAsksOthersHasASpanWithoutTheQuery(t *testing.T) {
	t.Parallel()
	tracer, receiver, _ := start(t, 1)
	ctx := tracer.Request(request(), false).Context(context.Background())
	fail := false
	transport := tracer.Outbound(answering(func(r *http.Request) (*http.Response, error) {
		if r.Header.Get("Traceparent") != "" {
			t.Error("the provider is told of the trace")
		}
		if fail {
			return nil, errors.New("GET https://idp.example/token?code=planted-code: refused")
		}
		return &http.Response{StatusCode: 400, Body: io.NopCloser(strings.NewReader(""))}, nil
	}))
	for range 2 {
		r, err := http.NewRequestWithContext(ctx, "GET", "https://user:planted-password@idp.example/token?code=planted-code", nil)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = transport.RoundTrip(r)
		fail = true
	}
	flush(t, tracer)
	spans := receiver.Named("GET")
	if len(spans) != 2 {
		t.Fatalf("%d spans", len(spans))
	}
	if got := tracingtest.Attributes(spans[0].GetAttributes()); got["url.full"] != "https://idp.example/token" || got["http.response.status_code"] != "400" {
		t.Errorf("%v", got)
	}
	if spans[1].GetStatus().GetCode() != wire.Status_STATUS_CODE_ERROR || strings.Contains(receiver.Raw(), "planted") {
		t.Errorf("%v", spans[1])
	}
}

func TestTransactionsAreTracedForRequestsOnly(t *testing.T) {
	t.Parallel()
	tracer, receiver, _ := start(t, 1)
	tracer.Store(context.Background(), "read")(false)
	q := tracer.Request(request(), false)
	tracer.Store(q.Context(context.Background()), "write")(true)
	q.End()
	flush(t, tracer)
	if spans := receiver.Spans(); len(spans) != 2 || spans[0].GetName() != "store write" || spans[0].GetStatus().GetCode() != wire.Status_STATUS_CODE_ERROR {
		t.Errorf("%v", spans)
	}
}

func TestADirectoryIsTracedForRequestsOnly(t *testing.T) {
	t.Parallel()
	tracer, receiver, _ := start(t, 1)
	tracer.Directory(context.Background(), "search", "ldap.example:636")(false)
	q := tracer.Request(request(), false)
	tracer.Directory(q.Context(context.Background()), "bind", "ldap.example:636")(false)
	tracer.Directory(q.Context(context.Background()), "search", "[::1]:389")(true)
	q.End()
	flush(t, tracer)
	bind, search := receiver.Named("ldap bind"), receiver.Named("ldap search")
	if len(bind) != 1 || len(search) != 1 {
		t.Fatalf("%v", receiver.Spans())
	}
	if got := tracingtest.Attributes(bind[0].GetAttributes()); len(got) != 2 || got["server.address"] != "ldap.example" || got["network.protocol.name"] != "ldap" {
		t.Errorf("%v", got)
	}
	if root := receiver.Named("POST"); len(root) != 1 || !bytes.Equal(bind[0].GetParentSpanId(), root[0].GetSpanId()) {
		t.Errorf("%v is not a part of %v", bind[0], root)
	}
	if bind[0].GetStatus().GetCode() == wire.Status_STATUS_CODE_ERROR || search[0].GetStatus().GetCode() != wire.Status_STATUS_CODE_ERROR {
		t.Errorf("%v, %v", bind[0].GetStatus(), search[0].GetStatus())
	}
}

func TestACollectorThatFailsIsTriedAgainAndThenSaidOnce(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		answers          []int // then 200
		tries            int
		exported, failed uint64
	}{
		"busy once":          {[]int{503}, 2, 3, 0},
		"busy for long":      {[]int{503, 429, 502, 504}, 3, 0, 3},
		"refusing":           {[]int{401, 401}, 1, 0, 3},
		"pointing elsewhere": {[]int{307, 307}, 1, 0, 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tracer, receiver, out := start(t, 1)
			answers := test.answers
			receiver.Answer(func(w http.ResponseWriter) bool {
				if len(answers) == 0 {
					return false
				}
				w.Header().Set("Location", receiver.URL)
				w.WriteHeader(answers[0])
				answers = answers[1:]
				return true
			})
			serve(tracer, request(), false, 200)
			flush(t, tracer)
			exported, failed := tracer.Counts()
			if exported != test.exported || failed != test.failed || len(receiver.Headers()) != test.tries {
				t.Errorf("%d exported, %d failed, %d tries", exported, failed, len(receiver.Headers()))
			}
			receiver.Answer(func(w http.ResponseWriter) bool { w.WriteHeader(400); return true })
			serve(tracer, request(), false, 200)
			flush(t, tracer)
			if said := strings.Count(out.String(), "level=WARN"); said != 1 || strings.Contains(out.String(), "collector-secret") {
				t.Errorf("%d warnings:\n%s", said, out)
			}
		})
	}
}

func TestSpansThatTheCollectorRefusesAreCounted(t *testing.T) {
	t.Parallel()
	tracer, receiver, _ := start(t, 1)
	receiver.Answer(func(w http.ResponseWriter) bool {
		body, err := proto.Marshal(&collector.ExportTraceServiceResponse{PartialSuccess: &collector.ExportTracePartialSuccess{RejectedSpans: 2}})
		if err != nil {
			t.Error(err)
		}
		_, _ = w.Write(body)
		return true
	})
	serve(tracer, request(), false, 200)
	flush(t, tracer)
	if exported, failed := tracer.Counts(); exported != 1 || failed != 2 {
		t.Errorf("%d exported, %d failed", exported, failed)
	}
}

func TestWithoutATracerNothingIsDone(t *testing.T) {
	var tracer *Tracer
	r, ctx := request("Traceparent", theirs), context.Background()
	next := answering(nil)
	if n := testing.AllocsPerRun(100, func() {
		q := tracer.Request(r, true)
		if q.Context(ctx) != ctx || q.Forward("a") != nil || q.ID() != "" {
			t.Error("something is done")
		}
		q.Decided(Decision{})
		q.Answered(200)
		q.End()
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if tracer.Outbound(next) == nil || tracer.Flush(ctx) != nil {
		t.Error("something is done")
	}
	tracer.Store(ctx, "read")(true)
	tracer.Directory(ctx, "search", "ldap.example:636")(true)
	tracer.Close()
}

func BenchmarkRequest(b *testing.B) {
	for name, ratio := range map[string]float64{"off": -1, "not kept": 0, "kept": 1} {
		b.Run(name, func(b *testing.B) {
			var tracer *Tracer
			if ratio >= 0 {
				tracer, _, _ = start(b, ratio)
			}
			r := request()
			b.ReportAllocs()
			for b.Loop() {
				serve(tracer, r, false, 200)
			}
		})
	}
}

// Text of protobuf is UTF-8: one span with other bytes would take all spans of its batch with it.
func TestNobodysRequestLosesTheSpansOfOthers(t *testing.T) {
	t.Parallel()
	for name, path := range map[string]string{
		"bytes that are no UTF-8":      "/%ff%fe",
		"a character across the bound": "/" + strings.Repeat("%C3%A9", 1024),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tracer, receiver, log := start(t, 1)
			serve(tracer, request(), false, 200)
			serve(tracer, httptest.NewRequest("GET", path, nil), false, 200)
			flush(t, tracer)
			if exported, failed := tracer.Counts(); exported != 6 || failed != 0 {
				t.Errorf("%d spans were exported, %d failed: %s", exported, failed, log)
			}
			if got := len(receiver.Spans()); got != 6 {
				t.Errorf("the collector has %d spans", got)
			}
		})
	}
}
