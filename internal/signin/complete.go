package signin

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/session"
	"github.com/gatehouse-iap/gatehouse/internal/specialurl"
)

// handoffLifetime is how long a redirect token is good for.
const handoffLifetime = time.Minute

// Complete receives a browser that comes back from the auth host with a redirect token, and gives it the
// application's own session. It serves requests with specialurl.Authenticating.
func (s *SignIn) Complete(w http.ResponseWriter, r *http.Request, app App) {
	if r.Method != http.MethodGet { // others neither come from a browser's redirect nor may use up a token
		w.Header().Set("Allow", http.MethodGet)
		s.refuse(w, r, app.Resource, s.again(r, app), fmt.Errorf("method %s", r.Method))
		return
	}
	if r.URL.Query().Has(specialurl.RestartParameter) {
		s.resume(w, r, app)
		return
	}
	token, ok := readToken(r)
	if !ok {
		s.restart(w, r, app, token.state, errors.New("no redirect token, or one that is not ours"))
		return
	}
	_, secretName := attemptCookies(app.Resource)
	secret := cookieValue(r, secretName)
	if secret == "" {
		s.restart(w, r, app, token.state, errors.New("the attempt was not begun in this browser"))
		return
	}
	done, err := s.redeem(r, app, token.hash(), sha256.Sum256([]byte(secret)))
	switch {
	case errors.Is(err, ErrHandoff), errors.Is(err, session.ErrNotFound):
		s.restart(w, r, app, token.state, err)
		return
	case err != nil:
		s.unavailable(w, r, err)
		return
	}
	now := s.Now()
	kept := app.cookie()
	if done.opened {
		value := s.Sessions.Codec.Seal(done.record.ID, now, kept.Name, kept.Scope(app.Host))
		setCookieOf(w, kept.Name, value, kept.Domain, now, 0)
	}
	if kept.Domain != "" {
		clearCookie(w, uidCookie) // one from before the cookies had a domain would tell scripts of somebody else
	}
	setCookieOf(w, uidCookie, done.record.Identity.Subject, kept.Domain, now, 0)
	clearAttempt(w, app)
	clearCookie(w, chooseCookie)
	s.wentRound(w, r, app, done.origin)
	redirect(w, http.StatusFound, done.origin)
}

// completed is what a redirect token led to.
type completed struct {
	record session.Record
	opened bool // the session is new; the browser has no cookie for it yet
	origin string
}

// redeem consumes the token and opens the application's session, both or neither.
//
// A browser that has a live session of the same sign-in keeps it: with many tabs coming back at once, a new
// one each time would end the one that requests of the other tabs are just using. A session of any other
// sign-in, such as one that somebody planted, ends here.
func (s *SignIn) redeem(r *http.Request, app App, token, browser [32]byte) (completed, error) {
	ctx, now := r.Context(), s.Now()
	kept := app.cookie()
	present, err := s.Sessions.Authenticate(ctx, r.Header["Cookie"], kept.Scope(app.Host), kept.Name, app.Resource)
	if errors.Is(err, session.ErrStore) {
		return completed{}, err
	}
	var done completed
	var ended []session.ID
	err = s.Transactor.SignIn(ctx, func(tx Tx) error {
		done, ended = completed{}, nil
		h, err := tx.Handoffs().ConsumeHandoff(ctx, token, browser, s.External.authority(app.Host), app.Resource, now)
		if err != nil {
			return err
		}
		if done.origin, err = s.checkedOrigin(h.OriginURL, app); err != nil {
			return err
		}
		if present != nil && present.Parent == h.Parent {
			done.record = *present
			return nil
		}
		if present != nil {
			if ended, err = tx.Sessions().EndSessions(ctx, session.Filter{ID: present.ID}); err != nil {
				return err
			}
		}
		crowded, err := makeRoom(ctx, tx.Sessions(), h)
		if err != nil {
			return err
		}
		ended = append(ended, crowded...)
		done.opened = true
		done.record, err = s.openChild(ctx, tx.Sessions(), h)
		return err
	})
	if err != nil {
		return completed{}, err
	}
	if done.opened {
		s.Sessions.End(ended...)
		s.Sessions.Add(done.record)
	}
	return done, nil
}

// maxChildren is how many sessions one sign-in has at one application. A browser uses one for each of its hosts, and
// tabs that come back at once leave a few behind.
const maxChildren = 16

// makeRoom ends the oldest sessions of a sign-in at an application when there are too many. Whoever throws the
// application's cookie away and comes again would otherwise fill the store and everybody's memory with sessions.
func makeRoom(ctx context.Context, sessions session.Store, h Handoff) (ended []session.ID, err error) {
	family, err := sessions.Sessions(ctx, session.Filter{ID: h.Parent}) // newest first
	if err != nil {
		return nil, err
	}
	children := 0
	for _, record := range family {
		if record.Parent != h.Parent || record.Resource != h.Resource {
			continue
		}
		if children++; children < maxChildren {
			continue
		}
		ids, err := sessions.EndSessions(ctx, session.Filter{ID: record.ID})
		if err != nil {
			return nil, err
		}
		ended = append(ended, ids...)
	}
	return ended, nil
}

// openChild opens the application's session under the auth-host session that vouches for it. That one was in use
// when the token was made, a minute ago at most: only its absolute end counts here.
func (s *SignIn) openChild(ctx context.Context, sessions session.Store, h Handoff) (session.Record, error) {
	now := s.Now()
	parent, err := sessions.Session(ctx, h.Parent)
	if err != nil {
		return session.Record{}, err
	}
	if !s.usable(parent.Identity) || !now.Before(parent.Expires) || !parent.Parent.IsZero() {
		return session.Record{}, fmt.Errorf("%w: the sign-in behind it has ended or its account is switched off", ErrHandoff)
	}
	child := session.Record{
		ID: session.NewID(), Parent: parent.ID, Resource: h.Resource, Identity: parent.Identity, Groups: parent.Groups, Attributes: parent.Attributes,
		AMR: parent.AMR, ACR: parent.ACR, AuthTime: parent.AuthTime, Created: now, Expires: parent.Expires, LastSeen: now,
		Checked: parent.Checked, AskAfter: parent.AskAfter, Silent: parent.Silent,
	}
	return child, sessions.OpenSession(ctx, child)
}

// checkedOrigin returns where to send the person, having checked once more that it is the application's own origin.
func (s *SignIn) checkedOrigin(origin string, app App) (string, error) {
	target, found := strings.CutPrefix(origin, s.External.URL(app.Host))
	if !found || !strings.HasPrefix(target, "/") || !keepsOrigin(target) {
		return "", fmt.Errorf("%w: it leads to %q, which is not an address of %q", ErrHandoff, origin, app.Host)
	}
	return origin, nil
}

// again is where to start anew: the same page without our parameters.
func (s *SignIn) again(r *http.Request, app App) string { return s.origin(app.Host, target(r)) }
