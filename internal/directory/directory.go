// Package directory owns local accounts and groups: who exists, who is suspended, who belongs to which group.
// It does not check passwords (signin/password) and grants nothing (policy).
package directory

import (
	"context"
	"errors"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/principal"
)

// Account is a local user or service account.
type Account struct {
	Kind principal.Kind `json:"kind"`
	// Email is the canonical address and the account's key.
	Email string `json:"email"`
	// Subject is 21 digits, drawn once and never changed (NewSubject).
	Subject string `json:"subject"`
	// HostedDomain is the organisation's domain, empty for unmanaged accounts.
	HostedDomain string `json:"hostedDomain,omitempty"`
	DisplayName  string `json:"displayName,omitempty"`
	// PasswordHash is an argon2id PHC string; empty when the account cannot sign in by password.
	PasswordHash string    `json:"passwordHash,omitempty"`
	Disabled     bool      `json:"disabled,omitempty"`
	Created      time.Time `json:"created"`
	// Attributes are what applications may be told about the person, in order of their names.
	Attributes []principal.Attribute `json:"attributes,omitempty"`
}

// Identity returns whom a session or token of the account speaks for.
func (a Account) Identity() principal.Identity {
	return principal.Identity{
		Kind: a.Kind, Provider: LocalProvider, Subject: a.Subject, Email: a.Email, HostedDomain: a.HostedDomain,
	}
}

// LocalProvider is the provider name of accounts in this directory.
const LocalProvider = "local"

// Group is a local group. Members are addresses of accounts or of other groups.
type Group struct {
	Email       string   `json:"email"`
	Description string   `json:"description,omitempty"`
	Members     []string `json:"members"`
}

// MaxGroupMembers bounds one group.
const MaxGroupMembers = 1_000_000

// ErrNotFound reports an account or group that is not in the directory.
var ErrNotFound = errors.New("not in the directory")

// ErrExists reports an address that is already taken.
var ErrExists = errors.New("already in the directory")

// ErrInvalid is wrapped by every refusal of an account or group.
var ErrInvalid = errors.New("invalid directory entry")

// Reader is what snapshot and sign-in read.
type Reader interface {
	Accounts(ctx context.Context) ([]Account, error) // ordered by address
	Account(ctx context.Context, email string) (Account, error)
	Groups(ctx context.Context) ([]Group, error) // ordered by address
	Group(ctx context.Context, email string) (Group, error)
}

// Store is what administration reads and writes.
type Store interface {
	Reader
	CreateAccount(ctx context.Context, account Account) error // ErrExists
	UpdateAccount(ctx context.Context, account Account) error // ErrNotFound; Subject and Kind cannot change
	DeleteAccount(ctx context.Context, email string) error    // ErrNotFound
	PutGroup(ctx context.Context, group Group) error          // creates or replaces
	DeleteGroup(ctx context.Context, email string) error      // ErrNotFound
}
