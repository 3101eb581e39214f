package harness

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
)

// AssertionHeader carries the assertion to the application.
const AssertionHeader = "X-Goog-Iap-Jwt-Assertion"

// Seen is what an application behind the gate was sent.
type Seen struct {
	Method string
	Host   string
	Target string // as received, with query
	Header http.Header
}

// Echo starts an application that answers every request with what it saw of it, as JSON.
func Echo(t testing.TB) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(Seen{Method: r.Method, Host: r.Host, Target: r.RequestURI, Header: r.Header})
	}))
	t.Cleanup(server.Close)
	return server
}

// Seen reads the answer of an Echo.
func (a Answer) Seen(t testing.TB) Seen {
	t.Helper()
	if a.StatusCode != http.StatusOK {
		t.Fatalf("%s %s: status %d, not 200\n%s", a.Request.Method, a.Request.URL, a.StatusCode, a.Text)
	}
	var seen Seen
	if err := json.Unmarshal([]byte(a.Text), &seen); err != nil {
		t.Fatalf("this is not the echo application: %v\n%s", err, a.Text)
	}
	return seen
}
