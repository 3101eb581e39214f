package admin

import (
	"context"
	"errors"

	"github.com/gatehouse-iap/gatehouse/internal/audit"
	"github.com/gatehouse-iap/gatehouse/internal/policy/iam"
	"github.com/gatehouse-iap/gatehouse/internal/resource"
)

func (g *planning) policyChange(i int, wanted DeclaredPolicy) *Change {
	name := resource.Name(wanted.Resource)
	stored, found := g.policies[name]
	if !found {
		stored = iam.Policy{Etag: iam.EmptyEtag}
	}
	if samePolicy(stored, wanted.Policy) {
		return nil
	}
	expected := wanted.Policy.Etag
	if expected != "" && expected != stored.Etag {
		g.fault(i, "spec.etag", iam.ErrEtag, "the policy has changed since this etag was read: get it again and make your change in that, or leave the etag out to overwrite it")
		return nil
	}
	next := DeclaredPolicy{g.written.of(name), wanted.Policy}
	next.Policy.Etag = ""
	change := &Change{Action: Created, After: &Document{Policy: &next}}
	if len(stored.Bindings) > 0 {
		before := DeclaredPolicy{next.Resource, stored}
		before.Policy.Etag = ""
		change.Action, change.Before = Updated, &Document{Policy: &before}
	}
	change.write = func(ctx context.Context, tx Tx) (audit.Entry, error) {
		entry := audit.Entry{Action: "iam.setIamPolicy", Target: wanted.Resource}
		written, err := tx.Policies().PutPolicy(ctx, name, next.Policy, expected)
		return entry, errors.Join(err, recordChange(&entry, stored, written))
	}
	return change
}

// samePolicy reports whether two policies say the same, in whatever order and however grouped.
func samePolicy(a, b iam.Policy) bool {
	grants := func(p iam.Policy) map[[2]string]bool {
		out := map[[2]string]bool{}
		for _, binding := range p.Bindings {
			for _, member := range binding.Members {
				out[[2]string{binding.Role, member}] = true
			}
		}
		return out
	}
	first, second := grants(a), grants(b)
	if len(first) != len(second) {
		return false
	}
	for grant := range first {
		if !second[grant] {
			return false
		}
	}
	return true
}
