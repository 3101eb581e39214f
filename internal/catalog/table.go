package catalog

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/gatehouse-iap/gatehouse/internal/resource"
)

// Table is the compiled route table: host and path to resource. It is immutable; With makes a successor that
// shares the hosts which did not change.
type Table struct {
	services map[resource.Name]Service
	hosts    map[string]*hostRoutes
}

// hostRoutes are the routes of one host, longest path prefix first.
type hostRoutes struct {
	entries   []routeEntry
	pathRules bool // some entry is bound to a part of the host, or opens one
}

type routeEntry struct {
	prefix string // "" for the whole host, else without trailing slash
	name   resource.Name
}

// The ways in which a request leads nowhere.
var (
	ErrHostUnknown = errors.New("no service answers on this host")
	ErrPathUnknown = errors.New("no service answers on this path")
	ErrAmbiguous   = errors.New("the forms of the path lead to different services")
)

// NewTable returns a table without services.
func NewTable() *Table {
	return &Table{services: map[resource.Name]Service{}, hosts: map[string]*hostRoutes{}}
}

// With returns the table after changes; nil removes a service. Its errors wrap ErrInvalid: a service that is
// invalid by itself, two that claim the same host and prefix or the same OAuth client id, or a host that two projects
// claim.
func (t *Table) With(changes map[resource.Name]*Service) (*Table, error) {
	next := &Table{services: maps.Clone(t.services), hosts: maps.Clone(t.hosts)}
	touched := map[string]bool{}
	for name, service := range changes {
		for _, host := range t.services[name].Hosts {
			touched[host] = true
		}
		delete(next.services, name)
		if service == nil {
			continue
		}
		if err := service.Validate(); err != nil {
			return nil, err
		}
		next.services[name] = *service
		for _, host := range service.Hosts {
			touched[host] = true
		}
	}
	byHost := map[string][]Service{}
	clients := make(map[string]string, len(next.services))
	for _, service := range next.services {
		// A bearer token is for one application: its audience must not name two.
		if other, taken := clients[service.OAuthClientID]; taken {
			return nil, fmt.Errorf("%w %q: the oauthClientId %q is that of service %q already", ErrInvalid, service.Name, service.OAuthClientID, other)
		}
		clients[service.OAuthClientID] = service.Name
		for _, host := range service.Hosts {
			if touched[host] {
				byHost[host] = append(byHost[host], service)
			}
		}
	}
	for host := range touched {
		delete(next.hosts, host)
		if services := byHost[host]; len(services) > 0 {
			routes, err := compileHost(host, services)
			if err != nil {
				return nil, err
			}
			next.hosts[host] = routes
		}
	}
	return next, nil
}

func compileHost(host string, services []Service) (*hostRoutes, error) {
	routes := &hostRoutes{}
	claimed := map[string]Service{}
	for _, service := range services {
		if other := services[0]; other.ProjectNumber != service.ProjectNumber {
			return nil, fmt.Errorf("%w %q: host %s belongs to project %s already", ErrInvalid, service.Name, host, other.ProjectID)
		}
		prefixes := service.PathPrefixes
		if len(prefixes) == 0 {
			prefixes = []string{"/"}
		}
		for _, prefix := range prefixes {
			prefix = strings.TrimSuffix(prefix, "/")
			if other, taken := claimed[prefix]; taken {
				return nil, fmt.Errorf("%w %q: %s%s/ belongs to service %q already", ErrInvalid, service.Name, host, prefix, other.Name)
			}
			claimed[prefix] = service
			routes.entries = append(routes.entries, routeEntry{prefix, service.Service.Name()})
			routes.pathRules = routes.pathRules || prefix != "" || len(service.PublicPaths) > 0
		}
	}
	slices.SortFunc(routes.entries, func(a, b routeEntry) int { return len(b.prefix) - len(a.prefix) })
	return routes, nil
}

// Services returns all services of the table, in no order. The caller must not change them.
func (t *Table) Services() map[resource.Name]Service { return t.services }

// HasHost reports whether some service answers on a canonical host.
func (t *Table) HasHost(host string) bool {
	_, found := t.hosts[host]
	return found
}

// Route finds the service that answers on a canonical host and a target: its resource, or ErrHostUnknown,
// ErrPathUnknown, ErrAmbiguous, ErrTarget.
func (t *Table) Route(host string, target Target) (resource.Name, error) {
	routes, found := t.hosts[host]
	if !found {
		return "", ErrHostUnknown
	}
	if routes.pathRules && target.EncodedSlash {
		return "", targetError("the path holds an encoded slash, which hosts with path rules refuse")
	}
	name, found := routes.match(target.Raw)
	if target.Raw != target.Normalized || target.Raw != target.Decoded {
		normalized, _ := routes.match(target.Normalized)
		decoded, _ := routes.match(target.Decoded)
		if name != normalized || name != decoded {
			return "", ErrAmbiguous
		}
	}
	if !found {
		return "", ErrPathUnknown
	}
	return name, nil
}

func (h *hostRoutes) match(path string) (resource.Name, bool) {
	for i := range h.entries {
		entry := &h.entries[i]
		if under(path, entry.prefix) {
			return entry.name, true
		}
	}
	return "", false
}
