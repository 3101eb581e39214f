package identityprovider

import (
	"errors"
	"fmt"
	"unicode"
	"unicode/utf8"

	"github.com/gatehouse-iap/gatehouse/internal/directory"
	"github.com/gatehouse-iap/gatehouse/internal/principal"
)

// Claimed is what a provider says about a person, in a token or an answer that is known to be its own and for us.
type Claimed struct {
	Subject string // what the provider calls the person, for ever
	Email   string // as the provider writes it
	// EmailVerified says that the provider has checked the address, or that its configuration takes it on trust.
	EmailVerified bool
	HostedDomain  string // the claim hd
}

var (
	// ErrAddress reports a person whom the provider may not vouch for.
	ErrAddress = errors.New("the identity provider may not vouch for this address")
	// ErrSubject reports a subject that cannot name anybody.
	ErrSubject = errors.New("the identity provider's subject for the person is not usable")
)

// Admit turns what a provider says about a person into an identity, except for its number here. An address that the
// provider may not vouch for, or has not checked, is refused: policies name addresses, so whoever gets one in
// becomes whoever it belongs to. Its errors wrap ErrAddress or ErrSubject.
func (v *View) Admit(p Provider, c Claimed) (principal.Identity, error) {
	if err := checkSubject(c.Subject); err != nil {
		return principal.Identity{}, err
	}
	email, err := principal.ParseAddress(c.Email)
	switch {
	case c.Email == "":
		return principal.Identity{}, fmt.Errorf("%w: it sent none", ErrAddress)
	case err != nil:
		return principal.Identity{}, fmt.Errorf("%w: %w", ErrAddress, err)
	case !c.EmailVerified:
		return principal.Identity{}, fmt.Errorf("%w: email_verified is not true for %s", ErrAddress, email)
	}
	identity := principal.Identity{Kind: principal.User, Provider: p.Name, Email: email}
	if !v.Vouches(identity) {
		return principal.Identity{}, fmt.Errorf("%w: %s is not of a domain that the provider %q is configured for", ErrAddress, email, p.Name)
	}
	identity.HostedDomain, err = v.hostedDomain(p, email, c.HostedDomain)
	return identity, err
}

// maxSubject is OpenID Connect's bound of the claim sub.
const maxSubject = 255

func checkSubject(subject string) error {
	if subject == "" || len(subject) > maxSubject || !utf8.ValidString(subject) {
		return fmt.Errorf("%w: it is empty, too long or no text", ErrSubject)
	}
	for _, c := range subject {
		if unicode.IsControl(c) {
			return fmt.Errorf("%w: it has control characters", ErrSubject)
		}
	}
	return nil
}

// hostedDomain returns what `domain:` members match: the claim hd, else the domain of the address when the provider
// lists it. A provider that names an organisation which is not its own is refused, not corrected.
func (v *View) hostedDomain(p Provider, email, claimed string) (string, error) {
	domain := principal.Domain(email)
	if claimed != "" {
		hosted, err := principal.ParseDomain(claimed)
		if err != nil {
			return "", fmt.Errorf("%w: hd: %w", ErrAddress, err)
		}
		if !v.Authoritative(p.Name, hosted) {
			return "", fmt.Errorf("%w: hd is %s, a domain that the provider %q is not configured for", ErrAddress, hosted, p.Name)
		}
		return hosted, nil
	}
	// Anybody can open a personal account at Google under an address of their company, and keep it when they leave.
	// Only hd says that the company manages the account.
	if IsGoogle(p.Issuer()) && domain != "gmail.com" && domain != "googlemail.com" {
		return "", fmt.Errorf("%w: %s is a personal account at Google (no hd), not one of the organisation", ErrAddress, email)
	}
	for _, listed := range p.Domains {
		if listed == domain && domain != "gmail.com" && domain != "googlemail.com" {
			return domain, nil
		}
	}
	return "", nil
}

// NewNumber is what somebody is called here whom nobody has vouched for before.
func NewNumber(p Provider, subject string) (string, error) {
	if !IsGoogle(p.Issuer()) {
		return directory.NewSubject(), nil
	}
	for i := range len(subject) {
		if subject[i] < '0' || subject[i] > '9' {
			return "", fmt.Errorf("%w: Google's subject is not a number", ErrSubject)
		}
	}
	return subject, nil
}
