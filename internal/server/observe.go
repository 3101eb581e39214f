package server

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/enforcement/reverseproxy"
	"github.com/gatehouse-iap/gatehouse/internal/metrics"
	"github.com/gatehouse-iap/gatehouse/internal/requestid"
)

// metrics are those of the listener for monitoring; nil without one.
func (s *Server) metrics() *metrics.Metrics {
	if s.options.Health == nil {
		return nil
	}
	return s.options.Health.Metrics
}

// observe tells the metrics where to read the state of the server.
func (s *Server) observe() {
	s.metrics().Observe(metrics.Sources{
		Ready:    func() bool { state, _, _ := s.state(); return state == stateReady },
		Position: func() int64 { return s.holder.Current().Position }, Confirmed: s.holder.Confirmed,
		Sessions: s.sessions.Len, Log: s.decisions.Counts, Assertions: s.asserter.Counts, Keys: s.signingKeys,
		Exchanges: s.exchangeCounts, Upstreams: s.upstreamAddresses,
		LogFails: func() bool { return s.decisions.Failing() != nil }, Lines: s.linesOf, Traces: s.options.Tracer.Counts, Now: s.options.Now,
	})
}

// exchangeCounts says in the words of the metrics what lasts, and what the gate has ended.
func (s *Server) exchangeCounts() []metrics.ExchangeCount {
	var counts []metrics.ExchangeCount
	for _, of := range s.exchanges.Counts() {
		ended := map[string]uint64{}
		for reason, n := range of.Ended {
			ended[string(reason)] = n
		}
		counts = append(counts, metrics.ExchangeCount{Kind: of.Kind.String(), Open: of.Open, Ended: ended})
	}
	return counts
}

// upstreamAddresses says in the words of the metrics how the addresses of applications are.
func (s *Server) upstreamAddresses() []metrics.UpstreamAddress {
	var addresses []metrics.UpstreamAddress
	for _, a := range s.upstreamStates() {
		addresses = append(addresses, metrics.UpstreamAddress{
			Resource: string(a.Resource), Address: a.Address,
			Known:   a.HealthState == "HEALTHY" || a.HealthState == "UNHEALTHY" || a.Problem != "",
			Healthy: a.HealthState != "UNHEALTHY" && a.Problem == "", Open: a.Circuit == "open", InFlight: a.InFlight,
		})
	}
	return addresses
}

func (s *Server) signingKeys() []metrics.SigningKey {
	var keys []metrics.SigningKey
	for purpose, since := range s.keys().SigningSince(s.options.Now()) {
		keys = append(keys, metrics.SigningKey{Purpose: string(purpose), From: since})
	}
	slices.SortFunc(keys, func(a, b metrics.SigningKey) int { return cmp.Compare(a.Purpose, b.Purpose) })
	return keys
}

// observeStore has the transactions of the store counted and traced.
func (s *Server) observeStore() {
	counts, tracer := s.metrics(), s.options.Tracer
	if counts == nil && tracer == nil {
		return
	}
	s.store.Observe = func(ctx context.Context, operation string) func(bool) {
		began, traced := time.Now(), tracer.Store(ctx, operation)
		return func(failed bool) {
			traced(failed)
			if counts != nil {
				counts.Stored(operation, time.Since(began), failed)
			}
		}
	}
}

// serveOwn answers a request for the gate itself, under an id that the log and the answer share, and a refusal if
// there is one.
func (h *hosts) serveOwn(w http.ResponseWriter, in reverseproxy.Incoming) {
	called := requestid.ID{Decision: h.newID()}
	if in.Client.Trusted {
		called.Text = requestid.Given(in.Header)
	}
	called.Text = cmp.Or(called.Text, called.Decision.String())
	trace := h.apps.Tracer.Request(in.Request, in.Client.Trusted)
	defer trace.End()
	called.Trace = trace.ID()
	w.Header()[requestid.Header] = []string{called.Text}
	h.authHandler.ServeHTTP(w, in.WithContext(requestid.NewContext(trace.Context(in.Context()), called)))
}
