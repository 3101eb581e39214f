package adminclient

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/admin"
	"github.com/gatehouse-iap/gatehouse/internal/policy/iam"
	"github.com/gatehouse-iap/gatehouse/internal/principal"
)

// path escapes a resource name as a path.
func path(resource string) string {
	parts := strings.Split(resource, "/")
	for i := range parts {
		parts[i] = url.PathEscape(parts[i])
	}
	return strings.Join(parts, "/")
}

// IamPolicy returns the policy of a resource.
func (c *Client) IamPolicy(ctx context.Context, resource string) (iam.Policy, error) {
	return post[iam.Policy](ctx, c, "/v1/"+path(resource)+":getIamPolicy", map[string]any{"options": map[string]int{"requestedPolicyVersion": 3}})
}

// SetIamPolicy replaces the policy of a resource; one with an etag only if that is still the stored one.
func (c *Client) SetIamPolicy(ctx context.Context, resource string, policy iam.Policy) (iam.Policy, error) {
	return post[iam.Policy](ctx, c, "/v1/"+path(resource)+":setIamPolicy", map[string]iam.Policy{"policy": policy})
}

// AddBinding grants a role to a member and returns the policy as stored.
func (c *Client) AddBinding(ctx context.Context, resource, role, member string) (iam.Policy, error) {
	return c.modify(ctx, resource, func(policy *iam.Policy) error {
		for i, b := range policy.Bindings {
			if b.Role == role {
				if !slices.Contains(b.Members, member) {
					policy.Bindings[i].Members = append(b.Members, member)
				}
				return nil
			}
		}
		policy.Bindings = append(policy.Bindings, iam.Binding{Role: role, Members: []string{member}})
		return nil
	})
}

// ErrNoBinding reports a binding that was to be removed and is not there.
var ErrNoBinding = errors.New("no such binding")

// RemoveBinding takes a role from a member and returns the policy as stored.
func (c *Client) RemoveBinding(ctx context.Context, resource, role, member string) (iam.Policy, error) {
	wanted := canonical(member)
	return c.modify(ctx, resource, func(policy *iam.Policy) error {
		found := false
		for i, b := range policy.Bindings {
			if b.Role != role || !slices.Contains(b.Members, wanted) {
				continue
			}
			found = true
			policy.Bindings[i].Members = slices.DeleteFunc(slices.Clone(b.Members), func(m string) bool { return m == wanted })
		}
		policy.Bindings = slices.DeleteFunc(policy.Bindings, func(b iam.Binding) bool { return len(b.Members) == 0 })
		if !found {
			return fmt.Errorf("%w: %s does not have %s on %s", ErrNoBinding, member, role, resource)
		}
		return nil
	})
}

// canonical returns the stored spelling of a member; what is no member is left to the server to refuse.
func canonical(member string) string {
	if m, err := principal.ParseMember(member); err == nil {
		return m.String()
	}
	return member
}

// attempts bounds the tries of a read-modify-write; the waits between them add up to a few seconds.
const attempts = 8

// modify reads a policy, changes it and writes it back, again while somebody else's write comes in between.
func (c *Client) modify(ctx context.Context, resource string, change func(*iam.Policy) error) (iam.Policy, error) {
	wait := 20 * time.Millisecond
	for try := 1; ; try++ {
		policy, err := c.IamPolicy(ctx, resource)
		if err != nil {
			return iam.Policy{}, err
		}
		if err := change(&policy); err != nil {
			return iam.Policy{}, err
		}
		stored, err := c.SetIamPolicy(ctx, resource, policy)
		if err == nil || try == attempts || !HasReason(err, admin.ReasonEtagMismatch) {
			return stored, err
		}
		select {
		case <-ctx.Done():
			return iam.Policy{}, ctx.Err()
		case <-time.After(wait/2 + rand.N(wait)): // apart from the others that try
			wait *= 2
		}
	}
}
