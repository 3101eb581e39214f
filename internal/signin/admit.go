package signin

import (
	"errors"
	"fmt"

	"github.com/gatehouse-iap/gatehouse/internal/directory"
	"github.com/gatehouse-iap/gatehouse/internal/identityprovider"
	"github.com/gatehouse-iap/gatehouse/internal/principal"
)

// providers returns the identity providers as requests see them now.
func (s *SignIn) providers() *identityprovider.View {
	if s.Providers == nil {
		return identityprovider.NewView(nil)
	}
	return s.Providers()
}

// admit turns what a provider says about a person into an identity, except for its number here.
func (s *SignIn) admit(p identityprovider.Provider, v Vouched) (principal.Identity, error) {
	identity, err := s.providers().Admit(p, identityprovider.Claimed{
		Subject: v.Subject, Email: v.Email, EmailVerified: v.EmailVerified, HostedDomain: v.HostedDomain,
	})
	if err != nil {
		return principal.Identity{}, unusableSubject(err)
	}
	if err := principal.CheckAttributes(v.Attributes); err != nil {
		return principal.Identity{}, fmt.Errorf("%w: what it says of %s cannot be kept: %w", ErrProviderSetup, v.Subject, err)
	}
	if account, found := s.Accounts().Account(identity.Email); found && account.Disabled {
		return principal.Identity{}, fmt.Errorf("%w: the account %s is switched off here", errAddress, identity.Email)
	}
	return identity, nil
}

// unusableSubject says of a subject that names nobody whose fault it is.
func unusableSubject(err error) error {
	if errors.Is(err, identityprovider.ErrSubject) {
		return fmt.Errorf("%w: %w", ErrProviderToken, err)
	}
	return err
}

// usable reports whether an identity still counts: its provider may vouch for it, and no account of ours says
// otherwise.
func (s *SignIn) usable(identity principal.Identity) bool {
	if !s.providers().Vouches(identity) {
		return false
	}
	account, found := s.Accounts().Account(identity.Email)
	if identity.Provider != directory.LocalProvider {
		return !found || !account.Disabled
	}
	return found && mayEnter(account) && account.Subject == identity.Subject
}
