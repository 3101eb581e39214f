package signin

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/identityprovider"
	"github.com/gatehouse-iap/gatehouse/internal/pages"
	"github.com/gatehouse-iap/gatehouse/internal/session"
)

// LoggedOut is what a logout token says (OpenID Connect Back-Channel Logout 1.0).
type LoggedOut struct {
	ID      string    // the token's own, by which it is used once
	Expires time.Time // from when the token would be refused for its age
	// Whose sessions end: those of a person, or of one session at the provider. At least one is set.
	Subject, Session string
}

const (
	signedOutPath = "/signed-out"
	logoutSuffix  = ":backchannelLogout"
	maxLogoutForm = 128 << 10
)

// BackchannelLogoutURI is where a provider whose client id is given reports that somebody has signed out there.
func BackchannelLogoutURI(external External, authHost, clientID string) string {
	return strings.TrimSuffix(RedirectURI(external, authHost, clientID), callbackSuffix) + logoutSuffix
}

// PostLogoutRedirectURI is where a provider sends people after signing out there.
func PostLogoutRedirectURI(external External, authHost string) string {
	return external.URL(authHost) + signedOutPath
}

// logout takes a logout token from a provider. Nobody's browser is involved: what counts is the token.
func (s *SignIn) logout(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	p, found := s.providerAt(r, logoutSuffix)
	if !found {
		s.refuseLogout(w, r, p, errors.New("no provider has this address"))
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxLogoutForm)
	if err := r.ParseForm(); err != nil || len(r.PostForm["logout_token"]) != 1 {
		s.refuseLogout(w, r, p, errors.New("the form has no logout_token, or more than one"))
		return
	}
	said, err := s.Redirecting.LogoutToken(r.Context(), p, r.PostForm.Get("logout_token"))
	if err != nil {
		s.refuseLogout(w, r, p, err)
		return
	}
	ended, err := s.endLoggedOut(r, p, said)
	switch {
	case errors.Is(err, ErrReplayed):
		s.refuseLogout(w, r, p, err)
	case err != nil:
		s.unavailable(w, r, err)
	default:
		s.Sessions.End(ended...)
		s.Log.InfoContext(r.Context(), "the identity provider signed somebody out", "provider", p.Name, "sessions", len(ended))
		pages.Headers(w.Header())
		w.WriteHeader(http.StatusOK)
	}
}

// endLoggedOut ends the sessions that a logout token is about, and uses it up.
func (s *SignIn) endLoggedOut(r *http.Request, p identityprovider.Provider, said LoggedOut) (ended []session.ID, err error) {
	ctx := r.Context()
	id := sha256.Sum256([]byte(p.Issuer() + "\x00" + said.ID))
	filters := []session.Filter{{Provider: p.Name, ProviderSubject: said.Subject, ProviderSession: said.Session}}
	err = s.Transactor.SignIn(ctx, func(tx Tx) error {
		ended = nil
		if err := tx.Rechecks().UseLogoutToken(ctx, hex.EncodeToString(id[:]), said.Expires, s.Now()); err != nil {
			return err
		}
		if said.Subject != "" && said.Session != "" {
			// Sessions of the person that the provider gave no name to cannot be told apart: they end as well.
			records, err := tx.Sessions().Sessions(ctx, session.Filter{Provider: p.Name, ProviderSubject: said.Subject})
			if err != nil {
				return err
			}
			for _, record := range records {
				if record.Parent.IsZero() && record.AtProvider.Session == "" {
					filters = append(filters, session.Filter{ID: record.ID})
				}
			}
		}
		for _, filter := range filters {
			ids, err := tx.Sessions().EndSessions(ctx, filter)
			if err != nil {
				return err
			}
			ended = append(ended, ids...)
		}
		return nil
	})
	return ended, err
}

// providerAt returns the provider whose client id is in the path of a request.
func (s *SignIn) providerAt(r *http.Request, suffix string) (identityprovider.Provider, bool) {
	for _, p := range s.providers().Enabled() {
		if p.Kind != identityprovider.OIDC {
			continue
		}
		own := strings.TrimSuffix(s.redirectURI(p), callbackSuffix) + suffix
		if r.URL.EscapedPath() == strings.TrimPrefix(own, s.External.URL(s.AuthHost)) {
			return p, true
		}
	}
	return identityprovider.Provider{}, false
}

// refuseLogout answers as the specification says: the body is for the provider's log, the cause for ours.
func (s *SignIn) refuseLogout(w http.ResponseWriter, r *http.Request, p identityprovider.Provider, cause error) {
	s.Log.WarnContext(r.Context(), "logout token refused", "provider", p.Name, "cause", cause, "peer", s.clientAddr(r))
	pages.Headers(w.Header())
	status, code := http.StatusBadRequest, "invalid_request"
	if errors.Is(cause, ErrProviderDown) {
		status, code = http.StatusServiceUnavailable, "temporarily_unavailable"
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	fmt.Fprintf(w, "{\"error\":%q}\n", code) // the provider may be gone; there is nobody to tell
}
