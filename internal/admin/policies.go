package admin

import (
	"context"
	"fmt"

	"github.com/gatehouse-iap/gatehouse/internal/audit"
	"github.com/gatehouse-iap/gatehouse/internal/policy/iam"
	"github.com/gatehouse-iap/gatehouse/internal/resource"
)

// IamPolicy returns the policy that stands on a resource.
func (a *Admin) IamPolicy(ctx context.Context, name resource.Name) (policy iam.Policy, err error) {
	err = a.Store.View(ctx, func(tx Tx) error {
		if err := a.checkResource(ctx, tx, name); err != nil {
			return err
		}
		policy, err = tx.Policies().Policy(ctx, name)
		return err
	})
	return policy, err
}

// SetIamPolicy replaces the policy of a resource, if the policy's etag is still the stored one or is empty,
// and returns it as stored.
func (a *Admin) SetIamPolicy(ctx context.Context, actor audit.Actor, name resource.Name, policy iam.Policy) (stored iam.Policy, err error) {
	// The stored form is the canonical one: each member once, in the spelling that decisions compare.
	canonical, err := policy.Canonical()
	if err != nil {
		return iam.Policy{}, err
	}
	expected := canonical.Etag
	canonical.Etag = ""
	if canonical.Version == 0 {
		canonical.Version = 1
	}
	err = a.change(ctx, actor, "iam.setIamPolicy", string(name), func(tx Tx, entry *audit.Entry) error {
		if err := a.checkResource(ctx, tx, name); err != nil {
			return err
		}
		if err := free(ctx, tx, KindIamPolicy, string(name)); err != nil {
			return err
		}
		before, err := tx.Policies().Policy(ctx, name)
		if err != nil {
			return err
		}
		if stored, err = tx.Policies().PutPolicy(ctx, name, canonical, expected); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		return recordChange(entry, before, stored)
	})
	return stored, err
}
