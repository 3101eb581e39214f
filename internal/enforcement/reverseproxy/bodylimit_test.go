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
	"testing/synctest"
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

// standing is the body of a client that has stopped, and the server below it: when the deadline passes it ends the
// request's context, and tells whoever reads after that.
type standing struct {
	http.ResponseWriter
	ends   func()
	passed chan struct{}
}

func (s *standing) SetReadDeadline(time.Time) error {
	s.ends()
	return nil
}

func (s *standing) Read([]byte) (int, error) {
	<-s.passed
	return 0, os.ErrDeadlineExceeded
}

func (s *standing) Close() error { return nil }

func TestABodyMayStandStillForAllOfItsTimeHoweverLongTheAppTookForWhatCameBefore(t *testing.T) {
	t.Parallel()
	const timeout = time.Hour
	for _, pause := range []time.Duration{0, timeout / 2, 3 * timeout} {
		synctest.Test(t, func(t *testing.T) {
			stopped := &standing{passed: make(chan struct{})}
			stopped.ends = func() { close(stopped.passed) }
			r := httptest.NewRequest(http.MethodPost, "/", nil)
			b := &limitedBody{
				ReadCloser: io.NopCloser(io.MultiReader(strings.NewReader("some"), stopped)), request: r,
				control: http.NewResponseController(stopped), timeout: timeout,
			}
			space := make([]byte, 10)
			if n, err := b.Read(space); n != 4 || err != nil {
				t.Fatal(n, err)
			}
			time.Sleep(pause)
			if b.wasCut() {
				t.Errorf("an application that takes %s for what came has its client called too slow", pause)
			}
			began := time.Now()
			_, err := b.Read(space)
			if left := time.Since(began); left != timeout || err != errBodyTooSlow {
				t.Errorf("%s later, a body that stands still has %s, and %v", pause, left, err)
			}
		})
	}
}

func TestABodyIsNotEndedAfterItsRequest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stopped := &standing{passed: make(chan struct{}), ends: func() { t.Error("the connection, which is another request's by now, got a deadline") }}
		b := &limitedBody{ReadCloser: stopped, request: httptest.NewRequest(http.MethodPost, "/", nil), control: http.NewResponseController(stopped), timeout: time.Minute}
		go func() { _, _ = b.Read(nil) }()
		synctest.Wait()
		b.release()
		time.Sleep(time.Hour)
		close(stopped.passed)
	})
}

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
	stopped := &standing{ends: cancel, passed: make(chan struct{})}
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/", stopped)
	body := &limitedBody{ReadCloser: stopped, request: r, control: http.NewResponseController(stopped), timeout: time.Millisecond}
	r.Body = body
	status := 0
	f := Forwarder{
		Scheme: "http", Log: slog.New(slog.DiscardHandler), Body: body,
		Failure: FailureFunc(func(http.ResponseWriter, *http.Request, int) {
			status, _ = body.verdict()
			close(stopped.passed)
		}),
	}
	f.Forward(httptest.NewRecorder(), r, up, target, Identity{})
	if status != http.StatusRequestTimeout {
		t.Errorf("the client is told %d", status)
	}
}
