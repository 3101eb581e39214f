package admin_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/gatehouse-iap/gatehouse/internal/admin"
	"github.com/gatehouse-iap/gatehouse/internal/catalog"
	"github.com/gatehouse-iap/gatehouse/internal/policy/iam"
	"github.com/gatehouse-iap/gatehouse/internal/resource"
)

func TestAPolicyIsReplacedOnlyUnderItsEtag(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ctx := t.Context()
	read, err := f.IamPolicy(ctx, appName)
	if err != nil {
		t.Fatal(err)
	}
	first := granting("user:alice@example.com")
	first.Etag = read.Etag
	stored, err := f.SetIamPolicy(ctx, peer, appName, first)
	if err != nil {
		t.Fatal(err)
	}
	if stored.Etag == "" || stored.Etag == read.Etag {
		t.Errorf("the etag went from %q to %q", read.Etag, stored.Etag)
	}
	second := granting("user:bob@example.com")
	second.Etag = read.Etag
	if _, err := f.SetIamPolicy(ctx, peer, appName, second); !errors.Is(err, iam.ErrEtag) {
		t.Errorf("a write under an old etag: %v", err)
	}
	second.Etag = ""
	if _, err := f.SetIamPolicy(ctx, peer, appName, second); err != nil {
		t.Errorf("a write without an etag: %v", err)
	}
	entry := f.lastEntry(t)
	before, after := decode[iam.Policy](t, entry.Before), decode[iam.Policy](t, entry.After)
	if before.Etag != stored.Etag || before.Bindings[0].Members[0] != "user:alice@example.com" || after.Bindings[0].Members[0] != "user:bob@example.com" {
		t.Errorf("the entry goes from %s to %s", entry.Before, entry.After)
	}
}

func TestAPolicyIsStoredInCanonicalForm(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	stored, err := f.SetIamPolicy(t.Context(), peer, appName, granting("user:Alice@Example.COM", "user:alice@example.com", "domain:EXAMPLE.com"))
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"user:alice@example.com", "domain:example.com"}; !slices.Equal(stored.Bindings[0].Members, want) {
		t.Errorf("the members are %v, not %v", stored.Bindings[0].Members, want)
	}
}

func TestPoliciesStandOnlyWhereTheyWouldBeRead(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for _, test := range []struct {
		name resource.Name
		want error // nil: accepted
	}{
		{"projects/123456789012", nil},
		{"projects/123456789012/iap_web", nil},
		{"projects/123456789012/iap_web/compute", nil},
		{"projects/123456789012/iap_web/appengine-dev-project", nil},
		{"projects/123456789012/iap_web/cloud_run-europe-west1", nil},
		{appName, nil},
		{"projects/99", admin.ErrNotFound},
		{"projects/99/iap_web/compute/services/1234567890123456789", admin.ErrNotFound},
		{"projects/123456789012/iap_web/appengine-other-project", admin.ErrNotFound},
		{"projects/123456789012/iap_web/compute/services/7", catalog.ErrNotFound},
		{"projects/123456789012/iap_web/appengine-dev-project/services/default", catalog.ErrNotFound},
		{appName + "/versions/v1", admin.ErrNotFound},
		{"projects/123456789012/iap_tunnel", resource.ErrInvalid},
		{"", resource.ErrInvalid},
	} {
		_, getErr := f.IamPolicy(t.Context(), test.name)
		_, setErr := f.SetIamPolicy(t.Context(), peer, test.name, granting("allAuthenticatedUsers"))
		for _, err := range []error{getErr, setErr} {
			if !errors.Is(err, test.want) || test.want == nil && err != nil {
				t.Errorf("%q: %v, want %v", test.name, err, test.want)
			}
		}
	}
}

func TestWhatIsNotUnderstoodInAPolicyIsRefused(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for _, policy := range []iam.Policy{
		granting("alice@example.com"),
		granting("user:alice@@example.com"),
		{Bindings: []iam.Binding{{Role: "roles/iap.unheardOf", Members: []string{"allUsers"}}}},
		{Version: 2},
	} {
		if _, err := f.SetIamPolicy(t.Context(), peer, appName, policy); !errors.Is(err, iam.ErrInvalid) {
			t.Errorf("%+v: %v", policy, err)
		}
	}
}

func TestResourcesAreFoundByProjectIDAndServiceName(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for written, want := range map[string]resource.Name{
		"projects/dev-project":                               "projects/123456789012",
		"projects/dev-project/iap_web/compute/services/app":  appName,
		"projects/123456789012/iap_web/compute/services/app": appName,
		string(appName): appName,
		"projects/dev-project/iap_web/compute/services/app/versions/v1":   appName + "/versions/v1",
		"projects/dev-project/iap_web/compute/services/other":             "projects/123456789012/iap_web/compute/services/other",
		"projects/dev-project/iap_web/appengine-dev-project/services/app": "projects/123456789012/iap_web/appengine-dev-project/services/app",
	} {
		if name, err := f.Resolve(t.Context(), written); name != want || err != nil {
			t.Errorf("%s is %q, %v; want %q", written, name, err, want)
		}
	}
}
