package admin

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/gatehouse-iap/gatehouse/internal/catalog"
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
		add := func(d Document, key string) {
			d.Source = owners[ownerKey{d.Kind, key}].Source
			documents = append(documents, d)
		}
		for _, export := range []func(context.Context, Tx, addDocument) error{exportServices, exportProviders, exportUsers, exportGroups, a.exportPolicies, a.exportSettings} {
			if err := export(ctx, tx, add); err != nil {
				return err
			}
		}
		return nil
	})
	return documents, err
}

// addDocument adds a document, which owners know by a key.
type addDocument func(d Document, key string)

func exportServices(ctx context.Context, tx Tx, add addDocument) error {
	services, err := tx.Catalog().Services(ctx)
	for _, s := range services {
		add(Document{Kind: Kind(s.Kind), Name: s.Name, Service: &s}, string(s.Service.Name()))
	}
	return err
}

func exportProviders(ctx context.Context, tx Tx, add addDocument) error {
	providers, err := tx.Providers().Providers(ctx)
	for _, p := range providers {
		add(Document{Kind: KindIdentityProvider, Name: p.Name, Provider: &p}, p.Name)
	}
	return err
}

func exportUsers(ctx context.Context, tx Tx, add addDocument) error {
	accounts, err := tx.Directory().Accounts(ctx)
	for _, account := range accounts {
		if account.Kind != principal.User {
			continue
		}
		user := DeclaredUser{Subject: account.Subject, DisplayName: account.DisplayName, HostedDomain: account.HostedDomain}
		if account.Disabled {
			user.Disabled = &account.Disabled
		}
		add(Document{Kind: KindUser, Name: account.Email, User: &user}, account.Email)
	}
	return err
}

func exportGroups(ctx context.Context, tx Tx, add addDocument) error {
	groups, err := tx.Directory().Groups(ctx)
	for _, group := range groups {
		add(Document{Kind: KindGroup, Name: group.Email, Group: &group}, group.Email)
	}
	return err
}

// exportPolicies leaves out policies that grant nothing, and those of services that are gone.
func (a *Admin) exportPolicies(ctx context.Context, tx Tx, add addDocument) error {
	policies, err := tx.Policies().Policies(ctx)
	if err != nil {
		return err
	}
	services, err := tx.Catalog().Services(ctx)
	if err != nil {
		return err
	}
	there, written := indexServices(services), writtenNames{a.project(), namesOfServices(services)}
	for _, name := range sortedNames(policies) {
		policy := policies[name]
		policy.Etag = ""
		if len(policy.Bindings) > 0 && standing(name, there) {
			add(Document{Kind: KindIamPolicy, Name: written.short(name), Policy: &DeclaredPolicy{written.of(name), policy}}, string(name))
		}
	}
	return nil
}

// exportSettings leaves out settings that set nothing, and those of services that are gone.
func (a *Admin) exportSettings(ctx context.Context, tx Tx, add addDocument) error {
	all, err := tx.Settings().AllSettings(ctx)
	if err != nil {
		return err
	}
	services, err := tx.Catalog().Services(ctx)
	if err != nil {
		return err
	}
	there, written := indexServices(services), writtenNames{a.project(), namesOfServices(services)}
	for _, name := range sortedNames(all) {
		if stored := all[name]; !stored.Settings.IsZero() && standing(name, there) {
			declared := DeclaredSettings{Resource: written.of(name), Settings: stored.Settings}
			add(Document{Kind: KindIapSettings, Name: written.short(name), Settings: &declared}, string(name))
		}
	}
	return nil
}

func sortedNames[T any](documents map[resource.Name]T) []resource.Name {
	return slices.Sorted(maps.Keys(documents))
}

// standing reports whether a policy or settings are of something that is there.
func standing(name resource.Name, services serviceIndex) bool {
	parts := strings.Split(string(name), "/")
	return len(parts) < 6 || services.byResource[resource.Name(strings.Join(parts[:6], "/"))]
}

// writtenNames says resources as people write them: the project by its id, a backend service by its name.
type writtenNames struct {
	project Project
	called  map[resource.Name]string
}

func namesOfServices(services []catalog.Service) map[resource.Name]string {
	called := make(map[resource.Name]string, len(services))
	for _, s := range services {
		called[s.Service.Name()] = s.Name
	}
	return called
}

func (w writtenNames) of(name resource.Name) string {
	parts := strings.Split(string(name), "/")
	parts[1] = w.project.ProjectID
	if called := w.called[name]; len(parts) == 6 && parts[3] == "compute" && resource.IsLabel(called) {
		parts[5] = called
	}
	return strings.Join(parts, "/")
}

// short is what the document of a policy or of settings is called: as the service, or by a name that no service can have.
func (w writtenNames) short(name resource.Name) string {
	parts := strings.Split(string(name), "/")
	switch len(parts) {
	case 2:
		return "project_" + w.project.ProjectID
	case 6:
		return w.called[name]
	default:
		return strings.Join(parts[2:], "_")
	}
}
