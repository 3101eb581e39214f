package resource_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/gatehouse-iap/gatehouse/internal/resource"
)

func TestServicesHaveGooglesAudiencesAndNames(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		service  resource.Service
		audience string
		lineage  []resource.Name
	}{
		"a backend service": {
			resource.Service{Kind: resource.BackendService, ProjectID: "dev-project", ProjectNumber: 123, ID: "456"},
			"/projects/123/global/backendServices/456",
			[]resource.Name{"projects/123/iap_web/compute/services/456", "projects/123/iap_web/compute", "projects/123/iap_web", "projects/123"},
		},
		"an App Engine app": {
			resource.Service{Kind: resource.AppEngineApp, ProjectID: "dev-project", ProjectNumber: 123},
			"/projects/123/apps/dev-project",
			[]resource.Name{"projects/123/iap_web/appengine-dev-project/services/default", "projects/123/iap_web/appengine-dev-project", "projects/123/iap_web", "projects/123"},
		},
		"a Cloud Run service": {
			resource.Service{Kind: resource.CloudRunService, ProjectID: "dev-project", ProjectNumber: 123, Region: "us-east4", ID: "web"},
			"/projects/123/locations/us-east4/services/web",
			[]resource.Name{"projects/123/iap_web/cloud_run-us-east4/services/web", "projects/123/iap_web/cloud_run-us-east4", "projects/123/iap_web", "projects/123"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if err := c.service.Validate(); err != nil {
				t.Fatal(err)
			}
			if got := c.service.Audience(); got != c.audience {
				t.Errorf("audience %q", got)
			}
			if got, err := resource.ParseAudience(c.audience, "dev-project"); err != nil || got != c.service {
				t.Errorf("the audience is read as %+v, %v", got, err)
			}
			var lineage []resource.Name
			for level, more := c.service.Name(), true; more; level, more = level.Parent() {
				lineage = append(lineage, level)
				if parsed, err := resource.ParseName(string(level)); err != nil || parsed != level {
					t.Errorf("%s is read as %s, %v", level, parsed, err)
				}
			}
			if !slices.Equal(lineage, c.lineage) {
				t.Errorf("lineage %v", lineage)
			}
		})
	}
}

func TestNamesAndAudiencesOfAnotherFormAreRefused(t *testing.T) {
	t.Parallel()
	for _, s := range []string{
		"", "projects", "projects/", "projects/my-id", "projects/0", "projects/1/", "projects/1/iap_web/", "projects/1/iap_tunnel",
		"projects/1/iap_web/compute/services", "projects/1/iap_web/compute/services/../x", "projects/1/iap_web/compute/services/A",
		"projects/1/iap_web/cloud_run-/services/a", "projects/1/iap_web/compute/services/1/versions", "organizations/1", "projects/1//iap_web",
	} {
		if got, err := resource.ParseName(s); !errors.Is(err, resource.ErrInvalid) {
			t.Errorf("name %q is read as %q, %v", s, got, err)
		}
	}
	for _, s := range []string{
		"", "/", "/projects/1", "/projects/x/apps/dev-project", "/projects/1/apps/", "/projects/1/global/backendServices/name",
		"projects/1/apps/dev-project", "/projects/1/locations/us-east4/services/", "/projects/1/apps/dev-project/", "/projects/99999999999999999999/apps/dev-project",
	} {
		if got, err := resource.ParseAudience(s, "dev-project"); !errors.Is(err, resource.ErrInvalid) {
			t.Errorf("audience %q is read as %+v, %v", s, got, err)
		}
	}
}
