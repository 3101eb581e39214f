package admin

import (
	"context"
	"slices"

	"github.com/gatehouse-iap/gatehouse/internal/principal"
	"github.com/gatehouse-iap/gatehouse/internal/resource"
)

// Mentions are the places that name an address after its account or group is gone. They grant nothing now, but
// would again to whoever gets the address next, so a deletion says where they are.
type Mentions struct {
	Policies []resource.Name `json:"policies,omitempty"`
	Groups   []string        `json:"groups,omitempty"`
}

func mentions(ctx context.Context, tx Tx, member principal.Member) (Mentions, error) {
	var found Mentions
	policies, err := tx.Policies().Policies(ctx)
	if err != nil {
		return Mentions{}, err
	}
	for name, policy := range policies {
		for _, b := range policy.Bindings {
			if slices.Contains(b.Members, member.String()) {
				found.Policies = append(found.Policies, name)
				break
			}
		}
	}
	slices.Sort(found.Policies)
	groups, err := tx.Directory().Groups(ctx)
	if err != nil {
		return Mentions{}, err
	}
	for _, group := range groups {
		if group.Email != member.Value && slices.Contains(group.Members, member.Value) {
			found.Groups = append(found.Groups, group.Email)
		}
	}
	return found, nil
}
