package ldapbind

import (
	"context"
	"fmt"

	"github.com/gatehouse-iap/gatehouse/internal/identityprovider"
	"github.com/gatehouse-iap/gatehouse/internal/signin"
)

var _ signin.PasswordSource = (*Binder)(nil)

// CheckPassword lets sign-in check passwords at providers of kind ldap.
func (b *Binder) CheckPassword(ctx context.Context, p identityprovider.Provider, email, password string) (signin.Vouched, error) {
	if p.LDAP == nil {
		return signin.Vouched{}, fmt.Errorf("%w: the provider %q has no part ldap", ErrMisconfigured, p.Name)
	}
	person, err := b.Check(ctx, *p.LDAP, email, password, p.Attributes...)
	if err != nil {
		return signin.Vouched{}, err
	}
	return vouched(person, "pwd"), nil
}

// AskAgain lets sign-in ask who has an address now. Whoever the filter does not find has left, or is switched off.
func (b *Binder) AskAgain(ctx context.Context, p identityprovider.Provider, email string) (signin.Vouched, error) {
	if p.LDAP == nil {
		return signin.Vouched{}, fmt.Errorf("%w: the provider %q has no part ldap", ErrMisconfigured, p.Name)
	}
	person, err := b.Lookup(ctx, *p.LDAP, email, p.Attributes...)
	if err != nil {
		return signin.Vouched{}, err
	}
	return vouched(person), nil
}

// vouched is a person in sign-in's words. The directory holds the address itself: whoever may write that attribute says
// whose it is.
func vouched(person Person, amr ...string) signin.Vouched {
	return signin.Vouched{
		Subject: person.Subject, Email: person.Email, EmailVerified: true, Groups: person.Groups, Attributes: person.Attributes, AMR: amr, Refreshable: true,
	}
}
