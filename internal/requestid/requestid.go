// Package requestid owns X-Request-Id: what a trusted proxy may say in it, what the gate says where none does, and
// how the log comes by it. It is a name for people who compare logs; nothing is decided by it.
package requestid

import (
	"context"
	"log/slog"
	"net/http"
	"strings"

	"github.com/gatehouse-iap/gatehouse/internal/audit"
)

// Header is where the id stands, toward us, toward applications and in answers.
const Header = "X-Request-Id"

// maxLength bounds an id that a proxy gives. UUIDs have 36 characters, Envoy's the same, AWS's trace ids about 70.
const maxLength = 128

// Given returns the id that a trusted proxy gave; empty where it gave none, several, or one that is longer or of other
// characters than ids have. It goes into logs, headers and records as it is: nothing in it needs escaping there.
func Given(h http.Header) string {
	values := h[Header]
	if len(values) != 1 || len(values[0]) == 0 || len(values[0]) > maxLength {
		return ""
	}
	for i := range len(values[0]) {
		if !allowed(values[0][i]) {
			return ""
		}
	}
	return strings.Clone(values[0]) // records keep it, and nothing that stands beside it
}

func allowed(c byte) bool {
	switch {
	case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
		return true
	}
	switch c {
	case '-', '_', '.', ':', '=', '/', '+', '@', '~':
		return true
	}
	return false
}

// ID is what a request is called.
type ID struct {
	// Text is the id in headers and logs.
	Text string
	// Decision is the id for the one decision that the request may yet lead to; zero where it has led to one. It is
	// Text's, unless a trusted proxy gave Text: then people are shown one id and not two.
	Decision audit.DecisionID
	// Trace is the trace that the request belongs to, for the log; empty without one.
	Trace string
}

type key struct{}

// NewContext puts an id into the context of a request that is not passed on: requests on their way to an application
// have none there.
func NewContext(ctx context.Context, id ID) context.Context { return context.WithValue(ctx, key{}, id) }

// FromContext returns the id of a request; the zero one where there is none.
func FromContext(ctx context.Context) ID {
	id, _ := ctx.Value(key{}).(ID)
	return id
}

// LogHandler adds the id of the request to lines that are about one.
func LogHandler(next slog.Handler) slog.Handler { return logHandler{next} }

type logHandler struct{ slog.Handler }

func (h logHandler) Handle(ctx context.Context, record slog.Record) error {
	if id := FromContext(ctx); id.Text != "" {
		record = record.Clone()
		record.AddAttrs(slog.String("request", id.Text))
		if id.Trace != "" {
			record.AddAttrs(slog.String("trace", id.Trace))
		}
	}
	return h.Handler.Handle(ctx, record)
}

func (h logHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return logHandler{h.Handler.WithAttrs(attrs)}
}

func (h logHandler) WithGroup(name string) slog.Handler { return logHandler{h.Handler.WithGroup(name)} }
