package signin

import (
	"net/http"

	"github.com/gatehouse-iap/gatehouse/internal/pages"
)

// SignedIn answers somebody who only wanted to be signed in, and is: on to where they asked to go, which enforcement
// has found to be an address of the application, or a page that can be closed.
func (s *SignIn) SignedIn(w http.ResponseWriter, r *http.Request, app, returnTo string) {
	if returnTo != "" {
		redirect(w, http.StatusFound, returnTo)
		return
	}
	s.Pages.Done(w, r, pages.Done{App: app})
}
