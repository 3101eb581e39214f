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

// deadlineWriter remembers the read deadline that was set last.
type deadlineWriter struct {
	*httptest.ResponseRecorder
	deadline time.Time
}

func (w *deadlineWriter) SetReadDeadline(t time.Time) error {
	w.deadline = t
	return nil
}

func TestARequestThatIsForwardedHasNoReadDeadline(t *testing.T) {
	t.Parallel()
	w := &deadlineWriter{httptest.NewRecorder(), time.Now().Add(30 * time.Second)}
	app := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		if !w.deadline.IsZero() {
			t.Error("the application was asked while the client's body had a deadline")
		}
	}))
	defer app.Close()
	target, err := url.Parse(app.URL)
	if err != nil {
		t.Fatal(err)
	}
	f := reverseproxy.Forwarder{Scheme: "http", Log: slog.New(slog.DiscardHandler), Failed: func(_ http.ResponseWriter, _ *http.Request, status int) {
		t.Errorf("the application was not reached: %d", status)
	}}
	up := &upstream.Upstream{Address: target.Host, Transport: &http.Transport{}}
	defer up.Transport.CloseIdleConnections()
	f.Forward(w, httptest.NewRequest("POST", "/", strings.NewReader("body")), up, target, reverseproxy.Identity{})
}
