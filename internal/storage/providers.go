package storage

import (
	"context"
	"encoding/json"

	"github.com/gatehouse-iap/gatehouse/internal/identityprovider"
	"github.com/gatehouse-iap/gatehouse/internal/snapshot"
)

// providerStore keeps identity providers as documents.
type providerStore struct{ t *tx }

func (s providerStore) Providers(ctx context.Context) ([]identityprovider.Provider, error) {
	var providers []identityprovider.Provider
	err := s.t.query(ctx, func(scan scanner) error {
		var p identityprovider.Provider
		var text string
		if err := scan(&text); err != nil {
			return err
		}
		if err := document(text, &p); err != nil {
			return err
		}
		providers = append(providers, p)
		return nil
	}, `SELECT document FROM identity_providers ORDER BY name`)
	return providers, err
}

// PutProvider creates or replaces a provider. Switching it off ends the sessions that it vouched for.
func (s providerStore) PutProvider(ctx context.Context, p identityprovider.Provider) error {
	text, err := json.Marshal(p)
	if err != nil {
		return err
	}
	if _, err := s.t.exec(ctx, `INSERT INTO identity_providers (name, disabled, document) VALUES ($1, $2, $3)
		ON CONFLICT (name) DO UPDATE SET disabled = excluded.disabled, document = excluded.document`,
		p.Name, p.Disabled, string(text)); err != nil {
		return err
	}
	if _, err := s.t.change(ctx, snapshot.ProviderChanged, p.Name); err != nil {
		return err
	}
	if !p.Disabled {
		return nil
	}
	return s.endSessionsOf(ctx, p.Name)
}

func (s providerStore) DeleteProvider(ctx context.Context, name string) error {
	deleted, err := s.t.exec(ctx, `DELETE FROM identity_providers WHERE name = $1`, name)
	if err != nil {
		return err
	}
	if deleted == 0 {
		return identityprovider.ErrNotFound
	}
	if _, err := s.t.change(ctx, snapshot.ProviderChanged, name); err != nil {
		return err
	}
	return s.endSessionsOf(ctx, name)
}

func (s providerStore) endSessionsOf(ctx context.Context, name string) error {
	_, err := sessionStore(s).end(ctx, `provider = $1`, name)
	return err
}
