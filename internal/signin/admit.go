package signin

import (
	"fmt"
	"unicode"
	"unicode/utf8"

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

// admit turns what a provider says about a person into an identity, except for its number here. An address that the
// provider may not vouch for, or has not checked, is refused: policies name addresses, so whoever gets one in
// becomes whoever it belongs to.
func (s *SignIn) admit(p identityprovider.Provider, v Vouched) (principal.Identity, error) {
	if err := checkSubject(v.Subject); err != nil {
		return principal.Identity{}, err
	}
	if err := principal.CheckAttributes(v.Attributes); err != nil {
		return principal.Identity{}, fmt.Errorf("%w: what it says of %s cannot be kept: %w", ErrProviderSetup, v.Subject, err)
	}
	email, err := principal.ParseAddress(v.Email)
	switch {
	case v.Email == "":
		return principal.Identity{}, fmt.Errorf("%w: it sent none", errAddress)
	case err != nil:
		return principal.Identity{}, fmt.Errorf("%w: %w", errAddress, err)
	case !v.EmailVerified:
		return principal.Identity{}, fmt.Errorf("%w: email_verified is not true for %s", errAddress, email)
	}
	identity := principal.Identity{Kind: principal.User, Provider: p.Name, Email: email}
	view := s.providers()
	if !view.Vouches(identity) {
		return principal.Identity{}, fmt.Errorf("%w: %s is not of a domain that the provider %q is configured for", errAddress, email, p.Name)
	}
	if identity.HostedDomain, err = hostedDomain(view, p, email, v.HostedDomain); err != nil {
		return principal.Identity{}, err
	}
	if account, found := s.Accounts().Account(email); found && account.Disabled {
		return principal.Identity{}, fmt.Errorf("%w: the account %s is switched off here", errAddress, email)
	}
	return identity, nil
}

// maxSubject is OpenID Connect's bound of the claim sub.
const maxSubject = 255

func checkSubject(subject string) error {
	if subject == "" || len(subject) > maxSubject || !utf8.ValidString(subject) {
		return fmt.Errorf("%w: it has no usable subject", ErrProviderToken)
	}
	for _, c := range subject {
		if unicode.IsControl(c) {
			return fmt.Errorf("%w: its subject has control characters", ErrProviderToken)
		}
	}
	return nil
}

// hostedDomain returns what `domain:` members match: the claim hd, else the domain of the address when the provider
// lists it. A provider that names an organisation which is not its own is refused, not corrected.
func hostedDomain(view *identityprovider.View, p identityprovider.Provider, email, claimed string) (string, error) {
	domain := principal.Domain(email)
	if claimed != "" {
		hosted, err := principal.ParseDomain(claimed)
		if err != nil {
			return "", fmt.Errorf("%w: hd: %w", errAddress, err)
		}
		if !view.Authoritative(p.Name, hosted) {
			return "", fmt.Errorf("%w: hd is %s, a domain that the provider %q is not configured for", errAddress, hosted, p.Name)
		}
		return hosted, nil
	}
	// Anybody can open a personal account at Google under an address of their company, and keep it when they leave.
	// Only hd says that the company manages the account.
	if identityprovider.IsGoogle(p.Issuer()) && domain != "gmail.com" && domain != "googlemail.com" {
		return "", fmt.Errorf("%w: %s is a personal account at Google (no hd), not one of the organisation", errAddress, email)
	}
	for _, listed := range p.Domains {
		if listed == domain && domain != "gmail.com" && domain != "googlemail.com" {
			return domain, nil
		}
	}
	return "", nil
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

// newNumber is what somebody is called here who signs in for the first time.
func newNumber(p identityprovider.Provider, subject string) (string, error) {
	if !identityprovider.IsGoogle(p.Issuer()) {
		return directory.NewSubject(), nil
	}
	for i := range len(subject) {
		if subject[i] < '0' || subject[i] > '9' {
			return "", fmt.Errorf("%w: Google's subject is not a number", ErrProviderToken)
		}
	}
	return subject, nil
}
