package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/gatehouse-iap/gatehouse/internal/audit"
	"github.com/gatehouse-iap/gatehouse/internal/catalog"
	"github.com/gatehouse-iap/gatehouse/internal/identityprovider"
	"github.com/gatehouse-iap/gatehouse/internal/policy/iam"
	"github.com/gatehouse-iap/gatehouse/internal/resource"
	"github.com/gatehouse-iap/gatehouse/internal/settings"
)

// planner finds out what documents change. It is used twice: on a reading, and on what is locked for writing.
type planner struct {
	*Admin
	options   ApplyOptions
	documents []Document
	hashes    map[identityprovider.Secret]string
	sources   []string
}

// planning is one use of a planner.
type planning struct {
	planner
	*resolver
	tx       Tx
	plan     *Plan
	services map[resource.Name]catalog.Service
	policies map[resource.Name]iam.Policy
	settings map[resource.Name]settings.Stored
	// providers shadows those of resolver, which are the declared ones.
	providers map[string]identityprovider.Provider
	owners    map[ownerKey]Owner
	declared  map[ownerKey]bool
	removed   map[ownerKey]bool
	written   writtenNames
	subjects  map[string]string // who has each; nil until somebody asks
	// asBefore holds, by manifest, what is declared elsewhere just as that manifest has it.
	asBefore map[string][]string
}

// plan compares the documents with what is stored. Its error is Faults, or that of the store.
func (p planner) plan(ctx context.Context, tx Tx) (*Plan, error) {
	g := planning{planner: p, tx: tx, plan: &Plan{}, declared: map[ownerKey]bool{}, removed: map[ownerKey]bool{}, asBefore: map[string][]string{}}
	services, err := g.read(ctx)
	if err != nil {
		return nil, err
	}
	g.resolver = newResolver(p.documents, p.project(), services)
	g.rules = p.settingsRules()
	g.resolve()
	g.written = writtenNames{p.project(), namesOfServices(slices.Concat(services, g.resolver.services()))}
	for i, d := range g.resolver.documents {
		if !g.broken[i] {
			g.declared[d.key()] = true
		}
	}
	if p.options.Prune && len(g.faults.list) == 0 {
		if err := g.prune(ctx); err != nil {
			return nil, err
		}
	}
	others := slices.DeleteFunc(services, func(s catalog.Service) bool {
		key := ownerKey{Kind(s.Kind), string(s.Service.Name())}
		return g.declared[key] || g.removed[key]
	})
	g.compare(others)
	g.checkProviders()
	g.checkReferences(others)
	for _, kind := range Kinds() {
		for i, d := range g.resolver.documents {
			if d.Kind != kind || g.broken[i] {
				continue
			}
			if err := g.document(ctx, i, d); err != nil {
				return nil, err
			}
		}
	}
	g.noteOwners()
	return g.plan, g.faults.list.orNil()
}

func (g *planning) read(ctx context.Context) ([]catalog.Service, error) {
	services, err := g.tx.Catalog().Services(ctx)
	if err != nil {
		return nil, err
	}
	g.services = make(map[resource.Name]catalog.Service, len(services))
	for _, s := range services {
		g.services[s.Service.Name()] = s
	}
	if g.policies, err = g.tx.Policies().Policies(ctx); err != nil {
		return nil, err
	}
	if g.settings, err = g.tx.Settings().AllSettings(ctx); err != nil {
		return nil, err
	}
	providers, err := g.tx.Providers().Providers(ctx)
	if err != nil {
		return nil, err
	}
	g.providers = make(map[string]identityprovider.Provider, len(providers))
	for _, p := range providers {
		g.providers[p.Name] = p
	}
	owners, err := g.tx.Owners().Owners(ctx)
	g.owners = make(map[ownerKey]Owner, len(owners))
	for _, owner := range owners {
		g.owners[ownerKey{owner.Kind, owner.Key}] = owner
	}
	return services, err
}

// checkReferences refuses policies and settings of services that are nowhere.
func (g *planning) checkReferences(others []catalog.Service) {
	there := indexServices(others).with(g.resolver.services()).byResource
	for i, d := range g.resolver.documents {
		if d.about() == "" || g.broken[i] {
			continue
		}
		parts := strings.Split(d.about(), "/")
		if len(parts) >= 6 && !there[resource.Name(strings.Join(parts[:6], "/"))] {
			g.fault(i, "spec.resource", catalog.ErrNotFound, "there is no service %s: declare it, or take the %s out with it", d.about(), whatIsAbout(d.Kind))
		}
	}
}

// whatIsAbout is what people call a document about a resource.
func whatIsAbout(kind Kind) string {
	if kind == KindIapSettings {
		return "settings"
	}
	return "policy"
}

// document plans one document.
func (g *planning) document(ctx context.Context, i int, d Document) error {
	var change *Change
	var err error
	switch {
	case d.Service != nil:
		change = g.serviceChange(*d.Service)
	case d.Policy != nil:
		change = g.policyChange(i, *d.Policy)
	case d.Settings != nil:
		change = g.settingsChange(i, *d.Settings)
	case d.Provider != nil:
		change = g.providerChange(*d.Provider)
	case d.User != nil:
		change, err = g.userChange(ctx, i, d)
	case d.Group != nil:
		change, err = g.groupChange(ctx, i, *d.Group)
	default: // a project has nothing to store, and nobody to keep away
		g.plan.Unchanged++
		return nil
	}
	if err != nil || g.broken[i] {
		return err
	}
	g.own(i, d, change != nil)
	if change == nil {
		g.plan.Unchanged++
		return nil
	}
	change.Kind, change.Name = d.Kind, d.Name
	for _, side := range []*Document{change.Before, change.After} {
		if side != nil {
			side.Kind, side.Name = d.Kind, d.Name
		}
	}
	g.plan.Changes = append(g.plan.Changes, *change)
	return nil
}

// own plans whose the thing is from now on, and refuses to change what is another manifest's.
func (g *planning) own(i int, d Document, changed bool) {
	key := d.key()
	wanted := Owner{Kind: key.kind, Key: key.key, Source: d.Source, Name: d.Name, Declares: d.declares()}
	owner, owned := g.owners[key]
	ours := owned && (g.options.TakeOver || slices.Contains(g.sources, owner.Source))
	switch {
	case !owned && d.Source == "":
	case owned && owner.Source == d.Source:
		if owner.Name != wanted.Name && !d.Kind.isNamedForPeople() || !slices.Equal(owner.Declares, wanted.Declares) {
			g.plan.put = append(g.plan.put, wanted)
		}
	case ours && d.Source == "":
		g.plan.release = append(g.plan.release, key)
	case ours, !owned:
		g.plan.put = append(g.plan.put, wanted)
		if !changed {
			g.plan.Adopted++
		}
	case changed:
		g.fault(i, "", ErrOwned, "it belongs to the manifest %s: change it there, or take it over with --take-over", owner.Source)
	case d.Source != "":
		g.asBefore[owner.Source] = append(g.asBefore[owner.Source], fmt.Sprintf("%s %s", d.Kind, d.Name))
	}
}

// noteOwners says whose the things stay that these documents declare too: one line a manifest, for there may be very many.
func (g *planning) noteOwners() {
	for _, source := range slices.Sorted(maps.Keys(g.asBefore)) {
		note := g.asBefore[source][0] + " is as declared, and belongs to the manifest " + source + " as before"
		if n := len(g.asBefore[source]); n > 1 {
			note = fmt.Sprintf("%d documents are as declared, and what they declare belongs to the manifest %s as before", n, source)
		}
		g.plan.Notes = append(g.plan.Notes, note)
	}
}

func (g *planning) serviceChange(wanted catalog.Service) *Change {
	name := wanted.Service.Name()
	change := &Change{Action: Created, After: &Document{Service: &wanted}}
	if stored, found := g.services[name]; found {
		if sameJSON(stored, wanted) {
			return nil
		}
		change.Action, change.Before = Updated, &Document{Service: &stored}
	}
	change.write = func(ctx context.Context, tx Tx) (audit.Entry, error) {
		entry := audit.Entry{Action: "services.put", Target: string(name)}
		return entry, errors.Join(recordDocuments(&entry, change.Before, change.After), tx.Catalog().PutService(ctx, wanted))
	}
	return change
}

// recordDocuments fills in an entry from what documents declare.
func recordDocuments(entry *audit.Entry, before, after *Document) error {
	side := func(d *Document) any {
		switch {
		case d == nil:
			return nil
		case d.Service != nil:
			return d.Service
		case d.Provider != nil:
			return d.Provider
		default:
			return d
		}
	}
	return recordChange(entry, side(before), side(after))
}

func sameJSON(a, b any) bool {
	first, err := json.Marshal(a)
	if err != nil {
		return false
	}
	second, err := json.Marshal(b)
	return err == nil && bytes.Equal(first, second)
}
