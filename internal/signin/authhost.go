package signin

import (
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/gatehouse-iap/gatehouse/internal/pages"
	"github.com/gatehouse-iap/gatehouse/internal/policy"
	"github.com/gatehouse-iap/gatehouse/internal/session"
)

// Values of OpenID Connect's prompt parameter: ask which account, ask for the password.
const (
	promptChoose = "select_account"
	promptLogin  = "login"
	promptNone   = "none"
)

// Handler serves the auth host. Forms are taken only from its own pages.
func (s *SignIn) Handler() http.Handler {
	type methods map[string]http.HandlerFunc
	routes := map[string]methods{
		"/":               {http.MethodGet: s.showAccount},
		authorizePath:     {http.MethodGet: s.authorize},
		"/signin":         {http.MethodPost: s.signIn},
		"/signin/account": {http.MethodPost: s.chooseAccount},
		addressPath:       {http.MethodPost: s.address},
		signOutPath:       {http.MethodGet: s.askSignOut, http.MethodPost: s.signOut},
		signedOutPath:     {http.MethodGet: s.signedOut},
	}
	static := s.Pages.Static()
	own := http.NewCrossOriginProtection()
	own.SetDenyHandler(http.HandlerFunc(s.denyCrossOrigin))
	return own.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, pages.StaticPrefix) {
			static.ServeHTTP(w, r)
			return
		}
		byMethod, found := routes[r.URL.Path]
		if path := r.URL.EscapedPath(); strings.HasPrefix(path, clientPath) {
			switch {
			case strings.HasSuffix(path, callbackSuffix):
				byMethod, found = methods{http.MethodGet: s.comeBack}, true
			case strings.HasSuffix(path, logoutSuffix):
				byMethod, found = methods{http.MethodPost: s.logout}, true
			}
		}
		if !found {
			s.Pages.Error(w, r, pages.Error{
				Status: http.StatusNotFound, Title: "Nothing here", Text: "This host signs people in; it has no page under this address.",
			})
			return
		}
		method := r.Method
		if method == http.MethodHead {
			method = http.MethodGet
		}
		handler, found := byMethod[method]
		if !found {
			w.Header().Set("Allow", strings.Join(slices.Sorted(maps.Keys(byMethod)), ", "))
			s.Pages.Error(w, r, pages.Error{
				Status: http.StatusMethodNotAllowed, Title: "Method not accepted", Text: "This page does not take " + r.Method + " requests.",
			})
			return
		}
		handler(w, r)
	}))
}

func (s *SignIn) denyCrossOrigin(w http.ResponseWriter, r *http.Request) {
	id := s.decided(r, http.StatusForbidden, policy.SignInRefused, "")
	s.Log.WarnContext(r.Context(), "cross-origin form refused", "decision", id, "path", r.URL.Path, "origin", r.Header.Get("Origin"), "peer", s.clientAddr(r))
	s.Pages.Error(w, r, pages.Error{
		Status: http.StatusForbidden, Title: "Not accepted", Text: "This form was sent by another site. Start again from the application.",
		Reason: string(policy.SignInRefused), ID: id,
	})
}

// authorize answers a browser that an application sent: on to where it came from when its person is signed in
// here, else a page that asks.
func (s *SignIn) authorize(w http.ResponseWriter, r *http.Request) {
	query, err := authorizeQuery(r)
	if err != nil {
		s.refuse(w, r, "", "", err)
		return
	}
	a, ok := s.opened(w, r, query.Get("state"))
	if !ok {
		return
	}
	if err := s.checkClaims(query, a); err != nil {
		s.refuse(w, r, a.Resource, s.origin(a.Host, a.Target), err)
		return
	}
	s.proceed(w, r, a, query.Get("prompt"))
}

// proceed takes an attempt as far as it goes without an answer of the person's.
func (s *SignIn) proceed(w http.ResponseWriter, r *http.Request, a attempt, prompt string) {
	present, signedIn, err := s.present(r)
	switch {
	case err != nil:
		s.unavailable(w, r, err)
	case prompt == promptLogin, !signedIn && a.Choose: // somebody else than the one whom the provider would take
		s.start(w, r, a, "", promptChoose)
	case !signedIn && s.Always != "" && s.enterAtOnce(w, r, a):
	case !signedIn:
		s.startExpected(w, r, a)
	case a.Choose || prompt == promptChoose:
		s.choose(w, r, a, present)
	case present.Ask(s.Now()):
		s.askAgain(w, r, a, present)
	default:
		s.handOff(w, r, a, present)
	}
}

// opened returns the attempt behind a state parameter. When there is none to go on with, it has answered.
func (s *SignIn) opened(w http.ResponseWriter, r *http.Request, state string) (attempt, bool) {
	a, err := s.open(state)
	if (err == nil || errors.Is(err, errStateExpired)) && !s.leads(a) {
		a, err = attempt{}, errors.New("the application is no longer served on that host")
	}
	if err != nil {
		again := ""
		if a.Host != "" {
			again = s.origin(a.Host, a.Target)
		}
		if again != "" && r.Method == http.MethodGet {
			s.bounce(w, r, a, err)
			return attempt{}, false
		}
		s.refuse(w, r, a.Resource, again, err)
		return attempt{}, false
	}
	return a, true
}

// present returns the live session of the browser at the auth host, if its account may still be used.
func (s *SignIn) present(r *http.Request) (session.Record, bool, error) {
	record, err := s.authSession(r)
	if err != nil || record.ID.IsZero() {
		return session.Record{}, false, err
	}
	return record, s.usable(record.Identity), nil
}

// authSession returns the live session of the browser at the auth host; zero when there is none.
func (s *SignIn) authSession(r *http.Request) (session.Record, error) {
	found, err := s.Sessions.Authenticate(r.Context(), r.Header["Cookie"], s.AuthHost, session.AuthCookieName, "")
	switch {
	case errors.Is(err, session.ErrStore):
		return session.Record{}, err
	case err != nil:
		return session.Record{}, nil // nobody
	}
	record := *found
	record.LastSeen = s.Now()
	return record, nil
}

// ask shows the sign-in form for an attempt.
func (s *SignIn) ask(w http.ResponseWriter, r *http.Request, a attempt, page pages.SignIn) {
	state, err := s.seal(a)
	if err != nil {
		s.unavailable(w, r, err)
		return
	}
	page.App, page.Host, page.State, page.Quick = a.App, a.Host, state, s.Quick
	page.FormTargets = []string{s.External.URL(a.Host)}
	s.Pages.SignIn(w, r, page)
}

// choose shows who is signed in and offers others.
func (s *SignIn) choose(w http.ResponseWriter, r *http.Request, a attempt, present session.Record) {
	state, err := s.seal(a)
	if err != nil {
		s.unavailable(w, r, err)
		return
	}
	s.Pages.Chooser(w, r, pages.Chooser{
		App: a.App, Host: a.Host, State: state, Email: present.Identity.Email, Quick: s.Quick,
		OtherURL: otherURL(state), SignOutURL: s.signOutURL(origin{Host: a.Host, Resource: a.Resource, App: a.App, Target: a.Target}),
		FormTargets: []string{s.External.URL(a.Host)},
	})
}

// handOff sends the browser back to the application with a token for the session that it has here.
func (s *SignIn) handOff(w http.ResponseWriter, r *http.Request, a attempt, present session.Record) {
	if !a.demand().MetBy(present.Proof(), s.Now()) {
		s.proveAgain(w, r, a, present)
		return
	}
	if a.Here {
		s.sendOn(w, r, a, token{})
		return
	}
	var handed token
	err := s.Transactor.SignIn(r.Context(), func(tx Tx) (err error) {
		handed, err = s.putHandoff(r.Context(), tx.Handoffs(), a, present.ID)
		return err
	})
	switch {
	case errors.Is(err, session.ErrNotFound): // it has ended since we looked
		s.Sessions.End(present.ID)
		s.start(w, r, a, present.Identity.Email, "")
	case err != nil:
		s.unavailable(w, r, err)
	default:
		s.sendOn(w, r, a, handed)
	}
}

// sendOn goes to the application.
func (s *SignIn) sendOn(w http.ResponseWriter, r *http.Request, a attempt, handed token) {
	address := s.origin(a.Host, a.Target)
	if !a.Here {
		address = s.handoffURL(a, handed.String())
	}
	goOn(w, r, address, func() { s.Pages.Continue(w, r, pages.Continue{App: a.App, URL: address}) })
}

// goOn goes to another host. A browser that has sent a form gets a page that leads there, not a redirect: Chromium
// would hold all that follows, the application's own redirects too, against the form's page's form-action. Other
// programs get the redirect that they can follow.
func goOn(w http.ResponseWriter, r *http.Request, address string, page func()) {
	switch {
	case r.Method != http.MethodPost:
		redirect(w, http.StatusFound, address)
	case r.Header.Get("Sec-Fetch-Mode") == "navigate":
		page()
	default:
		redirect(w, http.StatusSeeOther, address)
	}
}

// showAccount tells who is signed in at the auth host.
func (s *SignIn) showAccount(w http.ResponseWriter, r *http.Request) {
	present, signedIn, err := s.present(r)
	if err != nil {
		s.unavailable(w, r, err)
		return
	}
	page := pages.Account{SignedIn: signedIn}
	if signedIn {
		page.Email = present.Identity.Email
		if page.Apps, err = s.openApps(r, present.ID); err != nil {
			s.unavailable(w, r, err)
			return
		}
		stored, err := s.Sessions.Store.Session(r.Context(), present.ID)
		if err != nil && !errors.Is(err, session.ErrNotFound) {
			s.unavailable(w, r, err)
			return
		}
		page.Programs = stored.Programs
	}
	s.Pages.Account(w, r, page)
}
