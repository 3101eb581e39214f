// Package issuer owns signing keys: it mints, seals, rotates and publishes them, and signs assertions and
// ID tokens with them. One purpose, one key set.
package issuer

import (
	"context"
	"errors"
	"time"
)

// Purpose separates key sets: a key of one purpose signs nothing of another.
type Purpose string

// The purposes that have keys.
const (
	Assertion Purpose = "assertion" // ES256, published at /iap/verify/*
	IDToken   Purpose = "id-token"  // RS256, published as the auth host's JWKS
)

// Key is a stored signing key. Its state follows from these times alone, so that it survives any restart.
type Key struct {
	ID      string  `json:"id"`
	Purpose Purpose `json:"purpose"`
	// Sealed is the private key, PKCS #8, sealed under purpose and id.
	Sealed []byte `json:"-"`
	// Public is the public key, PKIX DER.
	Public []byte `json:"public"`

	Created time.Time `json:"created"` // published from here on
	// SignFrom is when the key starts to sign.
	SignFrom time.Time `json:"signFrom"`
	// SignUntil is when its successor takes over; zero while none is planned.
	SignUntil time.Time `json:"signUntil,omitzero"`
	// PublishUntil is when verifiers stop seeing it; zero while it may still sign.
	PublishUntil time.Time `json:"publishUntil,omitzero"`
	// Revoked is when it was withdrawn at once; zero otherwise.
	Revoked time.Time `json:"revoked,omitzero"`
}

// State is where a key is in its life.
type State string

// The states of a key.
const (
	Next    State = "next"    // published, not yet signing
	Active  State = "active"  // signing
	Retired State = "retired" // no longer signing, still published
	Gone    State = "gone"    // no longer published
	Revoked State = "revoked" // withdrawn
)

// State returns the key's state at a moment.
func (k Key) State(now time.Time) State {
	switch {
	case !k.Revoked.IsZero():
		return Revoked
	case now.Before(k.SignFrom):
		return Next
	case k.SignUntil.IsZero() || now.Before(k.SignUntil):
		return Active
	case k.PublishUntil.IsZero() || now.Before(k.PublishUntil):
		return Retired
	default:
		return Gone
	}
}

// ErrNotFound reports an unknown key id.
var ErrNotFound = errors.New("no such key")

// Reader is what the snapshot reads.
type Reader interface {
	// Keys returns all keys that are not yet gone for good, oldest first.
	Keys(ctx context.Context) ([]Key, error)
}

// Store is what rotation reads and writes.
type Store interface {
	Reader
	// PutKey creates the key or replaces its times. The id is unique over all purposes.
	PutKey(ctx context.Context, key Key) error
}
