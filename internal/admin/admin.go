package admin

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/audit"
	"github.com/gatehouse-iap/gatehouse/internal/sealing"
	"github.com/gatehouse-iap/gatehouse/internal/session"
)

// Admin is the policy administration point. Its fields are filled in by server before first use.
type Admin struct {
	Store Transactor
	// Settle waits until requests see everything up to a position of the change feed. It is nil only while the
	// server is being put together and nothing reads yet.
	Settle func(ctx context.Context, position int64) error
	// Keys seals the signing keys that are made here.
	Keys *sealing.Sealer
	// HashPassword returns the form in which a password is stored.
	HashPassword func(ctx context.Context, password string) (string, error)
	// CheckHash refuses what is no stored form of a password.
	CheckHash func(hash string) error
	// ValidateExpression refuses what is no expression of attribute propagation; nil refuses none.
	ValidateExpression func(expression string) error
	Decisions          DecisionReader
	Entries            EntryReader
	// UpstreamStates tells the state of each address of the applications; nil knows none.
	UpstreamStates func() []UpstreamAddress
	// Changed is closed when the store changes next; whoever follows the record waits for it.
	Changed func() <-chan struct{}

	ProjectID     string
	ProjectNumber int64
	// AuthURL is the auth host's URL, for key files.
	AuthURL string
	// TokenURL is where key files say that tokens are; empty for the auth host's own.
	TokenURL  string
	Lifetimes session.Lifetimes // when a stored session has ended; zero means session.DefaultLifetimes
	Now       func() time.Time
	Log       *slog.Logger
}

// DecisionReader reads the decision log.
type DecisionReader interface {
	// Find returns the decision, or audit.ErrNoDecision.
	Find(ctx context.Context, id audit.DecisionID) (audit.Decision, error)
	// Search reads the log; see audit.Log.
	Search(ctx context.Context, s audit.Search) error
	// Follow hears of every line from now on; see audit.Log.
	Follow(ctx context.Context, began func() error, visit func(line []byte, missed uint64) error) error
}

// EntryReader reads the administrative record.
type EntryReader interface {
	// Entries lists the newest entries first, at most limit.
	Entries(ctx context.Context, limit int) ([]audit.Entry, error)
	// FindEntries lists what a query selects, in its order.
	FindEntries(ctx context.Context, q audit.EntryQuery) ([]audit.Entry, error)
}

// settleTimeout bounds how long an answer waits for requests to see the change. They normally see it within
// the 50 ms that the snapshot's builder coalesces bursts.
const settleTimeout = 10 * time.Second

// System is the actor of what the server does by itself, such as "bootstrap".
func System(part string) audit.Actor { return audit.Actor{Kind: "system", Name: part} }

// change runs f as one transaction together with its audit entry, and returns once requests see the result.
// f may refine the entry. A change that is stored but not yet seen is an error of its own (ErrNotSettled), so
// that nobody relies on a revocation that does not count yet.
func (a *Admin) change(ctx context.Context, actor audit.Actor, action, target string, f func(Tx, *audit.Entry) error) error {
	if actor.Kind == "" || actor.Name == "" {
		return fmt.Errorf("%s %s: %w", action, target, errNoActor)
	}
	entry := &audit.Entry{Time: a.Now(), Actor: actor, Action: action, Target: target}
	position, err := a.Store.Do(ctx, entry, func(tx Tx) error { return f(tx, entry) })
	if err != nil {
		return err
	}
	a.Log.InfoContext(ctx, "administrative change", "action", entry.Action, "target", entry.Target,
		"actor", actor.Kind+":"+actor.Name, "position", position)
	if a.Settle == nil {
		return nil
	}
	settle, cancel := context.WithTimeout(ctx, settleTimeout)
	defer cancel()
	if err := a.Settle(settle, position); err != nil {
		return fmt.Errorf("%w (position %d): %w", ErrNotSettled, position, err)
	}
	return nil
}

// record returns the JSON of a public form for the audit entry.
func record(v any) (json.RawMessage, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("writing the audit entry: %w", err)
	}
	return b, nil
}

// recordChange fills in what was there before and what is there now; nil means nothing.
func recordChange(entry *audit.Entry, before, after any) (err error) {
	if before != nil {
		if entry.Before, err = record(before); err != nil {
			return err
		}
	}
	if after != nil {
		entry.After, err = record(after)
	}
	return err
}
