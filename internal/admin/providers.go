package admin

import (
	"context"
	"errors"
	"fmt"

	"github.com/gatehouse-iap/gatehouse/internal/audit"
	"github.com/gatehouse-iap/gatehouse/internal/identityprovider"
	"github.com/gatehouse-iap/gatehouse/internal/session"
)

// Providers lists the identity providers, by name. Without any, the local directory vouches for everybody.
func (a *Admin) Providers(ctx context.Context) (providers []identityprovider.Provider, err error) {
	err = a.Store.View(ctx, func(tx Tx) error {
		providers, err = tx.Providers().Providers(ctx)
		return err
	})
	return providers, err
}

// PutProvider creates or replaces an identity provider. It must fit the others. Sessions that nobody may vouch for
// any more end, and all that it vouched for when it is another issuer by now.
func (a *Admin) PutProvider(ctx context.Context, actor audit.Actor, provider identityprovider.Provider) error {
	if err := provider.Validate(); err != nil {
		return err
	}
	return a.change(ctx, actor, "identityProviders.put", provider.Name, func(tx Tx, entry *audit.Entry) error {
		return putProvider(ctx, tx, entry, provider)
	})
}

func putProvider(ctx context.Context, tx Tx, entry *audit.Entry, provider identityprovider.Provider) error {
	if err := free(ctx, tx, KindIdentityProvider, provider.Name); err != nil {
		return err
	}
	providers, err := tx.Providers().Providers(ctx)
	if err != nil {
		return err
	}
	for _, before := range providers {
		if before.Name != provider.Name {
			continue
		}
		if err := recordChange(entry, before, nil); err != nil {
			return err
		}
		if before.Issuer() != provider.Issuer() {
			if _, err := tx.Sessions().EndSessions(ctx, session.Filter{Provider: provider.Name}); err != nil {
				return err
			}
		}
	}
	return errors.Join(recordChange(entry, nil, provider), tx.Providers().PutProvider(ctx, provider), settleProviders(ctx, tx))
}

// DeleteProvider removes an identity provider and ends the sessions that it vouched for.
func (a *Admin) DeleteProvider(ctx context.Context, actor audit.Actor, name string) error {
	return a.change(ctx, actor, "identityProviders.delete", name, func(tx Tx, entry *audit.Entry) error {
		if err := free(ctx, tx, KindIdentityProvider, name); err != nil {
			return err
		}
		providers, err := tx.Providers().Providers(ctx)
		if err != nil {
			return err
		}
		for _, before := range providers {
			if before.Name == name {
				return errors.Join(recordChange(entry, before, nil), tx.Providers().DeleteProvider(ctx, name), settleProviders(ctx, tx))
			}
		}
		return fmt.Errorf("%q: %w", name, identityprovider.ErrNotFound)
	})
}

// settleProviders closes a transaction that has changed providers: they must fit together, and sessions of people
// for whom nobody may vouch now end.
func settleProviders(ctx context.Context, tx Tx) error {
	providers, err := tx.Providers().Providers(ctx)
	if err != nil {
		return err
	}
	if err := identityprovider.ValidateAll(providers); err != nil {
		return err
	}
	view := identityprovider.NewView(providers)
	sessions, err := tx.Sessions().Sessions(ctx, session.Filter{})
	if err != nil {
		return err
	}
	for _, one := range sessions {
		if !one.Parent.IsZero() || view.Vouches(one.Identity) {
			continue // those of applications end with their parent
		}
		if _, err := tx.Sessions().EndSessions(ctx, session.Filter{ID: one.ID}); err != nil {
			return err
		}
	}
	return nil
}
