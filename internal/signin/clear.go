package signin

import (
	"errors"
	"net/http"

	"github.com/gatehouse-iap/gatehouse/internal/session"
)

// Clear signs a browser out of one application: it ends the session there, takes our cookies away and goes on to the
// same address without the parameter. The sign-in that follows asks which account to use. It serves requests
// with specialurl.ClearLoginCookie.
//
// A link on any site can lead here, as with IAP: the worst it does is make somebody sign in again.
func (s *SignIn) Clear(w http.ResponseWriter, r *http.Request, app App) {
	kept := app.cookie()
	present, err := s.Sessions.Authenticate(r.Context(), r.Header["Cookie"], kept.Scope(app.Host), kept.Name, app.Resource)
	if err == nil {
		err = s.end(r, present.ID)
	}
	if err != nil && !errors.Is(err, session.ErrNone) && !errors.Is(err, session.ErrInvalid) && !errors.Is(err, session.ErrEnded) {
		s.unavailable(w, r, err) // with the cookies, so that trying again can end the session
		return
	}
	clearCookieOf(w, kept.Name, kept.Domain)
	clearCookieOf(w, uidCookie, kept.Domain)
	if kept.Domain != "" { // from before the cookies had a domain
		clearCookie(w, session.HostCookie(app.Resource).Name)
		clearCookie(w, uidCookie)
	}
	clearAttempt(w, app)
	clearCookie(w, roundsCookie)
	setCookie(w, chooseCookie, "1", s.Now(), attemptLifetime)
	redirect(w, http.StatusFound, s.stripped(r, app))
}

// end ends a session and its children, in the store and in memory.
func (s *SignIn) end(r *http.Request, id session.ID) error {
	var ended []session.ID
	err := s.Transactor.SignIn(r.Context(), func(tx Tx) (err error) {
		ended, err = tx.Sessions().EndSessions(r.Context(), session.Filter{ID: id})
		return err
	})
	if err != nil {
		return err
	}
	s.Sessions.End(append(ended, id)...)
	return nil
}
