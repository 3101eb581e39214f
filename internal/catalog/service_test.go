package catalog

import (
	"strings"
	"testing"

	"github.com/gatehouse-iap/gatehouse/internal/resource"
)

func TestALengthOfBodiesIsNotNegative(t *testing.T) {
	t.Parallel()
	s := Service{
		Service: resource.Service{Kind: resource.BackendService, ProjectID: "p-roject", ProjectNumber: 1, ID: "1"},
		Name:    "a", Hosts: []string{"a.test"}, Upstream: "http://app:80", OAuthClientID: "a",
	}
	for length, refused := range map[int64]bool{0: false, 1: false, 1 << 40: false, -1: true} {
		s.MaxBodyBytes = length
		if err := s.Validate(); (err != nil) != refused || refused && !strings.Contains(err.Error(), "maxBodyBytes -1 must be 1 or more") {
			t.Errorf("%d: %v", length, err)
		}
	}
}
