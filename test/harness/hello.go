package harness

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/gatehouse-iap/gatehouse/assertion"
	"github.com/gatehouse-iap/gatehouse/internal/hello"
)

// Hello is the sample application: it greets whom a verified assertion names, and nobody else.
type Hello struct {
	URL     string
	handler atomic.Pointer[http.Handler]
}

// StartHello starts the application. It answers once it knows whom to trust.
func StartHello(t testing.TB) *Hello {
	t.Helper()
	h := &Hello{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if handler := h.handler.Load(); handler != nil {
			(*handler).ServeHTTP(w, r)
			return
		}
		http.Error(w, "the application has not been told whom to trust", http.StatusInternalServerError)
	}))
	t.Cleanup(server.Close)
	h.URL = server.URL
	return h
}

// Trust has the application verify assertions for an audience with the keys that a gate publishes.
func (h *Hello) Trust(t testing.TB, auth, audience string) {
	t.Helper()
	keys, err := assertion.NewRemoteKeySet(assertion.RemoteConfig{URL: auth + "/iap/verify/public_key-jwk", Client: Client(nil), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := assertion.NewVerifier(assertion.Config{Audiences: []string{audience}, Keys: keys})
	if err != nil {
		t.Fatal(err)
	}
	handler, err := hello.New(hello.Options{Verifier: verifier, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	h.handler.Store(&handler)
}
