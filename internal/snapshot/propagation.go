package snapshot

import (
	"github.com/gatehouse-iap/gatehouse/internal/expression"
	"github.com/gatehouse-iap/gatehouse/internal/issuer"
	"github.com/gatehouse-iap/gatehouse/internal/resource"
)

// prepareTellings works out what the application is told besides the assertion. An expression was checked before it
// was stored; one that cannot be compiled all the same selects nothing and fails every request that it is for.
func (s *Served) prepareTellings() {
	s.Propagation = nil
	if source := s.Settings.Attributes.Expression; source != "" {
		compiled, err := expression.CompilePropagation(source)
		if err != nil {
			compiled = &expression.Propagation{}
		}
		s.Propagation = compiled
	}
	if s.Service.Kind == resource.CloudRunService {
		s.Serverless = &issuer.Serverless{Audience: s.Audience, ProjectNumber: s.Service.ProjectNumber}
	}
}
