package admin

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/gatehouse-iap/gatehouse/internal/policy/iam"
	"github.com/gatehouse-iap/gatehouse/internal/principal"
	"github.com/gatehouse-iap/gatehouse/internal/resource"
)

func (r *resolver) resolvePolicy(i int, d *Document, services serviceIndex) {
	p := *d.Policy
	p.Resource = r.resolveResource(i, p.Resource, services)
	r.checkBindings(i, p.Policy)
	d.Policy = &p
	if r.broken[i] {
		return
	}
	canonical, err := p.Policy.Canonical()
	if err != nil {
		r.fault(i, "spec.bindings", nil, "%s", plain(err, iam.ErrInvalid))
	}
	if canonical.Version == 0 {
		canonical.Version = 1
	}
	p.Policy = canonical
	d.Policy = &p
}

// resolveResource returns the canonical name of the resource that a policy or settings are about.
func (r *resolver) resolveResource(i int, written string, services serviceIndex) string {
	name, err := services.resolve(written, r.known())
	if r.broken[i] {
		// of another project: nothing more can be said of the resource
	} else if err != nil {
		r.fault(i, "spec.resource", nil, "%s: the project may be named by id or number, and a service by name or number", plain(err, resource.ErrInvalid))
	} else if err := cmp.Or(checkPlace(name, r.known()), checkVersion(name)); err != nil {
		r.fault(i, "spec.resource", nil, "%s", plain(err, ErrNotFound))
	}
	return string(name)
}

func (r *resolver) checkBindings(i int, p iam.Policy) {
	if _, err := (iam.Policy{Version: p.Version}).Canonical(); err != nil {
		r.fault(i, "spec.version", nil, "%s", plain(err, iam.ErrInvalid))
	}
	for n, b := range p.Bindings {
		path := fmt.Sprintf("spec.bindings[%d]", n)
		if !slices.Contains(iam.Roles(), b.Role) {
			r.fault(i, path+".role", nil, "role %q is unknown; to let people use an application, grant %s", b.Role, iam.RoleHTTPSResourceAccessor)
		}
		for m, member := range b.Members {
			if _, err := principal.ParseMember(member); err != nil {
				r.fault(i, fmt.Sprintf("%s.members[%d]", path, m), nil, "%s", err)
			}
		}
	}
}
