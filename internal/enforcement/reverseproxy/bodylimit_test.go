package reverseproxy

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
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

// standing is the body of a client that has stopped: the server ends the request's context, and tells whoever reads
// after that.
type standing struct {
	ends   context.CancelFunc
	answer chan struct{}
}

func (s *standing) Read([]byte) (int, error) {
	s.ends()
	<-s.answer
	return 0, os.ErrDeadlineExceeded
}

func (s *standing) Close() error { return nil }

func TestAClientWhoseBodyStoodStillIsAnsweredWhoeverHearsOfItFirst(t *testing.T) {
	t.Parallel()
	app := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
	}))
	defer app.Close()
	config := upstream.Config{URL: app.URL}.Canonical()
	up := new(upstream.Pools).Keep(map[upstream.Config]struct{}{config: {}})[config]
	target, err := url.Parse(app.URL)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	stopped := &standing{cancel, make(chan struct{})}
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/", stopped)
	w := &timekeeper{ResponseWriter: httptest.NewRecorder()}
	body := &limitedBody{ReadCloser: stopped, request: r, control: http.NewResponseController(w), timeout: 1}
	r.Body = body
	status := 0
	f := Forwarder{
		Scheme: "http", Log: slog.New(slog.DiscardHandler), Body: body,
		Failure: FailureFunc(func(http.ResponseWriter, *http.Request, int) {
			status, _ = body.verdict()
			close(stopped.answer)
		}),
	}
	f.Forward(w, r, up, target, Identity{})
	if status != http.StatusRequestTimeout {
		t.Errorf("the client is told %d", status)
	}
}
