package server

import (
	"net/http"
	"strings"

	"github.com/gatehouse-iap/gatehouse/internal/enforcement"
	"github.com/gatehouse-iap/gatehouse/internal/listener"
	"github.com/gatehouse-iap/gatehouse/internal/pages"
	"github.com/gatehouse-iap/gatehouse/internal/policy"
	"github.com/gatehouse-iap/gatehouse/internal/requestid"
)

// withLimits refuses requests whose header the listener does not take, before anything reads it. The pages' own style
// sheets are let through: the browser that is told to delete its cookies sends them there too.
func (s *Server) withLimits(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		why := listener.Oversized(r)
		if why == "" || why == listener.HeaderTooLarge && strings.HasPrefix(r.RequestURI, pages.StaticPrefix) {
			next.ServeHTTP(w, r)
			return
		}
		s.refuseOversized(w, r, why)
	})
}

// refuseOversized answers a request whose header is too much.
func (s *Server) refuseOversized(w http.ResponseWriter, r *http.Request, why listener.Refusal) {
	listener.CountRefused(r, why)
	status, reason := http.StatusRequestHeaderFieldsTooLarge, policy.HeaderTooLarge
	if why == listener.URLTooLong {
		status, reason = http.StatusRequestURITooLong, policy.URLTooLong
	}
	client, err := s.options.TrustedProxies.Client(r)
	if err != nil {
		client.Host = r.Host // the proxy's word cannot be used, and the request is refused anyway
	}
	apps, text := s.handler.apps, reason.Describe()
	verdict := apps.Point.Refuse(&enforcement.Request{
		Method: r.Method, Host: client.Host, Target: r.RequestURI, Header: r.Header, Peer: client.Addr,
	}, status, reason)
	w.Header().Set(requestid.Header, verdict.ID.String())
	apps.Pages.Error(w, r, pages.Error{
		Status: status, Title: text.Title, Text: text.Text, Reason: string(reason), ID: verdict.ID.String(),
	})
}
