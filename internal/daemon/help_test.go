package daemon

import (
	"context"
	"log/slog"
	"testing"
)

var discard = slog.New(slog.DiscardHandler)

func contextOf(t *testing.T) (context.Context, context.CancelFunc) {
	return context.WithCancel(t.Context())
}
