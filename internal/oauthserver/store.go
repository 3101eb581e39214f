// Package oauthserver gives tokens to programs: the authorization, token and revocation endpoints of the auth host
// (RFC 6749, 7523, 7636, 8252, 7009, 9207), its codes, grants and opaque access tokens. It signs nobody in (signin), signs
// no ID token (issuer) and does not say who may use an application (policy).
package oauthserver

import (
	"context"
	"errors"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/session"
)

// Hash is by what the store knows a code or a refresh token: SHA-256 of 256 random bits.
type Hash [32]byte

// Code is what a person has agreed to, until the program fetches it.
type Code struct {
	Hash        Hash
	Session     session.ID // of the auth host
	Client      string
	RedirectURI string
	Challenge   string // PKCE, S256
	Scope       string
	Nonce       string
	Offline     bool // a refresh token is asked for
	Expires     time.Time
}

// GrantID names a grant.
type GrantID [16]byte

// Grant is what a program holds by a person's consent. It goes with the person's session at the auth host.
type Grant struct {
	ID       GrantID
	Session  session.ID
	Client   string
	Scope    string
	CodeHash Hash
	Refresh  Hash // of the refresh token; zero for none
	Created  time.Time
	Expires  time.Time
}

// ErrGone reports a code, grant or refresh token that is not there, not any more, or was never made.
var ErrGone = errors.New("it is not known, was used, was revoked or has expired")

// Store keeps codes and grants. Both go with their session.
type Store interface {
	// PutCode stores a code; session.ErrNotFound when its session has ended. A session has a bounded number of them.
	PutCode(ctx context.Context, code Code) error
	// RedeemCode uses a code up, whatever comes of it, and stores the grant that f makes of it. A code that was used
	// before ends what it was used for. The error is ErrGone, that of f, or the store's.
	RedeemCode(ctx context.Context, hash Hash, now time.Time, f func(Code, session.Record) (Grant, error)) error
	// Grant returns a grant by its id or, where that is zero, by the hash of its refresh token, with its session; ErrGone.
	Grant(ctx context.Context, id GrantID, refresh Hash) (Grant, session.Record, error)
	// EndGrant removes a grant; one that is not there is no error.
	EndGrant(ctx context.Context, id GrantID) error
}
