// Package admin is the policy administration point: the one place that writes configuration. Every change is
// one transaction with its audit entry, and is answered only once requests see it.
package admin

import (
	"context"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/audit"
	"github.com/gatehouse-iap/gatehouse/internal/catalog"
	"github.com/gatehouse-iap/gatehouse/internal/directory"
	"github.com/gatehouse-iap/gatehouse/internal/identityprovider"
	"github.com/gatehouse-iap/gatehouse/internal/issuer"
	"github.com/gatehouse-iap/gatehouse/internal/policy/iam"
	"github.com/gatehouse-iap/gatehouse/internal/session"
	"github.com/gatehouse-iap/gatehouse/internal/settings"
)

// Tx is one administrative transaction: the owners' stores bound to it.
type Tx interface {
	Catalog() catalog.Store
	Policies() iam.Store
	Settings() settings.Store
	Directory() directory.Store
	AccountKeys() directory.AccountKeyStore
	Keys() issuer.Store
	Sessions() session.Store
	Providers() identityprovider.Store
	Links() identityprovider.LinkStore
	Owners() OwnerStore
	// Record writes the entry of one change where the transaction makes several. Do's own entry, written last, is
	// about the whole.
	Record(ctx context.Context, entry audit.Entry) error
	// ExpireEntries deletes the entries from before a moment, and says how many.
	ExpireEntries(ctx context.Context, before time.Time) (int64, error)
}

// Transactor runs administrative transactions and reads.
type Transactor interface {
	// Do runs f, writes entry (whose Before and After f may fill in) and commits; when f returns an error,
	// nothing is written. It returns the position of the change feed after the commit.
	Do(ctx context.Context, entry *audit.Entry, f func(Tx) error) (position int64, err error)
	// View runs f on one consistent reading; writes through its stores fail.
	View(ctx context.Context, f func(Tx) error) error
}
