package snapshot

import (
	"github.com/gatehouse-iap/gatehouse/internal/catalog"
	"github.com/gatehouse-iap/gatehouse/internal/directory"
	"github.com/gatehouse-iap/gatehouse/internal/issuer"
	"github.com/gatehouse-iap/gatehouse/internal/policy/iam"
	"github.com/gatehouse-iap/gatehouse/internal/principal"
	"github.com/gatehouse-iap/gatehouse/internal/resource"
	"github.com/gatehouse-iap/gatehouse/internal/session"
	"github.com/gatehouse-iap/gatehouse/internal/upstream"
)

// Snapshot is everything that one request reads. It is immutable.
type Snapshot struct {
	// Position of the change feed that it reflects.
	Position   int64
	Routes     *catalog.Table
	Directory  *directory.View
	Principals *principal.Interner
	Keys       *issuer.KeySet

	policies map[resource.Name]*iam.Compiled
	served   map[resource.Name]*Served
}

// Served is one service with what requests to it need, worked out beforehand.
type Served struct {
	Service    catalog.Service
	Resource   resource.Name
	Audience   string
	CookieName string
	Upstream   *upstream.Upstream
	lineage    []resource.Name
}

func newServed(service catalog.Service, up *upstream.Upstream) *Served {
	name := service.Service.Name()
	s := &Served{
		Service: service, Resource: name, Audience: service.Audience(), CookieName: session.CookieName(name), Upstream: up,
	}
	for level, more := name, true; more; level, more = level.Parent() {
		s.lineage = append(s.lineage, level)
	}
	return s
}

// Lineage lists the resource and those above it, nearest first. The caller must not change it.
func (s *Served) Lineage() []resource.Name { return s.lineage }

// Served returns the service with a resource name.
func (s *Snapshot) Served(name resource.Name) (*Served, bool) {
	served, found := s.served[name]
	return served, found
}

// Route finds the service for a canonical host and a target; the errors are those of catalog.Table.Route.
func (s *Snapshot) Route(host string, target catalog.Target) (*Served, error) {
	name, err := s.Routes.Route(host, target)
	if err != nil {
		return nil, err
	}
	return s.served[name], nil
}

// Serves reports whether some path of a canonical host leads to the resource.
func (s *Snapshot) Serves(host string, name resource.Name) bool {
	served, found := s.served[name]
	if !found {
		return false
	}
	for _, h := range served.Service.Hosts {
		if h == host {
			return true
		}
	}
	return false
}

// Policy returns the compiled policy that stands on a resource itself.
func (s *Snapshot) Policy(name resource.Name) (*iam.Compiled, bool) {
	compiled, found := s.policies[name]
	return compiled, found
}

// AppendLevels appends the policies that stand on the service's resource and above it, nearest first.
func (s *Snapshot) AppendLevels(levels []*iam.Compiled, served *Served) []*iam.Compiled {
	for _, name := range served.lineage {
		if compiled, found := s.policies[name]; found {
			levels = append(levels, compiled)
		}
	}
	return levels
}

// AppendMemberIDs appends the numbers of all members that stand for an identity: itself, its domain, its groups.
func (s *Snapshot) AppendMemberIDs(ids []uint32, identity principal.Identity) []uint32 {
	if id, found := s.Principals.Lookup(identity.Member()); found {
		ids = append(ids, id)
	}
	if identity.HostedDomain != "" {
		if id, found := s.Principals.Lookup(principal.Member{Kind: principal.MemberDomain, Value: identity.HostedDomain}); found {
			ids = append(ids, id)
		}
	}
	return s.Directory.AppendGroupsOf(ids, identity.Email, s.Principals)
}

// Suspended reports whether the account behind an identity of our own directory is disabled, gone, or has been
// replaced by another one with the same address.
func (s *Snapshot) Suspended(identity principal.Identity) bool {
	if identity.Provider != directory.LocalProvider {
		return true // no other provider exists yet: whoever claims one is nobody
	}
	account, found := s.Directory.Account(identity.Email)
	return !found || account.Disabled || account.Subject != identity.Subject || account.Kind != identity.Kind
}
