package reverseproxy

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/gatehouse-iap/gatehouse/internal/policy"
	"github.com/gatehouse-iap/gatehouse/internal/upstream"
)

// The server takes a deadline that has passed for the end of its client, and ends the context of the request.
func TestAClientWhoseBodyStoodStillIsAnswered(t *testing.T) {
	t.Parallel()
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	var log bytes.Buffer
	answered := false
	f := Forwarder{
		Log: slog.New(slog.NewTextHandler(&log, nil)), Body: &limitedBody{cut: policy.BodyTooSlow},
		Failed: func(http.ResponseWriter, *http.Request, int) { answered = true },
	}
	f.fail(httptest.NewRecorder(), httptest.NewRequestWithContext(gone, http.MethodPost, "/", nil), &upstream.Upstream{}, context.Canceled)
	if !answered || log.Len() > 0 {
		t.Errorf("answered: %v; the application is blamed: %s", answered, &log)
	}
}
