package signin

import (
	"errors"
	"net/http"

	"github.com/gatehouse-iap/gatehouse/internal/identityprovider"
	"github.com/gatehouse-iap/gatehouse/internal/pages"
	"github.com/gatehouse-iap/gatehouse/internal/policy"
)

// failure is how one of the errors of providers is shown.
type failure struct {
	cause  error
	reason policy.Reason
	code   int
	status int
}

// failures lists them; the first that matches counts. What is in none of them is the store's.
func failures() []failure {
	return []failure{
		{ErrNoSecret, policy.ProviderMisconfigured, codeClientEmpty, http.StatusBadRequest},
		{ErrProviderSetup, policy.ProviderMisconfigured, codeClientMisconfigured, http.StatusBadRequest},
		{errNoProvider, policy.ProviderMisconfigured, codeClientMisconfigured, http.StatusBadRequest},
		{ErrProviderDown, policy.ProviderUnavailable, codeNotCompleted, http.StatusServiceUnavailable},
		{ErrProviderToken, policy.ProviderTokenInvalid, codeTokenInvalid, http.StatusBadRequest},
		{errUnproved, policy.SignInUnproved, 0, http.StatusForbidden},
		{errAddress, policy.AddressRefused, 0, http.StatusForbidden},
		{ErrDeclined, policy.SignInDeclined, codeNotCompleted, http.StatusForbidden},
		{ErrQuestions, policy.SignInDeclined, codeNotCompleted, http.StatusForbidden},
		{ErrProviderAnswer, policy.SignInRefused, codeNotCompleted, http.StatusBadRequest},
	}
}

// fail answers a sign-in that went wrong at or with a provider. The page says what people can do; the log says why.
func (s *SignIn) fail(w http.ResponseWriter, r *http.Request, a attempt, p identityprovider.Provider, cause error) {
	for _, f := range failures() {
		if !errors.Is(cause, f.cause) {
			continue
		}
		id := s.decided(r, f.status, f.reason, a.Resource)
		s.count(p.Name, string(f.reason))
		attributes := []any{"decision", id, "provider", p.Name, "issuer", p.Issuer(), "reason", f.reason, "cause", cause, "host", a.Host, "peer", s.clientAddr(r)}
		if f.reason == policy.ProviderMisconfigured && p.Kind == identityprovider.OIDC {
			attributes = append(attributes, "redirectURI", s.redirectURI(p))
		}
		s.Log.WarnContext(r.Context(), "sign-in at an identity provider failed", attributes...)
		text := f.reason.Describe()
		page := pages.Error{
			Status: f.status, Code: f.code, Title: text.Title, Text: text.Text, Reason: string(f.reason), ID: id,
			ActionURL: s.origin(a.Host, a.Target), ActionLabel: "Start again",
		}
		switch {
		case f.code == codeClientEmpty:
			page.Text += " The secret by which the gate proves itself there is empty or cannot be read."
		case f.code == codeClientMisconfigured && p.Kind == identityprovider.OIDC:
			page.Text += " It needs to have this redirect URI registered: " + s.redirectURI(p)
		}
		if f.status == http.StatusServiceUnavailable {
			w.Header().Set("Retry-After", "30")
		}
		s.Pages.Error(w, r, page)
		return
	}
	s.unavailable(w, r, cause)
}
