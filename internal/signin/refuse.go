package signin

import (
	"net"
	"net/http"
	"strings"

	"github.com/gatehouse-iap/gatehouse/internal/audit"
	"github.com/gatehouse-iap/gatehouse/internal/pages"
	"github.com/gatehouse-iap/gatehouse/internal/policy"
	"github.com/gatehouse-iap/gatehouse/internal/requestid"
	"github.com/gatehouse-iap/gatehouse/internal/resource"
)

// The error codes of IAP's pages that sign-in uses.
const (
	codeClientEmpty         = 7
	codeNotCompleted        = 9
	codeClientMisconfigured = 11
	codeTokenInvalid        = 13
)

// refuse answers a step of sign-in that cannot be taken, toward a resource if that is known. again is where to start
// anew; empty where unknown. The page does not say what failed; the log does.
func (s *SignIn) refuse(w http.ResponseWriter, r *http.Request, name resource.Name, again string, cause error) {
	id := s.decided(r, http.StatusBadRequest, policy.SignInRefused, name)
	s.Log.InfoContext(r.Context(), "sign-in step refused", "decision", id, "cause", cause, "host", r.Host, "path", r.URL.Path, "peer", s.clientAddr(r))
	text := policy.SignInRefused.Describe()
	s.Pages.Error(w, r, pages.Error{
		Status: http.StatusBadRequest, Code: codeNotCompleted, Title: text.Title, Text: text.Text, ID: id,
		Reason: string(policy.SignInRefused), ActionURL: again, ActionLabel: "Start again",
	})
}

// decided notes a refusal and returns the id by which an administrator looks it up. Nobody has been recognised.
func (s *SignIn) decided(r *http.Request, status int, reason policy.Reason, name resource.Name) string {
	now := s.Now()
	path, _, _ := strings.Cut(r.RequestURI, "?")
	called := requestid.FromContext(r.Context())
	id := called.Decision
	if id == (audit.DecisionID{}) {
		id = audit.NewDecisionID(now, s.Replica)
	}
	if called.Text == id.String() {
		called.Text = "" // said already
	}
	d := audit.Decision{
		ID: id, RequestID: called.Text, Time: now, Reason: reason, Status: status, Method: r.Method,
		Host: hostname(r.Host), Path: path, Peer: s.clientAddr(r), Resource: name,
	}
	if s.Record != nil {
		s.Record(&d)
	}
	return d.ID.String()
}

// hostname is a host as received, without its port.
func hostname(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		return name
	}
	return host
}

// unavailable answers when the store fails. Nothing was changed.
func (s *SignIn) unavailable(w http.ResponseWriter, r *http.Request, cause error) {
	id := s.decided(r, http.StatusServiceUnavailable, policy.StoreFailed, "")
	s.Log.ErrorContext(r.Context(), "sign-in cannot reach the store", "decision", id, "error", cause, "host", r.Host, "path", r.URL.Path)
	text := policy.StoreFailed.Describe()
	w.Header().Set("Retry-After", "5")
	s.Pages.Error(w, r, pages.Error{
		Status: http.StatusServiceUnavailable, Title: text.Title, Text: text.Text, Reason: string(policy.StoreFailed), ID: id,
	})
}
