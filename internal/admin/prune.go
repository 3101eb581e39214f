package admin

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/gatehouse-iap/gatehouse/internal/audit"
	"github.com/gatehouse-iap/gatehouse/internal/catalog"
	"github.com/gatehouse-iap/gatehouse/internal/directory"
	"github.com/gatehouse-iap/gatehouse/internal/policy/iam"
	"github.com/gatehouse-iap/gatehouse/internal/principal"
	"github.com/gatehouse-iap/gatehouse/internal/resource"
)

// prune plans the removal of what the sources own and no document declares. It goes first, so that hosts and
// addresses are free for what takes their place.
func (g *planning) prune(ctx context.Context) error {
	var going []Owner
	for key, owner := range g.owners {
		if slices.Contains(g.sources, owner.Source) && !g.declared[key] {
			going = append(going, owner)
			g.removed[key] = true
		}
	}
	slices.SortFunc(going, func(a, b Owner) int {
		return slices.Compare([]string{string(a.Kind), a.Key}, []string{string(b.Kind), b.Key})
	})
	gone := map[string]principal.Member{}
	for _, owner := range going {
		g.plan.release = append(g.plan.release, ownerKey{owner.Kind, owner.Key})
		change, err := g.removal(ctx, owner)
		if err != nil {
			return err
		}
		if change == nil {
			continue // gone already
		}
		change.Action, change.Kind, change.Name = Deleted, owner.Kind, owner.Name
		change.Before.Kind, change.Before.Name = owner.Kind, owner.Name
		g.plan.Changes = append(g.plan.Changes, *change)
		switch owner.Kind {
		case KindUser:
			gone[owner.Key] = principal.Member{Kind: principal.MemberUser, Value: owner.Key}
		case KindGroup:
			gone[owner.Key] = principal.Member{Kind: principal.MemberGroup, Value: owner.Key}
		}
	}
	return g.noteMentions(ctx, gone)
}

// removal plans the removal of one thing; nil when it is gone.
func (g *planning) removal(ctx context.Context, owner Owner) (*Change, error) {
	switch {
	case owner.Kind.isService():
		return g.serviceRemoval(resource.Name(owner.Key)), nil
	case owner.Kind == KindIamPolicy:
		return g.policyRemoval(resource.Name(owner.Key)), nil
	case owner.Kind == KindIapSettings:
		return g.settingsRemoval(resource.Name(owner.Key)), nil
	case owner.Kind == KindIdentityProvider:
		return g.providerRemoval(owner.Key), nil
	case owner.Kind == KindUser:
		return g.userRemoval(ctx, owner.Key)
	case owner.Kind == KindGroup:
		return g.groupRemoval(ctx, owner.Key)
	default:
		return nil, fmt.Errorf("%s %s is owned by %s, and this version does not know the kind", owner.Kind, owner.Key, owner.Source)
	}
}

// serviceRemoval removes a service with its policy and settings: left behind, they would hold again for whoever names
// a service like that next.
func (g *planning) serviceRemoval(name resource.Name) *Change {
	stored, found := g.services[name]
	if !found || !g.removeWith(stored, KindIamPolicy, g.policyRemoval) || !g.removeWith(stored, KindIapSettings, g.settingsRemoval) {
		return nil
	}
	return &Change{Before: &Document{Service: &stored}, write: func(ctx context.Context, tx Tx) (audit.Entry, error) {
		entry := audit.Entry{Action: "services.delete", Target: string(name)}
		return entry, errors.Join(recordChange(&entry, stored, nil), tx.Catalog().DeleteService(ctx, name))
	}}
}

// removeWith plans the removal of what is about a service, and reports whether that may be.
func (g *planning) removeWith(service catalog.Service, kind Kind, removal func(resource.Name) *Change) bool {
	name := service.Service.Name()
	key := ownerKey{kind, string(name)}
	if g.removed[key] || g.declared[key] {
		return true
	}
	if owner, owned := g.owners[key]; owned && !g.options.TakeOver {
		g.faults.add(-1, "", ErrOwned, "%s %s cannot be removed while the manifest %s owns its %s: take that out there first",
			service.Kind, service.Name, owner.Source, whatIsAbout(kind))
		return false
	} else if owned {
		g.plan.release = append(g.plan.release, key)
	}
	if change := removal(name); change != nil {
		g.removed[key] = true
		change.Action, change.Kind, change.Name = Deleted, kind, service.Name
		change.Before.Kind, change.Before.Name = kind, service.Name
		g.plan.Changes = append(g.plan.Changes, *change)
	}
	return true
}

// policyRemoval empties a policy: its row stays, so that its etag does not come again.
func (g *planning) policyRemoval(name resource.Name) *Change {
	stored, found := g.policies[name]
	if !found || len(stored.Bindings) == 0 {
		return nil
	}
	before := DeclaredPolicy{g.written.of(name), stored}
	before.Policy.Etag = ""
	return &Change{Before: &Document{Policy: &before}, write: func(ctx context.Context, tx Tx) (audit.Entry, error) {
		entry := audit.Entry{Action: "iam.setIamPolicy", Target: string(name)}
		written, err := tx.Policies().PutPolicy(ctx, name, iam.Policy{Version: 1}, "")
		return entry, errors.Join(err, recordChange(&entry, stored, written))
	}}
}

func (g *planning) userRemoval(ctx context.Context, email string) (*Change, error) {
	stored, err := g.tx.Directory().Account(ctx, email)
	if errors.Is(err, directory.ErrNotFound) || err == nil && stored.Kind != principal.User {
		return nil, nil
	}
	before := &Document{User: &DeclaredUser{DisplayName: stored.DisplayName, HostedDomain: stored.HostedDomain, Subject: stored.Subject}}
	return &Change{Before: before, write: func(ctx context.Context, tx Tx) (audit.Entry, error) {
		entry := audit.Entry{Action: "users.delete", Target: email}
		return entry, errors.Join(recordChange(&entry, publicAccount(stored), nil), tx.Directory().DeleteAccount(ctx, email))
	}}, err
}

func (g *planning) groupRemoval(ctx context.Context, email string) (*Change, error) {
	stored, err := g.tx.Directory().Group(ctx, email)
	if errors.Is(err, directory.ErrNotFound) {
		return nil, nil
	}
	return &Change{Before: &Document{Group: &stored}, write: func(ctx context.Context, tx Tx) (audit.Entry, error) {
		entry := audit.Entry{Action: "groups.delete", Target: email}
		return entry, errors.Join(recordChange(&entry, stored, nil), tx.Directory().DeleteGroup(ctx, email))
	}}, err
}
