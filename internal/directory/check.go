package directory

import (
	"crypto/rand"
	"fmt"
	"math/big"

	"github.com/gatehouse-iap/gatehouse/internal/principal"
)

// NewSubject draws the 21 digits that name an account for ever. They are drawn, never derived from the
// address, so that an address that changes hands does not carry its past along.
func NewSubject() string {
	low := new(big.Int).Exp(big.NewInt(10), big.NewInt(20), nil)
	span := new(big.Int).Mul(low, big.NewInt(9))
	n, err := rand.Int(rand.Reader, span)
	if err != nil { // crypto/rand does not fail
		panic(err)
	}
	return n.Add(n, low).String()
}

// Validate checks an account as it is about to be stored. Its errors wrap ErrInvalid.
func (a Account) Validate() error {
	canonical, err := principal.ParseAddress(a.Email)
	switch {
	case err != nil:
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	case canonical != a.Email:
		return fmt.Errorf("%w: address %q is not in canonical form (%q)", ErrInvalid, a.Email, canonical)
	case a.Kind != principal.User && a.Kind != principal.ServiceAccount:
		return fmt.Errorf("%w: account %s has kind %q, not user or serviceAccount", ErrInvalid, a.Email, a.Kind)
	case !isSubject(a.Subject):
		return fmt.Errorf("%w: account %s has subject %q, not 21 digits", ErrInvalid, a.Email, a.Subject)
	case a.Kind == principal.ServiceAccount && a.PasswordHash != "":
		return fmt.Errorf("%w: service account %s cannot have a password", ErrInvalid, a.Email)
	}
	if err := principal.CheckAttributes(a.Attributes); err != nil {
		return fmt.Errorf("%w: account %s: %w", ErrInvalid, a.Email, err)
	}
	if a.HostedDomain != "" {
		if domain, err := principal.ParseDomain(a.HostedDomain); err != nil || domain != a.HostedDomain {
			return fmt.Errorf("%w: account %s has hosted domain %q, which is not a lower-case domain", ErrInvalid, a.Email, a.HostedDomain)
		}
	}
	return nil
}

func isSubject(s string) bool {
	if len(s) != 21 || s[0] == '0' {
		return false
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

// Validate checks a group as it is about to be stored. Its errors wrap ErrInvalid.
func (g Group) Validate() error {
	if canonical, err := principal.ParseAddress(g.Email); err != nil || canonical != g.Email {
		return fmt.Errorf("%w: group address %q is not a canonical address", ErrInvalid, g.Email)
	}
	if len(g.Members) > MaxGroupMembers {
		return fmt.Errorf("%w: group %s has %d members; the limit is %d", ErrInvalid, g.Email, len(g.Members), MaxGroupMembers)
	}
	for _, member := range g.Members {
		canonical, err := principal.ParseAddress(member)
		switch {
		case err != nil:
			return fmt.Errorf("%w: group %s: %w", ErrInvalid, g.Email, err)
		case canonical != member:
			return fmt.Errorf("%w: group %s: member %q is not in canonical form (%q)", ErrInvalid, g.Email, member, canonical)
		case member == g.Email:
			return fmt.Errorf("%w: group %s cannot be its own member", ErrInvalid, g.Email)
		}
	}
	return nil
}
