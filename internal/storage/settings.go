package storage

import (
	"context"
	"encoding/json"

	"github.com/gatehouse-iap/gatehouse/internal/resource"
	"github.com/gatehouse-iap/gatehouse/internal/settings"
	"github.com/gatehouse-iap/gatehouse/internal/snapshot"
)

// settingsStore keeps IapSettings as documents. Settings that are taken away keep their row, as policies do and for
// the same reason: their etag must not come again.
type settingsStore struct{ t *tx }

func (s settingsStore) AllSettings(ctx context.Context) (map[resource.Name]settings.Stored, error) {
	all := map[resource.Name]settings.Stored{}
	err := s.t.query(ctx, func(scan scanner) error {
		var name resource.Name
		stored, err := scanSettings(scan, &name)
		all[name] = stored
		return err
	}, `SELECT etag, document, resource FROM iap_settings`)
	return all, err
}

func (s settingsStore) Settings(ctx context.Context, name resource.Name) (settings.Stored, error) {
	stored := settings.Stored{Etag: settings.EmptyEtag}
	_, err := s.t.row(ctx, func(scan scanner) (err error) {
		stored, err = scanSettings(scan)
		return err
	}, `SELECT etag, document FROM iap_settings WHERE resource = $1`, string(name))
	return stored, err
}

// scanSettings reads etag and document, then further columns.
func scanSettings(scan scanner, further ...any) (settings.Stored, error) {
	var stored settings.Stored
	var text string
	if err := scan(append([]any{&stored.Etag, &text}, further...)...); err != nil {
		return stored, err
	}
	return stored, document(text, &stored.Settings)
}

func (s settingsStore) PutSettings(ctx context.Context, name resource.Name, next settings.IapSettings, expected string) (settings.Stored, error) {
	if expected != "" {
		stored, err := s.Settings(ctx, name)
		if err != nil {
			return settings.Stored{}, err
		}
		if stored.Etag != expected {
			return settings.Stored{}, settings.ErrEtag
		}
	}
	text, err := json.Marshal(next)
	if err != nil {
		return settings.Stored{}, err
	}
	position, err := s.t.change(ctx, snapshot.SettingsChanged, string(name))
	if err != nil {
		return settings.Stored{}, err
	}
	stored := settings.Stored{Settings: next, Etag: etag(position)}
	_, err = s.t.exec(ctx, `INSERT INTO iap_settings (resource, etag, document) VALUES ($1, $2, $3)
		ON CONFLICT (resource) DO UPDATE SET etag = excluded.etag, document = excluded.document`,
		string(name), stored.Etag, string(text))
	return stored, err
}
