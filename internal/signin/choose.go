package signin

import (
	"errors"
	"net/http"
	"net/url"

	"github.com/gatehouse-iap/gatehouse/internal/identityprovider"
	"github.com/gatehouse-iap/gatehouse/internal/pages"
	"github.com/gatehouse-iap/gatehouse/internal/principal"
)

// addressPath answers the page that asks whose provider to go to.
const addressPath = "/signin/address"

var errNoProvider = errors.New("no identity provider is switched on")

// start begins a sign-in for an attempt: at the one provider that there is, else at that of the address which the
// person gives. prompt is what to ask of the provider; hint an address, if one is known.
func (s *SignIn) start(w http.ResponseWriter, r *http.Request, a attempt, hint, prompt string) {
	view := s.providers()
	enabled := view.Enabled()
	switch {
	case len(enabled) == 0:
		s.fail(w, r, a, identityprovider.Provider{Name: "none"}, errNoProvider)
	case len(enabled) == 1:
		s.startAt(w, r, a, enabled[0], hint, prompt)
	default:
		s.askAddress(w, r, a, pages.Address{Email: hint, Prompt: prompt})
	}
}

// startAt begins a sign-in at one provider.
func (s *SignIn) startAt(w http.ResponseWriter, r *http.Request, a attempt, p identityprovider.Provider, hint, prompt string) {
	if p.Kind != identityprovider.OIDC {
		s.ask(w, r, a, pages.SignIn{Email: hint})
		return
	}
	s.leave(w, r, a, p, hint, prompt)
}

// askAddress shows the page that asks for an address, by whose domain the provider is found.
func (s *SignIn) askAddress(w http.ResponseWriter, r *http.Request, a attempt, page pages.Address) {
	state, err := s.seal(a)
	if err != nil {
		s.unavailable(w, r, err)
		return
	}
	page.App, page.Host, page.State = a.App, a.Host, state
	s.Pages.Address(w, r, page)
}

// address answers the form of askAddress. Which domains there are providers for is no secret; whether there is such a
// person is, and is not said.
func (s *SignIn) address(w http.ResponseWriter, r *http.Request) {
	a, ok := s.form(w, r)
	if !ok {
		return
	}
	page := pages.Address{Email: r.PostForm.Get("email"), Prompt: knownPrompt(r.PostForm.Get("prompt")), Status: http.StatusBadRequest}
	email, err := principal.ParseAddress(page.Email)
	if err != nil {
		page.Problem = "This is not an e-mail address that can be used here. Check it and try again."
		s.askAddress(w, r, a, page)
		return
	}
	p, found := s.providers().Authority(principal.Domain(email))
	if !found || p.Disabled {
		page.Problem = "Nobody signs in here with an address at " + principal.Domain(email) + ". Use the address of your organisation."
		s.askAddress(w, r, a, page)
		return
	}
	s.startAt(w, r, a, p, email, page.Prompt)
}

// knownPrompt lets through what we put into our own pages.
func knownPrompt(s string) string {
	if s == promptChoose {
		return s
	}
	return ""
}

// otherURL leads from the chooser to the sign-in of somebody else.
func otherURL(state string) string {
	return authorizePath + "?" + url.Values{"prompt": {promptLogin}, "state": {state}}.Encode()
}
