package signin

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"

	"github.com/gatehouse-iap/gatehouse/internal/directory"
	"github.com/gatehouse-iap/gatehouse/internal/pages"
	"github.com/gatehouse-iap/gatehouse/internal/principal"
	"github.com/gatehouse-iap/gatehouse/internal/session"
	"github.com/gatehouse-iap/gatehouse/internal/signin/password"
)

// maxForm bounds the body of a form: a state, an address and a password.
const maxForm = 32 << 10

// What people are told. It is the same whether the account does not exist, is switched off or has another password.
const wrongPassword = "This address and this password do not belong together. Check both and try again."

// form reads a form and the attempt that it belongs to. When there is none, it has answered.
func (s *SignIn) form(w http.ResponseWriter, r *http.Request) (attempt, bool) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		s.refuse(w, r, "", fmt.Errorf("read form: %w", err))
		return attempt{}, false
	}
	return s.opened(w, r, r.PostForm.Get("state"))
}

// signIn answers the form with address and password.
func (s *SignIn) signIn(w http.ResponseWriter, r *http.Request) {
	a, ok := s.form(w, r)
	if !ok {
		return
	}
	typed := r.PostForm.Get("email")
	account, err := s.checkPassword(r, typed, r.PostForm.Get("password"))
	page := pages.SignIn{Email: typed}
	var throttled *password.ThrottledError
	switch {
	case err == nil:
		s.enter(w, r, a, account, "pwd")
		return
	case r.Context().Err() != nil:
		return // nobody is listening
	case errors.As(err, &throttled):
		page.Status = http.StatusTooManyRequests
		page.Problem = "There were too many attempts. Try again in " + seconds(throttled.Seconds()) + "."
		w.Header().Set("Retry-After", strconv.Itoa(throttled.Seconds()))
	case errors.Is(err, password.ErrBusy):
		page.Status, page.Problem = http.StatusServiceUnavailable, "Many people are signing in right now. Try again in 2 seconds."
		w.Header().Set("Retry-After", "2")
	default:
		page.Status, page.Problem = http.StatusUnauthorized, wrongPassword
	}
	s.ask(w, r, a, page)
}

func seconds(n int) string {
	if n == 1 {
		return "1 second"
	}
	return strconv.Itoa(n) + " seconds"
}

// checkPassword returns the account that an address and a password belong to. Why they do not is for the log
// alone; it never holds an address that belongs to nobody here, since people type passwords into the wrong field.
func (s *SignIn) checkPassword(r *http.Request, typed, secret string) (directory.Account, error) {
	email, _ := principal.ParseAddress(typed) // empty when it is none: counted by network only
	account, found := s.Accounts().Account(email)
	cause := ""
	switch {
	case !found:
		cause = "no such account"
	case account.Kind != principal.User:
		cause = "service account"
	case account.Disabled:
		cause = "account is disabled"
	case account.PasswordHash == "":
		cause = "account has no password"
	}
	try := password.Attempt{Account: email, Password: secret, Peer: s.clientAddr(r)}
	if cause == "" {
		try.Hash = account.PasswordHash
	}
	if found {
		try.Device = s.readDevice(r).bucket(account.Subject, s.Now())
	}
	err := s.Passwords.Check(r.Context(), try)
	if err == nil {
		return account, nil
	}
	attributes := []any{"error", err, "peer", try.Peer}
	if cause != "" {
		attributes = append(attributes, "cause", cause)
	}
	if found {
		attributes = append(attributes, "email", account.Email)
	}
	s.Log.InfoContext(r.Context(), "sign-in by password failed", attributes...)
	return directory.Account{}, err
}

// chooseAccount answers the buttons of chooser and sign-in page: continue as who is signed in, or, in
// development, as one of the quick accounts.
func (s *SignIn) chooseAccount(w http.ResponseWriter, r *http.Request) {
	a, ok := s.form(w, r)
	if !ok {
		return
	}
	present, signedIn, err := s.present(r)
	if err != nil {
		s.unavailable(w, r, err)
		return
	}
	chosen := r.PostForm.Get("account")
	if signedIn && present.Identity.Email == chosen {
		s.handOff(w, r, a, present)
		return
	}
	if slices.Contains(s.Quick, chosen) {
		if account, found := s.Accounts().Account(chosen); found && mayEnter(account) {
			s.enter(w, r, a, account)
			return
		}
	}
	s.ask(w, r, a, pages.SignIn{Email: chosen}) // signed out meanwhile, or switched off
}

// enter opens a new session at the auth host for somebody who has just proved who they are, ends the one that
// it replaces, and hands over to the application.
func (s *SignIn) enter(w http.ResponseWriter, r *http.Request, a attempt, account directory.Account, amr ...string) {
	replaced, err := s.authSession(r)
	if err != nil {
		s.unavailable(w, r, err)
		return
	}
	ctx, now := r.Context(), s.Now()
	record := session.Record{
		ID: session.NewID(), Identity: account.Identity(), AMR: amr, AuthTime: now, Created: now,
		Expires: now.Add(s.Lifetimes.Absolute), LastSeen: now,
	}
	var ended []session.ID
	var handed token
	err = s.Transactor.SignIn(ctx, func(tx Tx) (err error) {
		if ended = nil; !replaced.ID.IsZero() {
			if ended, err = tx.Sessions().EndSessions(ctx, session.Filter{ID: replaced.ID}); err != nil {
				return err
			}
		}
		if err = tx.Sessions().OpenSession(ctx, record); err != nil {
			return err
		}
		handed, err = s.putHandoff(ctx, tx.Handoffs(), a, record.ID)
		return err
	})
	if errors.Is(err, session.ErrNotFound) { // the account was switched off since we looked
		s.ask(w, r, a, pages.SignIn{Email: account.Email, Problem: wrongPassword, Status: http.StatusUnauthorized})
		return
	}
	if err != nil {
		s.unavailable(w, r, err)
		return
	}
	s.Sessions.End(ended...)
	s.Sessions.Add(record)
	s.Log.InfoContext(ctx, "signed in", "email", account.Email, "session", record.ID.String(), "amr", amr, "peer", s.clientAddr(r))
	setCookie(w, session.AuthCookieName, s.Sessions.Codec.Seal(record.ID, now, session.AuthCookieName, s.AuthHost), now, 0)
	if len(amr) > 0 {
		s.writeDevice(w, s.readDevice(r).with(account.Subject, now))
	}
	s.sendOn(w, r, a, handed)
}
