package admin

import (
	"context"
	"errors"

	"github.com/gatehouse-iap/gatehouse/internal/audit"
	"github.com/gatehouse-iap/gatehouse/internal/identityprovider"
	"github.com/gatehouse-iap/gatehouse/internal/session"
)

// checkProviders checks that the providers of documents fit together and to those that stay.
func (g *planning) checkProviders() {
	providers, documents := g.resolver.providers()
	if len(documents) == 0 {
		return
	}
	for _, p := range g.providers {
		key := ownerKey{KindIdentityProvider, p.Name}
		if !g.declared[key] && !g.removed[key] {
			providers = append(providers, p)
		}
	}
	g.compareProviders(providers, documents)
}

func (g *planning) providerChange(wanted identityprovider.Provider) *Change {
	change := &Change{Action: Created, After: &Document{Provider: &wanted}}
	stored, found := g.providers[wanted.Name]
	if found {
		if sameJSON(stored, wanted) {
			return nil
		}
		change.Action, change.Before = Updated, &Document{Provider: &stored}
	}
	g.plan.providers = true
	change.write = func(ctx context.Context, tx Tx) (audit.Entry, error) {
		entry := audit.Entry{Action: "identityProviders.put", Target: wanted.Name}
		if found && stored.Issuer() != wanted.Issuer() { // whom it vouched for are others' people now
			if _, err := tx.Sessions().EndSessions(ctx, session.Filter{Provider: wanted.Name}); err != nil {
				return entry, err
			}
		}
		return entry, errors.Join(recordDocuments(&entry, change.Before, change.After), tx.Providers().PutProvider(ctx, wanted))
	}
	return change
}

func (g *planning) providerRemoval(name string) *Change {
	stored, found := g.providers[name]
	if !found {
		return nil
	}
	g.plan.providers = true
	return &Change{Before: &Document{Provider: &stored}, write: func(ctx context.Context, tx Tx) (audit.Entry, error) {
		entry := audit.Entry{Action: "identityProviders.delete", Target: name}
		return entry, errors.Join(recordChange(&entry, stored, nil), tx.Providers().DeleteProvider(ctx, name))
	}}
}
