package identityprovider

import (
	"context"
	"errors"
	"time"
)

// Link ties the person that an issuer calls Subject to the number that names them here. Issuer and subject are the
// identity: an address never links anybody.
type Link struct {
	Issuer  string `json:"issuer"`
	Subject string `json:"subject"` // as the issuer says it
	// Number is what assertions have as sub, 21 digits: Google's own where the issuer is Google, else drawn once.
	Number     string    `json:"number"`
	Email      string    `json:"email"` // canonical, of the last sign-in
	Created    time.Time `json:"created"`
	LastSignIn time.Time `json:"lastSignIn"`
}

// ErrNumberTaken reports a number that names somebody else here.
var ErrNumberTaken = errors.New("the number belongs to somebody else here")

// ErrNoLink reports that nobody with that issuer and subject has ever signed in.
var ErrNoLink = errors.New("nobody of that provider has signed in under that name")

// Linker is what sign-in needs of stored links.
type Linker interface {
	// Link stores the link when its issuer and subject have none yet, else notes address and time of this sign-in
	// and keeps the stored number. It returns what is stored then. ErrNumberTaken when a new link's number is
	// that of another link or account.
	Link(ctx context.Context, link Link) (Link, error)
}

// LinkStore is what administration reads and writes of links.
type LinkStore interface {
	// Links lists the links whose last sign-in was under an address, by issuer and subject; all for an empty one.
	Links(ctx context.Context, email string) ([]Link, error)
	PutLink(ctx context.Context, link Link) error                 // creates or replaces; ErrNumberTaken
	DeleteLink(ctx context.Context, issuer, subject string) error // ErrNoLink
}

// Issuer is what stands for the provider in links: the issuer of OpenID Connect, and for others a name of our own.
func (p Provider) Issuer() string {
	if p.OIDC != nil {
		return p.OIDC.Issuer
	}
	return string(p.Kind) + ":" + p.Name
}
