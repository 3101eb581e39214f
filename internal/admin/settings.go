package admin

import (
	"context"
	"fmt"
	"slices"

	"github.com/gatehouse-iap/gatehouse/internal/audit"
	"github.com/gatehouse-iap/gatehouse/internal/resource"
	"github.com/gatehouse-iap/gatehouse/internal/settings"
)

// actionSettings is how IAP's audit log calls a change of settings.
const actionSettings = "iap.updateIapSettings"

// IapSettings returns what stands on a resource itself.
func (a *Admin) IapSettings(ctx context.Context, name resource.Name) (d settings.Document, err error) {
	err = a.Store.View(ctx, func(tx Tx) error {
		if err := a.checkResource(ctx, tx, name); err != nil {
			return err
		}
		stored, err := tx.Settings().Settings(ctx, name)
		d = documentOf(name, stored)
		return err
	})
	return d, err
}

func documentOf(name resource.Name, stored settings.Stored) settings.Document {
	return settings.Document{IapSettings: stored.Settings, Name: string(name), Etag: stored.Etag}
}

// UpdateIapSettings replaces the fields of a mask in the settings of a resource, all of them without a mask, if the
// document's etag is still the stored one or is empty. It returns the settings as stored.
func (a *Admin) UpdateIapSettings(ctx context.Context, actor audit.Actor, name resource.Name, d settings.Document, mask settings.Mask) (stored settings.Document, err error) {
	err = a.change(ctx, actor, actionSettings, string(name), func(tx Tx, entry *audit.Entry) error {
		if err := a.checkResource(ctx, tx, name); err != nil {
			return err
		}
		if err := free(ctx, tx, KindIapSettings, string(name)); err != nil {
			return err
		}
		before, err := tx.Settings().Settings(ctx, name)
		if err != nil {
			return err
		}
		// What is checked is the outcome: a patch may complete what is there already.
		next, err := a.settingsRules().Canonical(mask.Patch(before.Settings, d.IapSettings))
		if err != nil {
			return err
		}
		after, err := tx.Settings().PutSettings(ctx, name, next, d.Etag)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		stored = documentOf(name, after)
		return recordChange(entry, documentOf(name, before), stored)
	})
	return stored, err
}

func (a *Admin) settingsRules() settings.Rules {
	return settings.Rules{ValidateExpression: a.ValidateExpression}
}

// EffectiveSettings is what holds on a resource after inheritance: every field that is set, with where it stands.
type EffectiveSettings struct {
	Resource resource.Name      `json:"resource"`
	Settings []settings.Setting `json:"settings"`
}

// EffectiveSettings returns what holds on a resource.
func (a *Admin) EffectiveSettings(ctx context.Context, name resource.Name) (e EffectiveSettings, err error) {
	err = a.Store.View(ctx, func(tx Tx) error {
		if err := a.checkResource(ctx, tx, name); err != nil {
			return err
		}
		merged, err := mergedSettings(ctx, tx, name)
		e = EffectiveSettings{name, merged.List()}
		return err
	})
	return e, err
}

func mergedSettings(ctx context.Context, tx Tx, name resource.Name) (settings.Merged, error) {
	var levels []settings.Level
	for more := true; more; name, more = name.Parent() {
		stored, err := tx.Settings().Settings(ctx, name)
		if err != nil {
			return settings.Merged{}, err
		}
		levels = append(levels, settings.Level{Resource: name, Settings: stored.Settings})
	}
	slices.Reverse(levels)
	return settings.Merge(levels), nil
}
