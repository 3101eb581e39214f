// Package signin takes a person from an application to the auth host and back: it chooses how to sign in,
// opens sessions, and hands them over by one-time tokens bound to one browser. Methods of proving who one is
// (password/) are siblings that do not know each other.
package signin

import (
	"context"
	"errors"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/directory"
	"github.com/gatehouse-iap/gatehouse/internal/identityprovider"
	"github.com/gatehouse-iap/gatehouse/internal/resource"
	"github.com/gatehouse-iap/gatehouse/internal/session"
)

// Handoff is the record behind one redirect token. The token itself is never stored, only its hash.
type Handoff struct {
	TokenHash   [32]byte
	BrowserHash [32]byte // hash of the secret in the browser's __Host-GCP_IAP_XSRF_ cookie
	Host        string   // the application host, with port where it has one
	Resource    resource.Name
	Parent      session.ID // the auth-host session
	OriginURL   string     // where the person was going
	Expires     time.Time  // 60 s after it was made
}

// ErrHandoff reports a redirect token that is unknown, used, expired, or meant for another host, resource or
// browser. Which of these is not said.
var ErrHandoff = errors.New("redirect token refused")

// HandoffStore keeps redirect tokens.
type HandoffStore interface {
	// PutHandoff stores a token. A session has a bounded number of them; the oldest makes room.
	PutHandoff(ctx context.Context, h Handoff) error
	// ConsumeHandoff removes and returns the one record that matches token, browser, host and resource and has
	// not expired, in one atomic write; otherwise ErrHandoff, and nothing is removed. It also clears expired ones.
	ConsumeHandoff(ctx context.Context, token, browser [32]byte, host string, name resource.Name, now time.Time) (Handoff, error)
}

// AccountReader reads local accounts as they are stored, which requests may see a little later.
type AccountReader interface {
	// Account returns the account of a canonical address, or directory.ErrNotFound.
	Account(ctx context.Context, email string) (directory.Account, error)
}

// Tx is one transaction of sign-in.
type Tx interface {
	Accounts() AccountReader
	Sessions() session.Store
	Handoffs() HandoffStore
	Links() identityprovider.Linker
	Providers() identityprovider.Reader
	Rechecks() RecheckStore
}

// Transactor runs sign-in's transactions: what f did is committed when it returns nil, else undone.
type Transactor interface {
	SignIn(ctx context.Context, f func(Tx) error) error
}
