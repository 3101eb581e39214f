package pages

import (
	"net/http"
	"strconv"
	"time"
)

// SignIn is the page that asks for address and password. Its form posts "email", "password" and "state" to
// /signin; each button of Quick posts "account" and "state" to /signin/account.
type SignIn struct {
	App     string   // the application the person is going to; empty when it is the auth host itself
	Host    string   // the application's host, so that people see where they will arrive
	State   string   // carried through the form unread
	Email   string   // what was typed before, or a hint
	Again   bool     // the person is signed in, and proves it once more
	Problem string   // why the last attempt failed; a sentence
	Quick   []string // accounts that sign in by one click; development only
	Status  int      // 200 when zero
	// FormTargets are origins to which the answer to the form may redirect. An answer that uses Continue
	// needs none.
	FormTargets []string
}

// SignIn writes the sign-in page.
func (p *Renderer) SignIn(w http.ResponseWriter, r *http.Request, data SignIn) {
	p.page(w, r, statusOr(data.Status, http.StatusOK), "signin", data, data.FormTargets...)
}

// Chooser is the page that asks somebody who is signed in which account to go on with. The buttons post
// "account" and "state" to /signin/account.
type Chooser struct {
	App         string // as in SignIn
	Host        string
	State       string
	Email       string   // who is signed in
	Quick       []string // as in SignIn; Email is not offered twice
	SignOutURL  string   // leads to the page that signs out of all applications; without it that is not offered
	OtherURL    string   // leads to the sign-in form; without it "Use another account" is not offered
	Status      int      // 200 when zero
	FormTargets []string // as in SignIn
}

// Chooser writes the account chooser.
func (p *Renderer) Chooser(w http.ResponseWriter, r *http.Request, data Chooser) {
	others := make([]string, 0, len(data.Quick))
	for _, email := range data.Quick {
		if email != data.Email {
			others = append(others, email)
		}
	}
	data.Quick, data.OtherURL, data.SignOutURL = others, safeLink(data.OtherURL), safeLink(data.SignOutURL)
	p.page(w, r, statusOr(data.Status, http.StatusOK), "chooser", data, data.FormTargets...)
}

// Continue is the page that sends a browser on after a form without being a redirect. A redirect stays part of
// the form's submission in Chromium, which then holds everything that follows, the application's own redirects
// included, against form-action and stops where a host is not listed. This page ends the submission.
type Continue struct {
	App string // the application the person is going to
	URL string // where to go: an http or https URL, or a path
}

// Continue writes the page, which is left at once: by our script, which takes the fragment of the address along, or
// without scripts by the page itself. A URL that is not one to go to gets an error page.
func (p *Renderer) Continue(w http.ResponseWriter, r *http.Request, data Continue) {
	if data.URL = safeLink(data.URL); data.URL == "" {
		p.Error(w, r, Error{Title: "Sign-in was not completed", Text: "There is no valid address to continue to. Start again from the application."})
		return
	}
	p.page(w, r, http.StatusOK, "continue", data)
}

// Done is the page of a window that was opened to sign in, and has served.
type Done struct {
	App string // the application
}

// Done writes the page that says that one is signed in and can go back.
func (p *Renderer) Done(w http.ResponseWriter, r *http.Request, data Done) {
	p.page(w, r, http.StatusOK, "done", data)
}

// refreshHeader sends a browser on after a time. The address must be one that safeLink lets through.
func refreshHeader(after time.Duration, address string) string {
	return strconv.Itoa(int(after/time.Second)) + "; url=" + address
}

// Address is the page that asks for an address, by whose domain the way to sign in is found. Its form posts "email",
// "prompt" and "state" to /signin/address.
type Address struct {
	App     string // as in SignIn
	Host    string
	State   string
	Prompt  string // carried through the form unread
	Email   string // what was typed before, or a hint
	Problem string // why the last attempt failed; a sentence
	Status  int    // 200 when zero
}

// Address writes the page that asks for an address.
func (p *Renderer) Address(w http.ResponseWriter, r *http.Request, data Address) {
	p.page(w, r, statusOr(data.Status, http.StatusOK), "address", data)
}

// Depart is the page that sends a browser to an identity provider after a form; see Continue.
type Depart struct {
	Provider string // what people call it
	URL      string // at the provider
	SignOut  bool   // to sign out there, not in
}

// Depart writes the page and the Refresh header that leaves it at once.
func (p *Renderer) Depart(w http.ResponseWriter, r *http.Request, data Depart) {
	if data.URL = safeLink(data.URL); data.URL == "" {
		p.Error(w, r, Error{Title: "Sign-in was not completed", Text: "The identity provider has no valid address. Tell an administrator."})
		return
	}
	w.Header().Set("Refresh", refreshHeader(0, data.URL))
	p.page(w, r, http.StatusOK, "depart", data)
}

// Account is the auth host's own page: who is signed in there. Its button posts to /signout.
type Account struct {
	SignedIn  bool
	Email     string
	Apps      int    // applications that this sign-in has opened
	Programs  int    // programs that hold a refresh token by it
	Notice    string // what has just happened, such as "You have signed out."; a sentence
	BackURL   string // leads back to App, where the person came from
	App       string
	SignInURL string // leads to the sign-in form; offered to those who are not signed in
}

// Account writes the auth host's page.
func (p *Renderer) Account(w http.ResponseWriter, r *http.Request, data Account) {
	data.SignInURL, data.BackURL = safeLink(data.SignInURL), safeLink(data.BackURL)
	p.page(w, r, http.StatusOK, "account", data)
}

func statusOr(status, otherwise int) int {
	if status == 0 {
		return otherwise
	}
	return status
}
