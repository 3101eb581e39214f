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
	person, err := b.Check(ctx, *p.LDAP, email, password)
	if err != nil {
		return signin.Vouched{}, err
	}
	// The directory holds the address itself: whoever may write that attribute says whose it is.
	return signin.Vouched{Subject: person.Subject, Email: person.Email, EmailVerified: true, Groups: person.Groups, AMR: []string{"pwd"}}, nil
}
