// Package session owns sessions: their records, the cookie that names one, the table of live ones, and
// revocation. It does not sign anybody in (signin) and judges nothing (policy).
package session

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/principal"
	"github.com/gatehouse-iap/gatehouse/internal/resource"
)

// ID names a session: 128 random bits.
type ID [16]byte

// NewID draws a session id.
func NewID() ID {
	var id ID
	rand.Read(id[:]) // never fails (crypto/rand)
	return id
}

// String returns the id in hexadecimal, as commands show it.
func (id ID) String() string { return hex.EncodeToString(id[:]) }

// ParseID reads what String wrote.
func ParseID(s string) (ID, error) {
	var id ID
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != len(id) {
		return ID{}, fmt.Errorf("session id %q is not 32 hexadecimal digits", s)
	}
	copy(id[:], b)
	return id, nil
}

// IsZero reports whether the id names no session.
func (id ID) IsZero() bool { return id == ID{} }

// Record is one session: of the auth host (Resource empty), or of one application, child of the former.
type Record struct {
	ID       ID
	Parent   ID            // the auth-host session; zero for one of the auth host itself
	Resource resource.Name // the application's resource; empty for the auth host
	Identity principal.Identity
	// Groups are canonical addresses of groups that the provider's claims name, as of Checked.
	Groups []string
	// Attributes are what the provider says besides, as of Checked; those of local accounts stand in the directory.
	Attributes []principal.Attribute
	AMR        []string  // RFC 8176: how the person proved who they are
	ACR        string    // how strongly, in the provider's words
	AuthTime   time.Time // when they did; zero where the provider does not say
	Created    time.Time
	Expires    time.Time // absolute end
	LastSeen   time.Time // written in batches
	// Checked is when the identity provider last confirmed the person; zero where nobody has to be asked again.
	Checked time.Time
	// AskAfter is when the provider is to be asked again; zero as Checked.
	AskAfter time.Time
	// Silent says that there is no refresh token: only a sign-in that asks the person nothing can confirm them.
	Silent bool
	// AtProvider is what the identity provider calls the person; sessions of applications leave it to their parent.
	AtProvider AtProvider
	// Programs is how many programs hold a refresh token that this sign-in gave them. The store counts them, and keeps
	// the session for them however long the browser has been idle.
	Programs int
}

// AtProvider is a person as their identity provider knows them.
type AtProvider struct {
	Subject string
	Session string // the claim sid; empty where the provider does not tell its sessions apart
	Tokens  []byte // what asking again and signing out need, sealed
}

// Lifetimes bounds sessions in time.
type Lifetimes struct {
	Absolute time.Duration // from sign-in to the end, whatever happens
	Idle     time.Duration // from the last request to the end
}

// DefaultLifetimes last a working day, and no longer than a break when nobody is there.
func DefaultLifetimes() Lifetimes { return Lifetimes{Absolute: 16 * time.Hour, Idle: time.Hour} }

// Live reports whether the session may still be used at a moment.
func (r *Record) Live(now time.Time, l Lifetimes) bool {
	return now.Before(r.Expires) && now.Before(r.LastSeen.Add(l.Idle))
}

const (
	// ConfirmEvery is how often an identity provider is asked whether a person is still signed in there.
	ConfirmEvery = 10 * time.Minute
	// ConfirmGrace is how long a session goes on when the provider does not answer.
	ConfirmGrace = time.Hour
)

// Unconfirmed reports whether the identity provider has not confirmed the person for so long that the session is over.
func (r *Record) Unconfirmed(now time.Time) bool {
	return !r.Checked.IsZero() && !now.Before(r.Checked.Add(ConfirmEvery+ConfirmGrace))
}

// Ask reports whether the next navigation is to take the browser by the identity provider, which can be asked in no
// other way.
func (r *Record) Ask(now time.Time) bool {
	return r.Silent && !r.AskAfter.IsZero() && !now.Before(r.AskAfter)
}

// Seen says when a session was last used.
type Seen struct {
	ID   ID
	Time time.Time
}

// Filter selects sessions; zero fields select all.
type Filter struct {
	ID       ID     // the session itself and its children
	Email    string // canonical address
	Provider string // name of the identity provider that vouches
	// What the provider calls the person, or the person's session there.
	ProviderSubject, ProviderSession string
}

// ErrNotFound reports a session that does not exist, or no longer.
var ErrNotFound = errors.New("no such session")

// Store is what sign-in, the table and administration need of stored sessions.
type Store interface {
	// OpenSession stores a new session. A child whose parent is gone is refused with ErrNotFound.
	OpenSession(ctx context.Context, record Record) error
	// Session returns a stored session, or ErrNotFound.
	Session(ctx context.Context, id ID) (Record, error)
	// Sessions lists stored sessions, newest first.
	Sessions(ctx context.Context, filter Filter) ([]Record, error)
	// EndSessions removes the selected sessions with their children and returns the ids that were removed.
	// An empty filter ends all.
	EndSessions(ctx context.Context, filter Filter) ([]ID, error)
	// TouchSessions writes last-seen times and removes sessions that ended before now by the given lifetimes.
	TouchSessions(ctx context.Context, seen []Seen, now time.Time, lifetimes Lifetimes) error
}
