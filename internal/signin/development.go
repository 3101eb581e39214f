package signin

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/gatehouse-iap/gatehouse/internal/session"
)

// ErrContinue reports an address that is not on a host that we serve.
var ErrContinue = errors.New("the address is not one that is served here")

// Enter signs a browser in at the auth host as an account that nobody has proved to be, and sends it on to an address on
// a host that we serve. It is for development only, where whoever mounts it says who may come. It returns an error, and
// has answered nothing, where the address is another (ErrContinue) or the account may not sign in (ErrAccount).
func (s *SignIn) Enter(w http.ResponseWriter, r *http.Request, email, next string) error {
	address, err := s.ownAddress(next)
	if err != nil {
		return err
	}
	account, found := s.Accounts().Account(email)
	if !found || !s.usable(account.Identity()) {
		return fmt.Errorf("%s: %w", email, ErrAccount)
	}
	replaced, err := s.authSession(r)
	if err != nil {
		return err
	}
	ctx, now := r.Context(), s.Now()
	record := s.record(local(account), now)
	var ended []session.ID
	err = s.Transactor.SignIn(ctx, func(tx Tx) (err error) {
		if err = unchanged(ctx, tx.Accounts(), account); err != nil {
			return err
		}
		if ended = nil; !replaced.ID.IsZero() {
			if ended, err = tx.Sessions().EndSessions(ctx, session.Filter{ID: replaced.ID}); err != nil {
				return err
			}
		}
		return tx.Sessions().OpenSession(ctx, record)
	})
	if errors.Is(err, errChanged) || errors.Is(err, session.ErrNotFound) {
		return fmt.Errorf("%s: %w", email, ErrAccount)
	}
	if err != nil {
		return err
	}
	s.Sessions.End(ended...)
	s.Sessions.Add(record)
	s.Log.InfoContext(ctx, "signed in without proof, as gatehouse dev allows", "email", email, "session", record.ID.String(), "peer", s.clientAddr(r))
	setCookie(w, session.AuthCookieName, s.Sessions.Codec.Seal(record.ID, now, session.AuthCookieName, s.AuthHost), now, 0)
	redirect(w, http.StatusFound, address)
	return nil
}

// ErrAccount reports an account that may not sign in.
var ErrAccount = errors.New("there is no such account that may sign in")

// ownAddress returns an address as we write it ourselves: our scheme, a host that we serve, our port, and a path and
// query that cannot change these.
func (s *SignIn) ownAddress(raw string) (string, error) {
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != s.External.Scheme || u.User != nil || u.Opaque != "" || u.Host == "" {
		return "", ErrContinue
	}
	host := u.Hostname() // only canonical ones are served
	if u.Host != s.External.authority(host) || host != s.AuthHost && (s.HasHost == nil || !s.HasHost(host)) {
		return "", ErrContinue
	}
	target := u.EscapedPath()
	if target == "" {
		target = "/"
	}
	if u.RawQuery != "" {
		target += "?" + u.RawQuery
	}
	target, clean := escapeNonASCII(target)
	if !clean || target[0] != '/' || !keepsOrigin(target) {
		return "", ErrContinue
	}
	address := s.External.URL(host) + target
	if u.Fragment != "" {
		address += "#" + u.EscapedFragment()
	}
	return address, nil
}

// enterAtOnce signs the account of Always in for an attempt; false when it may not sign in.
func (s *SignIn) enterAtOnce(w http.ResponseWriter, r *http.Request, a attempt) bool {
	account, found := s.Accounts().Account(s.Always)
	if !found || !s.usable(account.Identity()) {
		return false
	}
	s.enter(w, r, a, local(account))
	return true
}
