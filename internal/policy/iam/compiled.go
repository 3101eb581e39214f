package iam

import (
	"fmt"

	"github.com/gatehouse-iap/gatehouse/internal/principal"
	"github.com/gatehouse-iap/gatehouse/internal/resource"
)

// Compiled is one policy, ready to decide. It is immutable and compiled once per etag.
type Compiled struct {
	Resource resource.Name
	// Policy is the document it was compiled from.
	Policy Policy

	public        bool // allUsers may use the application
	authenticated bool // allAuthenticatedUsers may
	members       map[uint32]struct{}
}

// Compile reads the bindings that give access into sets. A policy that Validate refuses does not compile.
func Compile(name resource.Name, policy Policy, interner *principal.InternerEdit) (*Compiled, error) {
	canonical, err := policy.Canonical()
	if err != nil {
		return nil, fmt.Errorf("policy of %s: %w", name, err)
	}
	c := &Compiled{Resource: name, Policy: canonical, members: map[uint32]struct{}{}}
	for _, b := range canonical.Bindings {
		if !GivesWebAccess(b.Role) {
			continue
		}
		for _, s := range b.Members {
			member, err := principal.ParseMember(s)
			if err != nil {
				return nil, fmt.Errorf("policy of %s: %w", name, err)
			}
			switch member.Kind {
			case principal.MemberAllUsers:
				c.public = true
			case principal.MemberAllAuthenticated:
				c.authenticated = true
			default:
				c.members[interner.Intern(member)] = struct{}{}
			}
		}
	}
	return c, nil
}

// Public reports whether everybody may use the application, signed in or not.
func (c *Compiled) Public() bool { return c.public }

// Grants reports whether the policy lets somebody in who is recognised. ids are the numbers of the members that
// stand for them: themselves, their domain, their groups.
func (c *Compiled) Grants(ids []uint32) bool {
	if c.public || c.authenticated {
		return true
	}
	for _, id := range ids {
		if _, found := c.members[id]; found {
			return true
		}
	}
	return false
}
