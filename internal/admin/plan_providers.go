package admin

import (
	"context"
	"errors"
	"fmt"

	"github.com/gatehouse-iap/gatehouse/internal/audit"
	"github.com/gatehouse-iap/gatehouse/internal/identityprovider"
)

// providerTx is the part of a transaction that keeps identity providers.
type providerTx interface {
	Providers() identityprovider.Store
}

func storedProviders(ctx context.Context, tx Tx) (map[string]identityprovider.Provider, error) {
	stored := map[string]identityprovider.Provider{}
	with, ok := tx.(providerTx)
	if !ok {
		return stored, nil
	}
	providers, err := with.Providers().Providers(ctx)
	for _, p := range providers {
		stored[p.Name] = p
	}
	return stored, err
}

func (g *planning) providerChange(wanted identityprovider.Provider) (*Change, error) {
	if _, ok := g.tx.(providerTx); !ok {
		return nil, fmt.Errorf("%w: this server keeps no identity providers yet", ErrPrecondition)
	}
	change := &Change{Action: Created, After: &Document{Provider: &wanted}}
	if stored, found := g.stored[wanted.Name]; found {
		if sameJSON(stored, wanted) {
			return nil, nil
		}
		change.Action, change.Before = Updated, &Document{Provider: &stored}
	}
	change.write = func(ctx context.Context, tx Tx) (audit.Entry, error) {
		entry := audit.Entry{Action: "identityProviders.put", Target: wanted.Name}
		return entry, errors.Join(recordDocuments(&entry, change.Before, change.After), tx.(providerTx).Providers().PutProvider(ctx, wanted))
	}
	return change, nil
}

func (g *planning) providerRemoval(name string) *Change {
	stored, found := g.stored[name]
	if !found {
		return nil
	}
	return &Change{Before: &Document{Provider: &stored}, write: func(ctx context.Context, tx Tx) (audit.Entry, error) {
		entry := audit.Entry{Action: "identityProviders.delete", Target: name}
		return entry, errors.Join(recordChange(&entry, stored, nil), tx.(providerTx).Providers().DeleteProvider(ctx, name))
	}}
}
