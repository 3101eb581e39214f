package signin

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"

	"github.com/gatehouse-iap/gatehouse/internal/identityprovider"
	"github.com/gatehouse-iap/gatehouse/internal/pages"
	"github.com/gatehouse-iap/gatehouse/internal/resource"
	"github.com/gatehouse-iap/gatehouse/internal/session"
)

// signOutPath is the page that asks whether to sign out of all applications, and what its form posts to. The form is the guard:
// a link or an image on another site can show the page at most.
const signOutPath = "/signout"

// returnParameter carries a sealed origin through the pages of signing out.
const returnParameter = "return"

// origin is where somebody came from to sign out. It holds no address but path and query: host and application are
// those that were routed then, and are looked up again when it is used.
type origin struct {
	Host     string        `json:"h"`
	Resource resource.Name `json:"r"`
	App      string        `json:"n"`
	Target   string        `json:"o"`
}

var originUse = []byte("return")

// GoOn sends a browser to the same address without what made it a special URL.
func (s *SignIn) GoOn(w http.ResponseWriter, r *http.Request, app App) {
	redirect(w, http.StatusFound, s.stripped(r, app))
}

// SignOut sends a browser from an application to the page of the auth host that signs out of all applications. It changes
// nothing.
func (s *SignIn) SignOut(w http.ResponseWriter, r *http.Request, app App) {
	from := origin{Host: app.Host, Resource: app.Resource, App: app.Name, Target: target(r)}
	redirect(w, http.StatusFound, s.External.URL(s.AuthHost)+s.signOutURL(from))
}

// signOutURL returns the page's path with the way back to where somebody comes from.
func (s *SignIn) signOutURL(from origin) string {
	plain, err := json.Marshal(from)
	if err != nil {
		return signOutPath // cannot happen: strings only
	}
	return signOutPath + "?" + returnParameter + "=" + encoding.EncodeToString(s.Sealer.Seal(plain, originUse))
}

// openOrigin returns the name and the address of the application that somebody came from; empty when that is unknown.
func (s *SignIn) openOrigin(written string) (app, address string) {
	if written == "" || len(written) > maxState {
		return "", ""
	}
	sealed, err := encoding.DecodeString(written)
	if err != nil {
		return "", ""
	}
	plain, err := s.Sealer.Open(sealed, originUse)
	if err != nil {
		return "", ""
	}
	var o origin
	if json.Unmarshal(plain, &o) != nil || !s.Serves(o.Host, o.Resource) {
		return "", ""
	}
	return o.App, s.origin(o.Host, o.Target)
}

// askSignOut shows who is signed in and asks whether to end that.
func (s *SignIn) askSignOut(w http.ResponseWriter, r *http.Request) {
	present, signedIn, err := s.present(r)
	if err != nil {
		s.unavailable(w, r, err)
		return
	}
	page := pages.SignOut{Return: r.URL.Query().Get(returnParameter)}
	if page.App, page.BackURL = s.openOrigin(page.Return); page.BackURL == "" {
		page.Return = ""
	}
	if signedIn {
		page.Email = present.Identity.Email
		if p, found := s.signsOutThere(present); found {
			page.Provider = title(p)
		}
		if page.Apps, err = s.openApps(r, present.ID); err != nil {
			s.unavailable(w, r, err)
			return
		}
	}
	s.Pages.SignOut(w, r, page)
}

// openApps counts the applications that a sign-in has opened.
func (s *SignIn) openApps(r *http.Request, id session.ID) (int, error) {
	family, err := s.Sessions.Store.Sessions(r.Context(), session.Filter{ID: id})
	if err != nil {
		return 0, err
	}
	apps := make(map[resource.Name]bool)
	for _, record := range family {
		if record.Parent == id {
			apps[record.Resource] = true
		}
	}
	return len(apps), nil
}

// signOut ends the session at the auth host and with it those of all applications, and goes on to sign out at the
// identity provider too: else the next sign-in would let the same person in without a question.
func (s *SignIn) signOut(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		s.refuse(w, r, "", fmt.Errorf("read form: %w", err))
		return
	}
	present, err := s.authSession(r)
	if err == nil && !present.ID.IsZero() {
		err = s.end(r, present.ID)
	}
	if err != nil {
		s.unavailable(w, r, err)
		return
	}
	if !present.ID.IsZero() {
		s.Log.InfoContext(r.Context(), "signed out", "email", present.Identity.Email, "session", present.ID.String())
	}
	clearCookie(w, session.AuthCookieName)
	if p, address := s.signOutThere(r, present); address != "" {
		goOn(w, r, address, func() { s.Pages.Depart(w, r, pages.Depart{Provider: title(p), URL: address, SignOut: true}) })
		return
	}
	next := signedOutPath
	if written := r.PostForm.Get(returnParameter); written != "" && len(written) <= maxState {
		next += "?" + returnParameter + "=" + url.QueryEscape(written)
	}
	redirect(w, http.StatusSeeOther, next)
}

// signsOutThere returns the provider at which somebody is signed out too.
func (s *SignIn) signsOutThere(present session.Record) (identityprovider.Provider, bool) {
	p, found := s.providers().Provider(present.Identity.Provider)
	return p, found && !present.ID.IsZero() && p.Kind == identityprovider.OIDC && !p.OIDC.KeepProviderSession
}

// signOutThere returns where to sign out at the provider of a session that has just ended; empty where there is none.
func (s *SignIn) signOutThere(r *http.Request, ended session.Record) (identityprovider.Provider, string) {
	p, found := s.signsOutThere(ended)
	if !found {
		return p, ""
	}
	tokens, err := s.Sealer.Open(ended.AtProvider.Tokens, sessionUse(ended.ID))
	if err != nil {
		tokens = nil // the provider will ask whom to sign out
	}
	address, err := s.Redirecting.SignOutURL(r.Context(), p, tokens, PostLogoutRedirectURI(s.External, s.AuthHost))
	if err != nil {
		s.Log.WarnContext(r.Context(), "signed out here, but not at the identity provider", "provider", p.Name, "cause", err)
	}
	return p, address
}

// signedOut is where signing out ends, here or at the provider.
func (s *SignIn) signedOut(w http.ResponseWriter, r *http.Request) {
	if _, signedIn, err := s.present(r); err != nil || signedIn {
		s.showAccount(w, r)
		return
	}
	page := pages.Account{Notice: "You have signed out."}
	page.App, page.BackURL = s.openOrigin(r.URL.Query().Get(returnParameter))
	s.Pages.Account(w, r, page)
}
