package snapshot

import (
	"github.com/gatehouse-iap/gatehouse/internal/catalog"
	"github.com/gatehouse-iap/gatehouse/internal/directory"
	"github.com/gatehouse-iap/gatehouse/internal/expression"
	"github.com/gatehouse-iap/gatehouse/internal/identityprovider"
	"github.com/gatehouse-iap/gatehouse/internal/issuer"
	"github.com/gatehouse-iap/gatehouse/internal/policy/iam"
	"github.com/gatehouse-iap/gatehouse/internal/principal"
	"github.com/gatehouse-iap/gatehouse/internal/resource"
	"github.com/gatehouse-iap/gatehouse/internal/session"
	"github.com/gatehouse-iap/gatehouse/internal/settings"
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
	Providers  *identityprovider.View

	policies map[resource.Name]*iam.Compiled
	settings map[resource.Name]settings.IapSettings // those in which something is set
	served   map[resource.Name]*Served

	upstreamFaults []string
}

// Served is one service with what requests to it need, worked out beforehand.
type Served struct {
	Service  catalog.Service
	Resource resource.Name
	Audience string
	Upstream *upstream.Upstream
	// Public are the parts of the service that are open to everybody; nil for none.
	Public *catalog.PublicPaths
	// Settings is what IapSettings come to for the service; never nil.
	Settings *settings.Effective
	// Demand is what the settings ask people to prove, again and again.
	Demand session.Demand
	// Propagation selects what the application is told about a person; nil selects nothing.
	Propagation *expression.Propagation
	// Serverless is the header that Cloud Run puts beside the assertion; nil elsewhere.
	Serverless *issuer.Serverless
	// DeniedPage is where the settings send people who are turned away; nil for our own page.
	DeniedPage *DeniedPage
	lineage    []resource.Name
	cookie     session.Cookie            // of each host by itself
	cookies    map[string]session.Cookie // of those hosts that share one
}

func newServed(service catalog.Service, up *upstream.Upstream, all map[resource.Name]settings.IapSettings) *Served {
	name := service.Service.Name()
	s := &Served{
		Service: service, Resource: name, Audience: service.Audience(), cookie: session.HostCookie(name), Upstream: up,
		Public: service.CompilePublicPaths(),
	}
	for level, more := name, true; more; level, more = level.Parent() {
		s.lineage = append(s.lineage, level)
	}
	s.configure(all)
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

// AppendMemberIDs appends the numbers of all members that stand for an identity: itself, its domain, its groups,
// among them those that its provider's claims name. A domain or group counts only where the provider is the one
// that may vouch for it.
func (s *Snapshot) AppendMemberIDs(ids []uint32, identity principal.Identity, claimed ...string) []uint32 {
	if id, found := s.Principals.Lookup(identity.Member()); found {
		ids = append(ids, id)
	}
	if s.mayVouch(identity, identity.HostedDomain) {
		if id, found := s.Principals.Lookup(principal.Member{Kind: principal.MemberDomain, Value: identity.HostedDomain}); found {
			ids = append(ids, id)
		}
	}
	for _, group := range claimed {
		if !s.mayVouch(identity, principal.Domain(group)) {
			continue
		}
		if id, found := s.Principals.Lookup(principal.Member{Kind: principal.MemberGroup, Value: group}); found {
			ids = append(ids, id)
		}
		ids = s.Directory.AppendGroupsOf(ids, group, s.Principals)
	}
	return s.Directory.AppendGroupsOf(ids, identity.Email, s.Principals)
}

// NamedGroups returns those of the claimed groups that count and that a policy or another group names: the others
// cannot change an answer.
func (s *Snapshot) NamedGroups(identity principal.Identity, claimed []string) []string {
	var named []string
	for _, group := range claimed {
		if !s.mayVouch(identity, principal.Domain(group)) {
			continue
		}
		for _, kind := range [...]principal.MemberKind{principal.MemberGroup, ""} {
			if _, found := s.Principals.Lookup(principal.Member{Kind: kind, Value: group}); found {
				named = append(named, group)
				break
			}
		}
	}
	return named
}

// mayVouch reports whether what the provider of an identity says about a domain counts.
func (s *Snapshot) mayVouch(identity principal.Identity, domain string) bool {
	switch {
	case domain == "":
		return false
	case identity.Kind == principal.ServiceAccount:
		return true // of our own directory
	default:
		return s.Providers.Authoritative(identity.Provider, domain)
	}
}

// Suspended reports whether an identity does not count any more. Its provider is gone, switched off, or not the one
// that may vouch for its address; or the local account with its address is disabled; or, for an identity of our own
// directory, that account is gone or is another one by now.
func (s *Snapshot) Suspended(identity principal.Identity) bool {
	if !s.Providers.Vouches(identity) {
		return true
	}
	account, found := s.Directory.Account(identity.Email)
	if identity.Provider != directory.LocalProvider {
		return found && account.Disabled
	}
	return !found || account.Disabled || account.Subject != identity.Subject || account.Kind != identity.Kind
}
