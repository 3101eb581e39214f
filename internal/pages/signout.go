package pages

import (
	"net/http"
	"time"
)

// SignOut is the page that asks whether to sign out of all applications. Its form posts "return" to /signout.
type SignOut struct {
	Email    string // who is signed in; empty for nobody
	Apps     int    // applications that this sign-in has opened
	Provider string // where signing out goes on to; empty for nowhere
	App      string // the application that the person came from; empty when unknown
	BackURL  string // leads back to it
	Return   string // carried through the form unread
}

// SignOut writes the page.
func (p *Renderer) SignOut(w http.ResponseWriter, r *http.Request, data SignOut) {
	data.BackURL = safeLink(data.BackURL)
	p.page(w, r, http.StatusOK, "signout", data)
}

// RefreshEvery is how often the session refresher signs in again: IAP's 45 minutes, less than a session may idle.
const RefreshEvery = 45 * time.Minute

// lookAgainEvery is how often a refresher whose person has to sign in looks whether they have.
const lookAgainEvery = time.Minute

// Refresher is the page that keeps a session alive while it is open, in a tab or in a frame of the application's own
// pages.
type Refresher struct {
	App          string
	Email        string // who is signed in
	SignInNeeded bool   // the session has ended, and a frame is no place to sign in
	SelfURL      string // paths on this host: the page itself, and the way through sign-in
	RefreshURL   string
}

// Refresher writes the page. It leaves by itself after some time, by a header, so that it needs no script.
func (p *Renderer) Refresher(w http.ResponseWriter, r *http.Request, data Refresher) {
	status, next, after := http.StatusOK, &data.RefreshURL, RefreshEvery
	if data.SignInNeeded {
		status, next, after = http.StatusUnauthorized, &data.SelfURL, lookAgainEvery
	}
	for _, link := range []*string{&data.SelfURL, &data.RefreshURL} {
		*link = safeLink(*link)
	}
	if *next != "" {
		w.Header().Set("Refresh", refreshHeader(after, *next))
	}
	p.framedPage(w, r, status, "refresher", data)
}
