// Package tracingtest is a collector of traces for tests: it takes OTLP over HTTP, and decodes what comes.
package tracingtest

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"testing"

	collector "go.opentelemetry.io/proto/slim/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/slim/otlp/common/v1"
	wire "go.opentelemetry.io/proto/slim/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// Receiver keeps what it was sent.
type Receiver struct {
	URL string

	mu       sync.Mutex
	spans    []*wire.Span
	resource map[string]string
	headers  []http.Header
	bodies   []byte
	// answer stands in for the usual one.
	answer func(w http.ResponseWriter) bool
}

// Start starts one that ends with the test.
func Start(t testing.TB) *Receiver {
	t.Helper()
	r := &Receiver{resource: map[string]string{}}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		body, err := io.ReadAll(request.Body)
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		r.take(w, request, body)
	}))
	t.Cleanup(server.Close)
	r.URL = server.URL + "/v1/traces"
	return r
}

func (r *Receiver) take(w http.ResponseWriter, request *http.Request, body []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.headers = append(r.headers, request.Header.Clone())
	r.bodies = append(r.bodies, body...)
	if r.answer != nil && r.answer(w) {
		return
	}
	var sent collector.ExportTraceServiceRequest
	if request.Method != http.MethodPost || request.Header.Get("Content-Type") != "application/x-protobuf" || proto.Unmarshal(body, &sent) != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	for _, from := range sent.GetResourceSpans() {
		for name, value := range Attributes(from.GetResource().GetAttributes()) {
			r.resource[name] = value
		}
		for _, scope := range from.GetScopeSpans() {
			r.spans = append(r.spans, scope.GetSpans()...)
		}
	}
	answer, err := proto.Marshal(&collector.ExportTraceServiceResponse{})
	if err != nil {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/x-protobuf")
	_, _ = w.Write(answer)
}

// Answer makes it answer otherwise, where f returns true; nil for as usual.
func (r *Receiver) Answer(f func(w http.ResponseWriter) bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer = f
}

// Spans are those that came so far.
func (r *Receiver) Spans() []*wire.Span {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]*wire.Span(nil), r.spans...)
}

// Named returns the spans of a name.
func (r *Receiver) Named(name string) (found []*wire.Span) {
	for _, span := range r.Spans() {
		if span.GetName() == name {
			found = append(found, span)
		}
	}
	return found
}

// Resource is what the spans say of whoever made them.
func (r *Receiver) Resource() map[string]string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.resource
}

// Headers are those of each delivery, and Raw all that was delivered.
func (r *Receiver) Headers() []http.Header {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]http.Header(nil), r.headers...)
}

// Raw is everything that was delivered, as it was.
func (r *Receiver) Raw() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return string(r.bodies)
}

// Attributes reads text and whole numbers.
func Attributes(list []*common.KeyValue) map[string]string {
	values := map[string]string{}
	for _, a := range list {
		switch v := a.GetValue().GetValue().(type) {
		case *common.AnyValue_StringValue:
			values[a.GetKey()] = v.StringValue
		case *common.AnyValue_IntValue:
			values[a.GetKey()] = strconv.FormatInt(v.IntValue, 10)
		}
	}
	return values
}
