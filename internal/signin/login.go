package signin

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"

	"github.com/gatehouse-iap/gatehouse/internal/directory"
	"github.com/gatehouse-iap/gatehouse/internal/identityprovider"
	"github.com/gatehouse-iap/gatehouse/internal/pages"
	"github.com/gatehouse-iap/gatehouse/internal/policy"
	"github.com/gatehouse-iap/gatehouse/internal/principal"
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
		s.refuse(w, r, "", "", fmt.Errorf("read form: %w", err))
		return attempt{}, false
	}
	if err := checkParameters(r.PostForm, "state", "email", "password", "account", "prompt"); err != nil {
		s.refuse(w, r, "", "", err)
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
	p := s.providerOf(typed)
	if p.Kind == identityprovider.OIDC {
		s.startAt(w, r, a, p, typed, "")
		return
	}
	who, err := s.checkPassword(r, p, typed, r.PostForm.Get("password"))
	page := pages.SignIn{Email: typed}
	var tooMany *password.ThrottledError
	outcome := wrongCredentials
	switch {
	case err == nil:
		s.enter(w, r, a, who)
		return
	case r.Context().Err() != nil:
		return // nobody is listening
	case errors.As(err, &tooMany):
		outcome = throttled
		page.Status = http.StatusTooManyRequests
		page.Problem = "There were too many attempts. Try again in " + seconds(tooMany.Seconds()) + "."
		w.Header().Set("Retry-After", strconv.Itoa(tooMany.Seconds()))
	case errors.Is(err, password.ErrBusy):
		outcome = busy
		page.Status, page.Problem = http.StatusServiceUnavailable, "Many people are signing in right now. Try again in 2 seconds."
		w.Header().Set("Retry-After", "2")
	case errors.Is(err, ErrProviderDown):
		outcome = string(policy.ProviderUnavailable)
		page.Status, page.Problem = http.StatusServiceUnavailable, "Passwords cannot be checked right now. Try again in a minute."
		w.Header().Set("Retry-After", "60")
	case errors.Is(err, ErrProviderSetup), errors.Is(err, errAddress):
		s.fail(w, r, a, p, err)
		return
	default:
		page.Status, page.Problem = http.StatusUnauthorized, wrongPassword
	}
	s.count(p.Name, outcome)
	s.ask(w, r, a, page)
}

// providerOf returns the provider that may vouch for an address as it was typed; zero when there is none.
func (s *SignIn) providerOf(typed string) identityprovider.Provider {
	email, err := principal.ParseAddress(typed)
	if err != nil {
		return identityprovider.Provider{}
	}
	p, _ := s.providers().Authority(principal.Domain(email))
	if p.Disabled {
		return identityprovider.Provider{}
	}
	return p
}

func seconds(n int) string {
	if n == 1 {
		return "1 second"
	}
	return strconv.Itoa(n) + " seconds"
}

// checkPassword returns whom an address and a password belong to, by the provider of the address. Why they do not
// is for the log alone; it never holds an address that belongs to nobody here, since people type passwords into the
// wrong field.
func (s *SignIn) checkPassword(r *http.Request, p identityprovider.Provider, typed, secret string) (arrival, error) {
	email, _ := principal.ParseAddress(typed) // empty when it is none: counted by network only
	if source := s.PasswordSources[p.Kind]; source != nil {
		return s.askPasswordSource(r, p, source, email, secret)
	}
	account, found := s.Accounts().Account(email)
	cause := ""
	switch {
	case p.Kind != identityprovider.Local:
		cause = "no provider that takes passwords may vouch for the address"
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
		return local(account, "pwd"), nil
	}
	attributes := []any{"error", err, "peer", try.Peer}
	if cause != "" {
		attributes = append(attributes, "cause", cause)
	}
	if found {
		attributes = append(attributes, "email", account.Email)
	}
	s.Log.InfoContext(r.Context(), "sign-in by password failed", attributes...)
	return arrival{}, err
}

// askPasswordSource checks a password at a provider.
func (s *SignIn) askPasswordSource(r *http.Request, p identityprovider.Provider, source PasswordSource, email, secret string) (arrival, error) {
	device := p.Issuer() + " " + email
	try := password.Attempt{Account: email, Password: secret, Peer: s.clientAddr(r), Device: s.readDevice(r).bucket(device, s.Now())}
	var vouched Vouched
	err := s.Passwords.CheckElsewhere(r.Context(), try, func(ctx context.Context) (err error) {
		vouched, err = source.CheckPassword(ctx, p, email, secret)
		if errors.Is(err, ErrPassword) {
			err = fmt.Errorf("%w: %w", password.ErrWrong, err)
		}
		return err
	})
	var who arrival
	if err == nil {
		if who, err = s.vouchedFor(p, vouched); err == nil {
			who.device, who.authTime = device, s.Now()
			return who, nil
		}
	}
	s.Log.InfoContext(r.Context(), "sign-in by password failed", "error", err, "provider", p.Name, "peer", try.Peer)
	return arrival{}, err
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
		if account, found := s.Accounts().Account(chosen); found && s.usable(account.Identity()) {
			s.enter(w, r, a, local(account))
			return
		}
	}
	s.start(w, r, a, chosen, "") // signed out meanwhile, or switched off
}

// errChanged reports an account that is gone, switched off or has another password since the person proved to be
// the one behind it.
var errChanged = errors.New("the account has changed since the password was checked")

// unchanged refuses an account that is not stored as it was judged. A password waits for its turn to be checked,
// against what requests saw when it came: whoever changes it meanwhile ends all sessions, and one that is
// opened after that, for the old password, would outlive the change.
func unchanged(ctx context.Context, accounts AccountReader, judged directory.Account) error {
	stored, err := accounts.Account(ctx, judged.Email)
	switch {
	case errors.Is(err, directory.ErrNotFound):
		return errChanged
	case err != nil:
		return err
	case stored.Subject != judged.Subject || stored.PasswordHash != judged.PasswordHash || !mayEnter(stored):
		return errChanged
	}
	return nil
}
