package storage

import (
	"context"
	"encoding/json"

	"github.com/gatehouse-iap/gatehouse/internal/catalog"
	"github.com/gatehouse-iap/gatehouse/internal/resource"
	"github.com/gatehouse-iap/gatehouse/internal/snapshot"
)

// catalogStore keeps services as documents.
type catalogStore struct{ t *tx }

func (s catalogStore) Services(ctx context.Context) ([]catalog.Service, error) {
	var services []catalog.Service
	err := s.t.query(ctx, func(scan scanner) error {
		service, err := scanService(scan)
		services = append(services, service)
		return err
	}, `SELECT document FROM services ORDER BY resource`)
	return services, err
}

func (s catalogStore) Service(ctx context.Context, name resource.Name) (catalog.Service, error) {
	var service catalog.Service
	found, err := s.t.row(ctx, func(scan scanner) (err error) {
		service, err = scanService(scan)
		return err
	}, `SELECT document FROM services WHERE resource = $1`, string(name))
	if err == nil && !found {
		err = catalog.ErrNotFound
	}
	return service, err
}

func scanService(scan scanner) (catalog.Service, error) {
	var service catalog.Service
	var text string
	if err := scan(&text); err != nil {
		return service, err
	}
	err := document(text, &service)
	return service, err
}

func (s catalogStore) PutService(ctx context.Context, service catalog.Service) error {
	text, err := json.Marshal(service)
	if err != nil {
		return err
	}
	name := service.Service.Name()
	if _, err := s.t.exec(ctx, `INSERT INTO services (resource, document) VALUES ($1, $2)
		ON CONFLICT (resource) DO UPDATE SET document = excluded.document`, string(name), string(text)); err != nil {
		return err
	}
	_, err = s.t.change(ctx, snapshot.ServiceChanged, string(name))
	return err
}

func (s catalogStore) DeleteService(ctx context.Context, name resource.Name) error {
	deleted, err := s.t.exec(ctx, `DELETE FROM services WHERE resource = $1`, string(name))
	if err != nil {
		return err
	}
	if deleted == 0 {
		return catalog.ErrNotFound
	}
	_, err = s.t.change(ctx, snapshot.ServiceChanged, string(name))
	return err
}
