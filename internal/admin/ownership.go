package admin

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// Owner says which manifest a thing belongs to. Only that manifest may change it.
type Owner struct {
	Kind   Kind   `json:"kind"`
	Key    string `json:"key"`    // resource name, name or address
	Source string `json:"source"` // such as the path of the file
	Name   string `json:"name"`   // metadata.name of its document
	// Declares lists the fields that the manifest decides on although it could have left them to commands.
	Declares []string `json:"declares,omitempty"`
}

// OwnerStore keeps which manifest owns what.
type OwnerStore interface {
	// Owners lists all of them, ordered by kind and key.
	Owners(ctx context.Context) ([]Owner, error)
	// Owner returns that of one thing, and whether it has one.
	Owner(ctx context.Context, kind Kind, key string) (Owner, bool, error)
	// PutOwner makes or replaces it.
	PutOwner(ctx context.Context, owner Owner) error
	// DeleteOwner leaves the thing without an owner; it may have been without one.
	DeleteOwner(ctx context.Context, kind Kind, key string) error
}

// ownerKey names a thing that may have an owner.
type ownerKey struct {
	kind Kind
	key  string
}

// ErrOwned is wrapped by refusals to change by other ways what a manifest owns.
var ErrOwned = errors.New("it belongs to a manifest")

// free refuses to change what a manifest owns. fields are those about to change; none means all of it.
func free(ctx context.Context, tx Tx, kind Kind, key string, fields ...string) error {
	owner, owned, err := tx.Owners().Owner(ctx, kind, key)
	if err != nil || !owned {
		return err
	}
	if len(fields) > 0 && !slices.ContainsFunc(fields, func(field string) bool { return slices.Contains(owner.Declares, field) }) {
		return nil
	}
	what := "it"
	if len(fields) > 0 {
		what = fields[0]
	}
	return fmt.Errorf("%s %s: %w, %s: change %s there and apply it", kind, key, ErrOwned, owner.Source, what)
}
