package signin

import (
	"errors"
	"net/http"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/identityprovider"
	"github.com/gatehouse-iap/gatehouse/internal/pages"
	"github.com/gatehouse-iap/gatehouse/internal/session"
)

// errUnproved reports a sign-in that is not what the application demands: too old, in a weaker way, or by a provider
// that does not say when or how.
var errUnproved = errors.New("the sign-in does not prove what the application demands")

// demand is what the application of an attempt asks to be proved.
func (a attempt) demand() session.Demand {
	return session.Demand{MaxAge: time.Duration(a.MaxAge) * time.Second, Factor: a.Factor}
}

// proveAgain asks somebody who is signed in to prove once more who they are, where they did the first time.
func (s *SignIn) proveAgain(w http.ResponseWriter, r *http.Request, a attempt, present session.Record) {
	p, found := s.providers().Provider(present.Identity.Provider)
	if found && !p.Disabled && p.Kind == identityprovider.OIDC {
		s.leave(w, r, a, p, present.Identity.Email, promptLogin)
		return
	}
	s.ask(w, r, a, pages.SignIn{Email: present.Identity.Email, Again: true})
}

// demandOf puts what an attempt demands into a departure's words.
func (d *Departure) demandOf(a attempt) {
	demand := a.demand()
	if demand.IsZero() {
		return
	}
	d.MaxAge, d.Factor = demand.MaxAge, demand.Factor
}
