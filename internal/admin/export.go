package admin

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/gatehouse-iap/gatehouse/internal/policy/iam"
	"github.com/gatehouse-iap/gatehouse/internal/principal"
	"github.com/gatehouse-iap/gatehouse/internal/resource"
)

// Export returns all that manifests can declare, as documents: applying them changes nothing. They hold no
// secrets; Source says which manifest owns each.
func (a *Admin) Export(ctx context.Context) (documents []Document, err error) {
	documents = []Document{{Kind: KindProject, Name: a.ProjectID, Project: &DeclaredProject{Number: a.ProjectNumber}}}
	err = a.Store.View(ctx, func(tx Tx) error {
		owned, err := tx.Owners().Owners(ctx)
		if err != nil {
			return err
		}
		owners := make(map[ownerKey]Owner, len(owned))
		for _, owner := range owned {
			owners[ownerKey{owner.Kind, owner.Key}] = owner
		}
		add := func(d Document) {
			if owner, found := owners[d.key()]; found {
				d.Source = owner.Source
			}
			documents = append(documents, d)
		}
		for _, export := range []func(context.Context, Tx, func(Document)) error{exportServices, exportProviders, exportUsers, exportGroups, a.exportPolicies} {
			if err := export(ctx, tx, add); err != nil {
				return err
			}
		}
		return nil
	})
	return documents, err
}

func exportServices(ctx context.Context, tx Tx, add func(Document)) error {
	services, err := tx.Catalog().Services(ctx)
	for _, s := range services {
		add(Document{Kind: Kind(s.Kind), Name: s.Name, Service: &s})
	}
	return err
}

func exportProviders(ctx context.Context, tx Tx, add func(Document)) error {
	providers, err := tx.Providers().Providers(ctx)
	for _, p := range providers {
		add(Document{Kind: KindIdentityProvider, Name: p.Name, Provider: &p})
	}
	return err
}

func exportUsers(ctx context.Context, tx Tx, add func(Document)) error {
	accounts, err := tx.Directory().Accounts(ctx)
	for _, account := range accounts {
		if account.Kind != principal.User {
			continue
		}
		user := DeclaredUser{Subject: account.Subject, DisplayName: account.DisplayName, HostedDomain: account.HostedDomain}
		if account.Disabled {
			user.Disabled = &account.Disabled
		}
		add(Document{Kind: KindUser, Name: account.Email, User: &user})
	}
	return err
}

func exportGroups(ctx context.Context, tx Tx, add func(Document)) error {
	groups, err := tx.Directory().Groups(ctx)
	for _, group := range groups {
		add(Document{Kind: KindGroup, Name: group.Email, Group: &group})
	}
	return err
}

// exportPolicies leaves out policies that grant nothing, and those of services that are gone.
func (a *Admin) exportPolicies(ctx context.Context, tx Tx, add func(Document)) error {
	policies, err := tx.Policies().Policies(ctx)
	if err != nil {
		return err
	}
	services, err := tx.Catalog().Services(ctx)
	if err != nil {
		return err
	}
	there, called := indexServices(services), make(map[resource.Name]string, len(services))
	for _, s := range services {
		called[s.Service.Name()] = s.Name
	}
	for _, name := range sortedNames(policies) {
		policy := policies[name]
		policy.Etag = ""
		if len(policy.Bindings) > 0 && standing(name, there) {
			add(Document{Kind: KindIamPolicy, Name: policyName(name, called, a.project()), Policy: &DeclaredPolicy{string(name), policy}})
		}
	}
	return nil
}

func sortedNames(policies map[resource.Name]iam.Policy) []resource.Name {
	return slices.Sorted(maps.Keys(policies))
}

// standing reports whether a policy is of something that is there.
func standing(name resource.Name, services serviceIndex) bool {
	parts := strings.Split(string(name), "/")
	return len(parts) < 6 || services.byResource[resource.Name(strings.Join(parts[:6], "/"))]
}

// policyName is what the document of a policy is called: as the service, or by a name that no service can have.
func policyName(name resource.Name, called map[resource.Name]string, project Project) string {
	parts := strings.Split(string(name), "/")
	switch len(parts) {
	case 2:
		return "project_" + project.ProjectID
	case 6:
		return called[name]
	default:
		return strings.Join(parts[2:], "_")
	}
}
