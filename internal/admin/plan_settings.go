package admin

import (
	"context"
	"errors"

	"github.com/gatehouse-iap/gatehouse/internal/audit"
	"github.com/gatehouse-iap/gatehouse/internal/resource"
	"github.com/gatehouse-iap/gatehouse/internal/settings"
)

func (g *planning) settingsChange(i int, wanted DeclaredSettings) *Change {
	name := resource.Name(wanted.Resource)
	stored, found := g.settings[name]
	if !found {
		stored.Etag = settings.EmptyEtag
	}
	if sameJSON(stored.Settings, wanted.Settings) {
		return nil
	}
	if wanted.Etag != "" && wanted.Etag != stored.Etag {
		g.fault(i, "spec.etag", settings.ErrEtag, "the settings have changed since this etag was read: get them again and make your change in those, or leave the etag out to overwrite them")
		return nil
	}
	change := &Change{Action: Created, After: &Document{Settings: &DeclaredSettings{Resource: g.written.of(name), Settings: wanted.Settings}}}
	if !stored.Settings.IsZero() {
		change.Action, change.Before = Updated, &Document{Settings: &DeclaredSettings{Resource: g.written.of(name), Settings: stored.Settings}}
	}
	change.write = g.putSettings(name, stored, wanted.Settings, wanted.Etag)
	return change
}

// putSettings replaces what stands on a resource.
func (g *planning) putSettings(name resource.Name, stored settings.Stored, next settings.IapSettings, expected string) func(context.Context, Tx) (audit.Entry, error) {
	return func(ctx context.Context, tx Tx) (audit.Entry, error) {
		entry := audit.Entry{Action: actionSettings, Target: string(name)}
		written, err := tx.Settings().PutSettings(ctx, name, next, expected)
		return entry, errors.Join(err, recordChange(&entry, documentOf(name, stored), documentOf(name, written)))
	}
}

// settingsRemoval empties settings: their row stays, so that their etag does not come again.
func (g *planning) settingsRemoval(name resource.Name) *Change {
	stored, found := g.settings[name]
	if !found || stored.Settings.IsZero() {
		return nil
	}
	before := &Document{Settings: &DeclaredSettings{Resource: g.written.of(name), Settings: stored.Settings}}
	return &Change{Before: before, write: g.putSettings(name, stored, settings.IapSettings{}, "")}
}
