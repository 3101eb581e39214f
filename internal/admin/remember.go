package admin

import (
	"context"
	"errors"
	"slices"

	"github.com/gatehouse-iap/gatehouse/internal/audit"
	"github.com/gatehouse-iap/gatehouse/internal/catalog"
	"github.com/gatehouse-iap/gatehouse/internal/directory"
	"github.com/gatehouse-iap/gatehouse/internal/identityprovider"
	"github.com/gatehouse-iap/gatehouse/internal/policy/iam"
	"github.com/gatehouse-iap/gatehouse/internal/resource"
	"github.com/gatehouse-iap/gatehouse/internal/session"
	"github.com/gatehouse-iap/gatehouse/internal/settings"
)

// remembered is everything that is administered, as it was at a moment. Signing keys are not of it: verifiers hold
// copies, which no restoring takes back.
type remembered struct {
	services  []catalog.Service
	policies  map[resource.Name]iam.Policy
	settings  map[resource.Name]settings.Stored
	accounts  []directory.Account
	groups    []directory.Group
	providers []identityprovider.Provider
	owners    []Owner
}

// Remember notes everything that is administered and returns what brings it back, as one change: sessions end, and
// what has come since is gone. It is for development; production has backups.
func (a *Admin) Remember(ctx context.Context) (restore func(ctx context.Context, actor audit.Actor) error, err error) {
	var was remembered
	if err := a.Store.View(ctx, func(tx Tx) error { was, err = readAll(ctx, tx); return err }); err != nil {
		return nil, err
	}
	return func(ctx context.Context, actor audit.Actor) error {
		return a.change(ctx, actor, "everything.restore", "-", func(tx Tx, entry *audit.Entry) error {
			is, err := readAll(ctx, tx)
			if err != nil {
				return err
			}
			return errors.Join(restoreAll(ctx, tx, was, is), recordChange(entry, nil, map[string]int{
				"services": len(was.services), "policies": len(was.policies), "accounts": len(was.accounts),
				"groups": len(was.groups), "providers": len(was.providers),
			}))
		})
	}, nil
}

func readAll(ctx context.Context, tx Tx) (r remembered, err error) {
	var errs [7]error
	r.services, errs[0] = tx.Catalog().Services(ctx)
	r.policies, errs[1] = tx.Policies().Policies(ctx)
	r.accounts, errs[2] = tx.Directory().Accounts(ctx)
	r.groups, errs[3] = tx.Directory().Groups(ctx)
	r.providers, errs[4] = tx.Providers().Providers(ctx)
	r.owners, errs[5] = tx.Owners().Owners(ctx)
	r.settings, errs[6] = tx.Settings().AllSettings(ctx)
	return r, errors.Join(errs[:]...)
}

func restoreAll(ctx context.Context, tx Tx, was, is remembered) error {
	if _, err := tx.Sessions().EndSessions(ctx, session.Filter{}); err != nil {
		return err
	}
	return errors.Join(
		restoreDirectory(ctx, tx.Directory(), was, is),
		restoreServices(ctx, tx, was, is),
		restoreSettings(ctx, tx.Settings(), was, is),
		restoreProviders(ctx, tx, was, is),
		restoreOwners(ctx, tx.Owners(), was, is),
	)
}

// restoreDirectory removes first, so that an address that was a group's and is an account's now is free.
func restoreDirectory(ctx context.Context, store directory.Store, was, is remembered) error {
	for _, account := range is.accounts {
		if !slices.ContainsFunc(was.accounts, func(a directory.Account) bool { return sameAccount(a, account) }) {
			if err := store.DeleteAccount(ctx, account.Email); err != nil {
				return err
			}
		}
	}
	for _, group := range is.groups {
		if !slices.ContainsFunc(was.groups, func(g directory.Group) bool { return g.Email == group.Email }) {
			if err := store.DeleteGroup(ctx, group.Email); err != nil {
				return err
			}
		}
	}
	for _, account := range was.accounts {
		put := store.CreateAccount
		if slices.ContainsFunc(is.accounts, func(a directory.Account) bool { return sameAccount(a, account) }) {
			put = store.UpdateAccount
		}
		if err := put(ctx, account); err != nil {
			return err
		}
	}
	for _, group := range was.groups {
		if err := store.PutGroup(ctx, group); err != nil {
			return err
		}
	}
	return nil
}

// sameAccount reports whether one can become the other by an update.
func sameAccount(a, b directory.Account) bool {
	return a.Email == b.Email && a.Subject == b.Subject && a.Kind == b.Kind
}

func restoreServices(ctx context.Context, tx Tx, was, is remembered) error {
	for name := range is.policies {
		if _, found := was.policies[name]; !found { // emptied: its row stays, so that its etag does not come again
			if _, err := tx.Policies().PutPolicy(ctx, name, iam.Policy{Version: 1}, ""); err != nil {
				return err
			}
		}
	}
	for _, service := range is.services {
		if !slices.ContainsFunc(was.services, func(s catalog.Service) bool { return s.Service.Name() == service.Service.Name() }) {
			if err := tx.Catalog().DeleteService(ctx, service.Service.Name()); err != nil {
				return err
			}
		}
	}
	for _, service := range was.services {
		if err := tx.Catalog().PutService(ctx, service); err != nil {
			return err
		}
	}
	for name, policy := range was.policies {
		if now, found := is.policies[name]; found && now.Etag == policy.Etag {
			continue
		}
		policy.Etag = ""
		if _, err := tx.Policies().PutPolicy(ctx, name, policy, ""); err != nil {
			return err
		}
	}
	return nil
}

func restoreSettings(ctx context.Context, store settings.Store, was, is remembered) error {
	for name, now := range is.settings {
		if before, found := was.settings[name]; !found || before.Etag != now.Etag {
			if _, err := store.PutSettings(ctx, name, before.Settings, ""); err != nil {
				return err
			}
		}
	}
	return nil
}

func restoreProviders(ctx context.Context, tx Tx, was, is remembered) error {
	for _, provider := range is.providers {
		if !slices.ContainsFunc(was.providers, func(p identityprovider.Provider) bool { return p.Name == provider.Name }) {
			if err := tx.Providers().DeleteProvider(ctx, provider.Name); err != nil {
				return err
			}
		}
	}
	for _, provider := range was.providers {
		if err := tx.Providers().PutProvider(ctx, provider); err != nil {
			return err
		}
	}
	return nil
}

func restoreOwners(ctx context.Context, store OwnerStore, was, is remembered) error {
	for _, owner := range is.owners {
		if err := store.DeleteOwner(ctx, owner.Kind, owner.Key); err != nil {
			return err
		}
	}
	for _, owner := range was.owners {
		if err := store.PutOwner(ctx, owner); err != nil {
			return err
		}
	}
	return nil
}
