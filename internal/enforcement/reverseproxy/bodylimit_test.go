package reverseproxy

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

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
		Failure: FailureFunc(func(http.ResponseWriter, *http.Request, int) { answered = true }),
	}
	f.fail(httptest.NewRecorder(), httptest.NewRequestWithContext(gone, http.MethodPost, "/", nil), &upstream.Upstream{}, context.Canceled)
	if !answered || log.Len() > 0 {
		t.Errorf("answered: %v; the application is blamed: %s", answered, &log)
	}
}

func TestABodyMayStandStillForAllOfItsTimeWheneverItBegins(t *testing.T) {
	t.Parallel()
	const timeout = time.Hour
	connection := &timekeeper{}
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader("body"))
	b := &limitedBody{ReadCloser: r.Body, request: r, control: http.NewResponseController(connection), timeout: timeout}
	for _, ago := range []time.Duration{0, timeout / 5, timeout / 2} {
		b.arm()
		b.armed, connection.reading = b.armed.Add(-ago), connection.reading.Add(-ago)
		began := time.Now()
		b.arm()
		if left := connection.reading.Sub(began); left < timeout {
			t.Errorf("%s after the deadline was set, a body that stands still has %s", ago, left)
		}
	}
}
