package server

import (
	"encoding/json"
	"maps"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/enforcement"
	"github.com/gatehouse-iap/gatehouse/internal/listener"
	"github.com/gatehouse-iap/gatehouse/internal/metrics"
	"github.com/gatehouse-iap/gatehouse/internal/pages"
)

// Health is the listener for load balancers and monitoring.
type Health struct {
	Listener net.Listener
	Metrics  *metrics.Metrics
	// Report adds to what /readyz tells; nil adds nothing. It never makes the server unready.
	Report func() map[string]any
}

func (s *Server) healthRoutes() []route {
	return []route{
		{"/healthz", "no detail; GET and HEAD", only(http.HandlerFunc(s.healthz))},
		{"/readyz", "no secrets: position, times, addresses, faults; GET and HEAD", only(http.HandlerFunc(s.readyz))},
		{"/metrics", "no secrets: counts, names of resources; GET and HEAD", only(s.options.Health.Metrics.Handler())},
	}
}

func (s *Server) healthMux() http.Handler {
	s.observe()
	mux := http.NewServeMux()
	for _, r := range s.healthRoutes() {
		mux.Handle(r.pattern, r.handler)
	}
	return mux
}

// only lets reading requests through.
func only(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "only GET and HEAD are answered here", http.StatusMethodNotAllowed)
			return
		}
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		next.ServeHTTP(w, r)
	})
}

// healthz says that the process answers; a restart would not make it better than /readyz says it is.
func (s *Server) healthz(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write([]byte("ok\n")) // the client may be gone
}

// The states of a server.
const (
	stateReady    = "ready"
	stateStale    = "stale"    // the store has not confirmed the policy for too long: everybody gets 503
	stateStopping = "stopping" // no new connections are taken
	// stateUnrecorded: nothing can be recorded, so nothing passes: everybody gets 503.
	stateUnrecorded = "unrecorded"
)

// state is that of the server, and how long ago the store confirmed its policy.
func (s *Server) state() (state string, confirmed time.Time, age time.Duration) {
	confirmed = s.holder.Confirmed()
	age = max(0, s.options.Now().Sub(confirmed))
	switch {
	case s.stopping.Load():
		return stateStopping, confirmed, age
	case age > enforcement.DefaultMaxStaleness:
		return stateStale, confirmed, age
	case s.unrecorded():
		return stateUnrecorded, confirmed, age
	}
	return stateReady, confirmed, age
}

// withHealth answers health checks of load balancers on a listener for clients: no detail, whatever the host. Requests
// are compared as they were received, so that no other spelling of the path is answered, or kept from an application.
func (s *Server) withHealth(path string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		target, _, _ := strings.Cut(r.RequestURI, "?")
		if target != path {
			next.ServeHTTP(w, r)
			return
		}
		pages.Headers(w.Header())
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			w.WriteHeader(http.StatusMethodNotAllowed)
			return
		}
		state, _, _ := s.state()
		if state != stateReady {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		if r.Method != http.MethodHead {
			_, _ = w.Write([]byte(state + "\n")) // the client may be gone
		}
	})
}

func (s *Server) readyz(w http.ResponseWriter, _ *http.Request) {
	state, confirmed, age := s.state()
	answer := map[string]any{}
	if s.options.Health.Report != nil {
		maps.Copy(answer, s.options.Health.Report())
	}
	answer["status"] = state
	answer["snapshot"] = map[string]any{
		"position": s.holder.Current().Position, "confirmed": confirmed.UTC().Format(time.RFC3339Nano), "ageSeconds": age.Seconds(),
	}
	answer["listeners"] = s.listenerStates()
	answer["upstreamProblems"] = s.upstreamProblems()
	answer["audit"] = s.recordsState()
	body, err := json.MarshalIndent(answer, "", "  ")
	if err != nil {
		http.Error(w, "the state cannot be written", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	if state != stateReady {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_, _ = w.Write(append(body, '\n')) // the client may be gone
}

// listenerState is one listener, as /readyz shows it.
type listenerState struct {
	Address         string `json:"address"`
	TLS             bool   `json:"tls"`
	RedirectToHTTPS bool   `json:"redirectToHTTPS,omitempty"`
	Inherited       bool   `json:"inherited,omitempty"` // the service manager opened it
}

func (s *Server) listenerStates() []listenerState {
	states := []listenerState{}
	for _, e := range s.endpoints() {
		state := listenerState{Address: e.Listener.Addr().String(), RedirectToHTTPS: e.ToHTTPS != nil && e.ToHTTPS.Load()}
		if own, ok := e.Listener.(*listener.Listener); ok {
			state.TLS, state.Inherited = own.TLS(), own.Inherited()
		}
		states = append(states, state)
	}
	return states
}
