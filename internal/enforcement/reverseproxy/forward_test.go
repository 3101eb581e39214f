package reverseproxy_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/enforcement/reverseproxy"
	"github.com/gatehouse-iap/gatehouse/internal/upstream"
)

// deadlineWriter remembers the deadlines that were set last.
type deadlineWriter struct {
	*httptest.ResponseRecorder
	deadline, write time.Time
}

func (w *deadlineWriter) SetWriteDeadline(t time.Time) error {
	w.write = t
	return nil
}

func (w *deadlineWriter) SetReadDeadline(t time.Time) error {
	w.deadline = t
	return nil
}

func TestARequestThatIsForwardedHasNoDeadline(t *testing.T) {
	t.Parallel()
	soon := time.Now().Add(30 * time.Second)
	w := &deadlineWriter{httptest.NewRecorder(), soon, soon}
	app := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		if !w.deadline.IsZero() || !w.write.IsZero() {
			t.Error("the application was asked while the client's body or its answer had a deadline")
		}
	}))
	defer app.Close()
	target, err := url.Parse(app.URL)
	if err != nil {
		t.Fatal(err)
	}
	f := reverseproxy.Forwarder{Scheme: "http", Log: slog.New(slog.DiscardHandler), Failure: reverseproxy.FailureFunc(func(_ http.ResponseWriter, _ *http.Request, status int) {
		t.Errorf("the application was not reached: %d", status)
	})}
	config := upstream.Config{URL: app.URL}.Canonical()
	up := new(upstream.Pools).Keep(map[upstream.Config]struct{}{config: {}})[config]
	f.Forward(w, httptest.NewRequest("POST", "/", strings.NewReader("body")), up, target, reverseproxy.Identity{})
}
