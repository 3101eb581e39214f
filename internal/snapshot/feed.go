// Package snapshot owns the view that a request reads, and the one goroutine that rebuilds it from the change
// feed. Everything in a Snapshot is immutable; successive ones share what did not change.
package snapshot

import (
	"context"

	"github.com/gatehouse-iap/gatehouse/internal/catalog"
	"github.com/gatehouse-iap/gatehouse/internal/directory"
	"github.com/gatehouse-iap/gatehouse/internal/identityprovider"
	"github.com/gatehouse-iap/gatehouse/internal/issuer"
	"github.com/gatehouse-iap/gatehouse/internal/policy/iam"
	"github.com/gatehouse-iap/gatehouse/internal/settings"
)

// ChangeKind says what sort of thing a change is about.
type ChangeKind string

// The kinds of change, each with what its key is.
const (
	ServiceChanged    ChangeKind = "service"    // resource name
	PolicyChanged     ChangeKind = "policy"     // resource name
	SettingsChanged   ChangeKind = "settings"   // resource name
	AccountChanged    ChangeKind = "account"    // canonical address
	GroupChanged      ChangeKind = "group"      // canonical address
	AccountKeyChanged ChangeKind = "accountKey" // id of a service account's key
	KeyChanged        ChangeKind = "key"        // key id
	ProviderChanged   ChangeKind = "provider"   // name of an identity provider
	SessionEnded      ChangeKind = "session"    // session id, hexadecimal
	EntryOnly         ChangeKind = "entry"      // an administrative entry without a change that requests read
)

// Change is one row of the change feed. Commit order is Seq order.
type Change struct {
	Seq  int64
	Kind ChangeKind
	Key  string
}

// View is one consistent reading of the store.
type View interface {
	// Position is the Seq of the last committed change; 0 for an empty store.
	Position(ctx context.Context) (int64, error)
	// Changes lists changes after a position, in order.
	Changes(ctx context.Context, after int64) ([]Change, error)
	Catalog() catalog.Reader
	Policies() iam.Reader
	Settings() settings.Reader
	Directory() directory.Reader
	AccountKeys() directory.AccountKeyReader
	Keys() issuer.Reader
	Providers() identityprovider.Reader
}

// Source is the store as the builder sees it.
type Source interface {
	// Read runs f on one consistent reading.
	Read(ctx context.Context, f func(View) error) error
}
