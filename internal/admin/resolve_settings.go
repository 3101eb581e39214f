package admin

import (
	"errors"

	"github.com/gatehouse-iap/gatehouse/internal/settings"
)

func (r *resolver) resolveSettings(i int, d *Document, services serviceIndex) {
	s := *d.Settings
	s.Resource = r.resolveResource(i, s.Resource, services)
	canonical, err := r.rules.Canonical(s.Settings)
	var faults settings.Faults
	if errors.As(err, &faults) {
		for _, f := range faults {
			r.fault(i, "spec."+f.Path, settings.ErrInvalid, "%s", f.Text)
		}
	}
	s.Settings = canonical
	d.Settings = &s
}
