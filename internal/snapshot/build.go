package snapshot

import (
	"context"
	"errors"
	"fmt"
	"maps"

	"github.com/gatehouse-iap/gatehouse/internal/catalog"
	"github.com/gatehouse-iap/gatehouse/internal/directory"
	"github.com/gatehouse-iap/gatehouse/internal/identityprovider"
	"github.com/gatehouse-iap/gatehouse/internal/issuer"
	"github.com/gatehouse-iap/gatehouse/internal/policy/iam"
	"github.com/gatehouse-iap/gatehouse/internal/principal"
	"github.com/gatehouse-iap/gatehouse/internal/resource"
	"github.com/gatehouse-iap/gatehouse/internal/session"
	"github.com/gatehouse-iap/gatehouse/internal/settings"
	"github.com/gatehouse-iap/gatehouse/internal/upstream"
)

// material is what a successor is made of: everything that changed, read from one view.
type material struct {
	position int64
	services map[resource.Name]*catalog.Service // nil: removed
	policies map[resource.Name]iam.Policy
	settings map[resource.Name]settings.Stored
	update   directory.Update
	keys     []issuer.Key // nil: unchanged
	// providers are few and hang together, so that any change reads all of them; nil: unchanged.
	providers *identityprovider.View
}

func newMaterial(position int64) *material {
	return &material{
		position: position,
		services: map[resource.Name]*catalog.Service{},
		policies: map[resource.Name]iam.Policy{},
		settings: map[resource.Name]settings.Stored{},
		update: directory.Update{
			Accounts: map[string]*directory.Account{}, Groups: map[string]*directory.Group{}, Keys: map[string]*directory.AccountKey{},
		},
	}
}

func empty() *Snapshot {
	return &Snapshot{
		Routes: catalog.NewTable(), Directory: directory.NewView(), Principals: &principal.Interner{},
		Providers: identityprovider.NewView(nil),
		policies:  map[resource.Name]*iam.Compiled{}, served: map[resource.Name]*Served{},
		settings: map[resource.Name]settings.IapSettings{},
	}
}

// buildAll makes the first snapshot.
func (b *Builder) buildAll(ctx context.Context, view View) (*Snapshot, error) {
	position, err := view.Position(ctx)
	if err != nil {
		return nil, err
	}
	m := newMaterial(position)
	services, err := view.Catalog().Services(ctx)
	if err != nil {
		return nil, err
	}
	for _, service := range services {
		m.services[service.Service.Name()] = &service
	}
	if m.policies, err = view.Policies().Policies(ctx); err != nil {
		return nil, err
	}
	if m.settings, err = view.Settings().AllSettings(ctx); err != nil {
		return nil, err
	}
	accounts, err := view.Directory().Accounts(ctx)
	if err != nil {
		return nil, err
	}
	for _, account := range accounts {
		m.update.Accounts[account.Email] = &account
	}
	groups, err := view.Directory().Groups(ctx)
	if err != nil {
		return nil, err
	}
	for _, group := range groups {
		m.update.Groups[group.Email] = &group
	}
	accountKeys, err := view.AccountKeys().AccountKeys(ctx)
	if err != nil {
		return nil, err
	}
	for _, key := range accountKeys {
		m.update.Keys[key.ID] = &key
	}
	if m.keys, err = view.Keys().Keys(ctx); err != nil {
		return nil, err
	}
	if err := m.readProviders(ctx, view); err != nil {
		return nil, err
	}
	return b.assemble(empty(), m)
}

// buildChanges makes the successor of a snapshot, or returns it unchanged when nothing was committed since. Sessions
// that have ended are told also when the successor cannot be made: a fault elsewhere must not keep them alive.
func (b *Builder) buildChanges(ctx context.Context, view View, previous *Snapshot) (*Snapshot, []session.ID, error) {
	changes, err := view.Changes(ctx, previous.Position)
	if err != nil || len(changes) == 0 {
		return previous, nil, err
	}
	ended, err := endedSessions(changes)
	if err != nil {
		return previous, nil, err
	}
	m := newMaterial(changes[len(changes)-1].Seq)
	seen := map[Change]bool{}
	for _, change := range changes {
		change.Seq = 0
		if seen[change] || change.Kind == SessionEnded {
			continue
		}
		seen[change] = true
		if err := m.read(ctx, view, change); err != nil {
			return previous, ended, fmt.Errorf("change of %s %s: %w", change.Kind, change.Key, err)
		}
	}
	next, err := b.assemble(previous, m)
	return next, ended, err
}

func endedSessions(changes []Change) ([]session.ID, error) {
	var ended []session.ID
	for _, change := range changes {
		if change.Kind != SessionEnded {
			continue
		}
		id, err := session.ParseID(change.Key)
		if err != nil {
			return nil, err
		}
		ended = append(ended, id)
	}
	return ended, nil
}

// read adds what a change is about, as it is now.
func (m *material) read(ctx context.Context, view View, change Change) error {
	switch change.Kind {
	case ServiceChanged:
		name := resource.Name(change.Key)
		service, err := view.Catalog().Service(ctx, name)
		m.services[name] = &service
		if errors.Is(err, catalog.ErrNotFound) {
			m.services[name], err = nil, nil
		}
		return err
	case PolicyChanged:
		name := resource.Name(change.Key)
		policy, err := view.Policies().Policy(ctx, name)
		m.policies[name] = policy
		return err
	case SettingsChanged:
		name := resource.Name(change.Key)
		stored, err := view.Settings().Settings(ctx, name)
		m.settings[name] = stored
		return err
	case AccountChanged:
		account, err := view.Directory().Account(ctx, change.Key)
		m.update.Accounts[change.Key] = &account
		if errors.Is(err, directory.ErrNotFound) {
			m.update.Accounts[change.Key], err = nil, nil
		}
		return err
	case GroupChanged:
		group, err := view.Directory().Group(ctx, change.Key)
		m.update.Groups[change.Key] = &group
		if errors.Is(err, directory.ErrNotFound) {
			m.update.Groups[change.Key], err = nil, nil
		}
		return err
	case AccountKeyChanged:
		key, err := view.AccountKeys().AccountKey(ctx, change.Key)
		m.update.Keys[change.Key] = &key
		if errors.Is(err, directory.ErrNotFound) {
			m.update.Keys[change.Key], err = nil, nil
		}
		return err
	case KeyChanged:
		keys, err := view.Keys().Keys(ctx)
		m.keys = keys
		return err
	case ProviderChanged:
		return m.readProviders(ctx, view)
	case EntryOnly:
		return nil
	default:
		return fmt.Errorf("unknown kind of change")
	}
}

func (m *material) readProviders(ctx context.Context, view View) error {
	if m.providers != nil {
		return nil // another change of the same reading
	}
	providers, err := view.Providers().Providers(ctx)
	m.providers = identityprovider.NewView(providers)
	return err
}

// assemble applies material to a snapshot. Everything compiles or nothing is published.
func (b *Builder) assemble(previous *Snapshot, m *material) (*Snapshot, error) {
	next := *previous
	next.Position = m.position
	if m.providers != nil {
		next.Providers = m.providers
	}
	interner := previous.Principals.Edit()
	if len(m.policies) > 0 {
		next.policies = maps.Clone(previous.policies)
		for name, policy := range m.policies {
			compiled, err := iam.Compile(name, policy, interner)
			if err != nil {
				return nil, err
			}
			next.policies[name] = compiled
		}
	}
	next.Directory = previous.Directory.With(m.update, interner)
	next.Principals = interner.Done()
	if m.keys != nil || previous.Keys == nil {
		keys, err := b.CompileKeys(m.keys, previous.Keys)
		if err != nil {
			return nil, err
		}
		next.Keys = keys
	}
	b.assembleSettings(&next, m)
	if len(m.services) > 0 {
		if err := b.assembleServices(&next, m.services); err != nil {
			return nil, err
		}
	}
	return &next, nil
}

func (b *Builder) assembleServices(next *Snapshot, changes map[resource.Name]*catalog.Service) error {
	routes, err := next.Routes.With(changes)
	if err != nil {
		return err
	}
	next.Routes = routes
	wanted := map[upstream.Config]struct{}{}
	for _, service := range routes.Services() {
		wanted[UpstreamConfig(service)] = struct{}{}
	}
	upstreams := b.pools.Keep(wanted)
	next.served = maps.Clone(next.served)
	for name, service := range changes {
		if service == nil {
			delete(next.served, name)
			continue
		}
		served := newServed(*service, upstreams[UpstreamConfig(*service)], next.settings)
		b.report(next.served[name], served)
		next.served[name] = served
	}
	next.upstreamFaults = b.faults(next.served)
	return nil
}
