package signin

import (
	"errors"
	"net/http"

	"github.com/gatehouse-iap/gatehouse/internal/identityprovider"
	"github.com/gatehouse-iap/gatehouse/internal/session"
)

// askAgain takes a browser by its identity provider without asking the person anything: there is no refresh token, so
// only so can it be known whether they are still signed in there.
func (s *SignIn) askAgain(w http.ResponseWriter, r *http.Request, a attempt, present session.Record) {
	p, found := s.providers().Provider(present.Identity.Provider)
	if !found || p.Kind != identityprovider.OIDC {
		s.start(w, r, a, present.Identity.Email, "")
		return
	}
	s.leave(w, r, a, p, present.Identity.Email, promptNone)
}

// confirmQuietly goes on with the session of somebody whom the provider has just confirmed. It reports false when the
// answer is about somebody else, or about nobody who is signed in here: then it is a sign-in like any other.
func (s *SignIn) confirmQuietly(w http.ResponseWriter, r *http.Request, a attempt, p identityprovider.Provider, v Vouched) bool {
	present, signedIn, err := s.present(r)
	if err != nil {
		s.unavailable(w, r, err)
		return true
	}
	if !signedIn || present.Identity.Provider != p.Name || present.AtProvider.Subject != v.Subject || s.sameAgain(p, present, v) != nil {
		return false
	}
	now := s.Now()
	err = s.confirmed(r.Context(), present, v, Confirmation{
		Groups: p.GroupAddresses(v.Groups), Attributes: v.Attributes, Checked: checked(v, now), AskAfter: now.Add(session.ConfirmEvery), Silent: !v.Refreshable,
	})
	switch {
	case errors.Is(err, session.ErrNotFound):
		return false
	case err != nil && !errors.Is(err, ErrNewer):
		s.unavailable(w, r, err)
	default:
		s.handOff(w, r, a, present)
	}
	return true
}

// quietFailure answers when a provider could not confirm somebody without asking them. A provider that is down ends no
// session; otherwise the person is asked.
func (s *SignIn) quietFailure(w http.ResponseWriter, r *http.Request, a attempt, p identityprovider.Provider, cause error) {
	present, signedIn, err := s.present(r)
	if err != nil {
		s.unavailable(w, r, err)
		return
	}
	s.Log.InfoContext(r.Context(), "the identity provider did not confirm a session without asking", "provider", p.Name, "cause", cause)
	if !signedIn || !errors.Is(cause, ErrProviderDown) {
		s.leave(w, r, a, p, present.Identity.Email, "")
		return
	}
	var family []session.ID
	err = s.Transactor.SignIn(r.Context(), func(tx Tx) (err error) {
		family, err = tx.Rechecks().PostponeRecheck(r.Context(), present.ID, s.Now().Add(recheckLease))
		return err
	})
	if err != nil {
		s.unavailable(w, r, err)
		return
	}
	s.Sessions.Forget(family...)
	s.handOff(w, r, a, present)
}
