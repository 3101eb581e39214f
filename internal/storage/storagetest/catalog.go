package storagetest

import (
	"context"
	"reflect"
	"testing"

	"github.com/gatehouse-iap/gatehouse/internal/admin"
	"github.com/gatehouse-iap/gatehouse/internal/catalog"
	"github.com/gatehouse-iap/gatehouse/internal/resource"
)

func catalogSentences() []sentence {
	return []sentence{
		{"services come back as they were put, ordered by resource name", servicesComeBack},
		{"putting a service again replaces it", serviceReplaced},
		{"a deleted service is gone, and deleting needs one that is there", serviceDeleted},
	}
}

func servicesComeBack(t *testing.T, s store) {
	backend := service("app", "2")
	backend.UpstreamHost, backend.IAPDisabled = "inner.example.com", true
	run := catalog.Service{
		Service: resource.Service{
			Kind: resource.CloudRunService, ProjectID: "dev-project", ProjectNumber: project, Region: "europe-west1", ID: "run",
		},
		Name: "run", Hosts: []string{"run.localhost", "xn--bcher-kva.example"}, OAuthClientID: "c",
		Upstreams:        []string{"http://127.0.0.1:1", "http://127.0.0.1:2"},
		UpstreamTimeouts: &catalog.UpstreamTimeouts{FirstByteSec: 5}, HealthCheck: &catalog.HealthCheck{},
	}
	engine := catalog.Service{
		Service: resource.Service{Kind: resource.AppEngineApp, ProjectID: "dev-project", ProjectNumber: project},
		Name:    "engine", Hosts: []string{"engine.localhost"}, Upstream: "http://127.0.0.1:2", OAuthClientID: "c",
	}
	want := []catalog.Service{engine, run, service("first", "1"), backend}
	s.do(func(tx admin.Tx) error {
		for _, i := range []int{2, 0, 3, 1} {
			must(t, tx.Catalog().PutService(t.Context(), want[i]))
		}
		return nil
	})
	s.view(func(ctx context.Context, tx admin.Tx) error {
		got, err := tx.Catalog().Services(ctx)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%v, %v", got, err)
		}
		for _, one := range want {
			if got, err := tx.Catalog().Service(ctx, one.Service.Name()); err != nil || !reflect.DeepEqual(got, one) {
				t.Errorf("%v, %v", got, err)
			}
		}
		return nil
	})
}

func serviceReplaced(t *testing.T, s store) {
	ctx := t.Context()
	s.do(func(tx admin.Tx) error { return tx.Catalog().PutService(ctx, service("app", "1")) })
	renamed := service("renamed", "1")
	renamed.PathPrefixes = nil
	s.do(func(tx admin.Tx) error { return tx.Catalog().PutService(ctx, renamed) })
	s.view(func(ctx context.Context, tx admin.Tx) error {
		if got, err := tx.Catalog().Services(ctx); err != nil || !reflect.DeepEqual(got, []catalog.Service{renamed}) {
			t.Errorf("%v, %v", got, err)
		}
		return nil
	})
}

func serviceDeleted(t *testing.T, s store) {
	ctx := t.Context()
	s.refused(catalog.ErrNotFound, func(tx admin.Tx) error { return tx.Catalog().DeleteService(ctx, appName) })
	s.do(func(tx admin.Tx) error { return tx.Catalog().PutService(ctx, service("app", "1")) })
	s.do(func(tx admin.Tx) error { return tx.Catalog().DeleteService(ctx, appName) })
	s.view(func(ctx context.Context, tx admin.Tx) error {
		if _, err := tx.Catalog().Service(ctx, appName); err != catalog.ErrNotFound {
			t.Errorf("Service: %v", err)
		}
		if left, err := tx.Catalog().Services(ctx); err != nil || len(left) != 0 {
			t.Errorf("Services: %v, %v", left, err)
		}
		return nil
	})
}
