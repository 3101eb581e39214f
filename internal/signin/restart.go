package signin

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/gatehouse-iap/gatehouse/internal/specialurl"
)

// maxTries is how often sign-in is begun anew without a question before the person is told. A callback that was
// bookmarked, doubled or overtaken by another tab needs one.
const maxTries = 3

// restart answers a browser that came back with a token that is no good. What people did to get there (a bookmark,
// the back button, a double click, a page that stood open over night) is no fault of theirs: whoever is signed in goes
// to where they were going, everybody else signs in anew. state is the token's sealed attempt, if it had one.
func (s *SignIn) restart(w http.ResponseWriter, r *http.Request, app App, state string, cause error) {
	before, err := s.open(state)
	if err != nil && !errors.Is(err, errStateExpired) || before.Host != app.Host || before.Resource != app.Resource {
		before = attempt{Target: target(r)}
	}
	if err != nil {
		before.Tries = 0 // too old to be part of a circle
	}
	s.Log.InfoContext(r.Context(), "sign-in begins anew", "cause", cause, "tries", before.Tries, "host", app.Host, "peer", s.clientAddr(r))
	if s.arrived(w, r, app, before.Target) {
		return
	}
	again := s.origin(app.Host, before.Target)
	switch {
	case before.Tries >= maxTries:
		s.loops(w, r, again, causeUnknown)
		return
	case s.goesRound(w, r, app, before.Target, true):
		s.loops(w, r, again, causeQuery)
		return
	}
	a, secret := s.newAttempt(r, app, before.Target)
	a.Tries = before.Tries + 1
	s.setAttempt(w, app, secret)
	// By way of this host, to see whether the browser keeps the cookies: else it would be asked to sign in again and
	// again before anybody noticed.
	address, err := s.restartURL(a)
	if err == nil && len(address) > maxRestartURL {
		address, err = s.toAuthHost(a)
	}
	if err != nil {
		s.unavailable(w, r, err)
		return
	}
	redirect(w, http.StatusFound, address)
}

// maxRestartURL is how long an address may be that a restart goes by; see maxTarget.
const maxRestartURL = 3 << 10

// restartURL returns the address at the application's host by which an attempt is begun anew.
func (s *SignIn) restartURL(a attempt) (string, error) {
	sealed, err := s.sealFor(restartUse, a)
	path, _, _ := strings.Cut(a.Target, "?")
	return s.origin(a.Host, path) + "?" + specialurl.Parameter + "=" + string(specialurl.Authenticating) + "&" + specialurl.RestartParameter + "=" + sealed, err
}

func (s *SignIn) toAuthHost(a attempt) (string, error) {
	state, err := s.seal(a)
	return s.authorizeURL(a, state), err
}

// arrived sends somebody on who has a session here already.
func (s *SignIn) arrived(w http.ResponseWriter, r *http.Request, app App, to string) bool {
	kept := app.cookie()
	_, err := s.Sessions.Authenticate(r.Context(), r.Header["Cookie"], kept.Scope(app.Host), kept.Name, app.Resource)
	if err != nil {
		return false
	}
	redirect(w, http.StatusFound, s.origin(app.Host, to))
	return true
}

// resume goes on with an attempt that is begun anew: on to the auth host, if the browser shows the cookies that it was
// just given.
func (s *SignIn) resume(w http.ResponseWriter, r *http.Request, app App) {
	values := r.URL.Query()[specialurl.RestartParameter]
	if len(values) != 1 {
		s.refuse(w, r, app.Resource, s.again(r, app), errors.New("more than one restart"))
		return
	}
	a, err := s.openFor(restartUse, values[0])
	switch {
	case errors.Is(err, errStateAhead):
		s.loops(w, r, s.again(r, app), causeClock)
		return
	case err != nil:
		s.refuse(w, r, app.Resource, s.again(r, app), err)
		return
	case a.Host != app.Host || a.Resource != app.Resource:
		s.refuse(w, r, app.Resource, s.again(r, app), fmt.Errorf("a restart of another application, %q at %q", a.App, a.Host))
		return
	case s.arrived(w, r, app, a.Target):
		return
	}
	_, secretName := attemptCookies(app.Resource)
	secret := cookieValue(r, secretName)
	hash := sha256.Sum256([]byte(secret))
	switch {
	case !a.Again && subtle.ConstantTimeCompare(hash[:], a.Browser) == 1: // as it should be
	case !a.Again && secret == "":
		s.loops(w, r, s.origin(app.Host, a.Target), s.cookieCause(r, app.Host))
		return
	case a.Tries > maxTries:
		s.loops(w, r, s.origin(app.Host, a.Target), causeUnknown)
		return
	default: // the auth host asks for it, or another tab was given other cookies at the same moment
		fresh, secret := s.newAttempt(r, app, a.Target)
		fresh.Tries = a.Tries
		if !a.Again {
			fresh.Tries++
		}
		a = fresh
		s.setAttempt(w, app, secret)
	}
	address, err := s.toAuthHost(a)
	if err != nil {
		s.unavailable(w, r, err)
		return
	}
	redirect(w, http.StatusFound, address)
}

// bounce begins anew an attempt that cannot be completed at the auth host: by way of the application's host, unless the
// person is signed in here by now. The application is one that is served.
func (s *SignIn) bounce(w http.ResponseWriter, r *http.Request, a attempt, cause error) {
	again := s.origin(a.Host, a.Target)
	if a.Here { // there is no application's host to see there whether the browser goes round in a circle
		s.refuse(w, r, a.Resource, again, cause)
		return
	}
	s.Log.InfoContext(r.Context(), "sign-in is to begin anew", "cause", cause, "tries", a.Tries, "host", a.Host, "peer", s.clientAddr(r))
	if errors.Is(cause, errStateAhead) {
		s.loops(w, r, again, causeClock)
		return
	}
	if a.Tries++; a.Tries > maxTries {
		s.loops(w, r, again, s.cookieCause(r, s.AuthHost))
		return
	}
	_, signedIn, err := s.present(r)
	if err != nil {
		s.unavailable(w, r, err)
		return
	}
	var address string
	if signedIn && !errors.Is(cause, errStateExpired) {
		// Another tab was faster. The attempt goes on as if it had come to the auth host just now.
		address, err = s.toAuthHost(a)
	} else {
		a.Again, a.Issued = true, s.Now().Unix()
		address, err = s.restartURL(a)
	}
	if err != nil {
		s.unavailable(w, r, err)
		return
	}
	redirect(w, http.StatusFound, address)
}
