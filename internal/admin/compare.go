package admin

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/gatehouse-iap/gatehouse/internal/catalog"
	"github.com/gatehouse-iap/gatehouse/internal/identityprovider"
)

// compare finds what documents contradict each other in. others are the stored services that no document is about.
func (r *resolver) compare(others []catalog.Service) {
	r.compareNames()
	r.compareServices(others)
	r.compareClients(others)
	r.compareDomains()
	if !r.server { // the planner does, together with those that are stored
		r.compareProviders(r.providers())
	}
}

// compareNames refuses two documents about the same thing.
func (r *resolver) compareNames() {
	type called struct {
		kind Kind
		name string
	}
	names, keys := map[called]int{}, map[ownerKey]int{}
	addresses, subjects := map[string]int{}, map[string]int{}
	for i, d := range r.documents {
		if r.broken[i] {
			continue
		}
		name := called{d.Kind, d.Name}
		if d.Kind.isService() {
			name.kind = "service" // services of all kinds share their names
		}
		if other, taken := names[name]; taken {
			r.fault(i, "metadata.name", nil, "the name is taken by %s: give each document a name of its own", r.faults.at(other))
			continue
		}
		names[name] = i
		if other, taken := keys[d.key()]; taken {
			r.fault(i, keyPath(d.Kind), nil, "%s is what %s is about already: one document for each", d.key().key, r.faults.at(other))
			continue
		}
		keys[d.key()] = i
		if d.Kind == KindUser || d.Kind == KindGroup {
			if other, taken := addresses[d.Name]; taken {
				r.fault(i, "metadata.name", nil, "the address is that of %s: members of groups are addresses, so a user and a group cannot share one", r.faults.at(other))
				continue
			}
			addresses[d.Name] = i
		}
		if d.User != nil && d.User.Subject != "" {
			if other, taken := subjects[d.User.Subject]; taken {
				r.fault(i, "spec.subject", nil, "the subject is that of %s: applications would take the two for one person", r.faults.at(other))
				continue
			}
			subjects[d.User.Subject] = i
		}
	}
}

// keyPath is the field that says what a document is about.
func keyPath(kind Kind) string {
	switch kind {
	case KindIamPolicy, KindIapSettings:
		return "spec.resource"
	case KindBackendService:
		return "spec.id"
	default:
		return "metadata.name"
	}
}

// claim is a service that answers on a part of a host.
type claim struct {
	document int // -1: a stored one
	service  *catalog.Service
}

// compareServices refuses two services on the same part of a host, and two of one name.
func (r *resolver) compareServices(others []catalog.Service) {
	claims, names := map[string]claim{}, map[string]string{}
	for i := range others {
		for _, host := range others[i].Hosts {
			for _, prefix := range prefixes(others[i]) {
				claims[host+prefix] = claim{-1, &others[i]}
			}
		}
		names[others[i].Name] = string(others[i].Service.Name())
	}
	for i, d := range r.documents {
		if d.Service == nil || r.broken[i] {
			continue
		}
		if other, taken := names[d.Service.Name]; taken {
			r.fault(i, "metadata.name", nil, "%s is called that already: give one of them another name", other)
		}
		for n, host := range d.Service.Hosts {
			for m, prefix := range prefixes(*d.Service) {
				other, taken := claims[host+prefix]
				if !taken {
					claims[host+prefix] = claim{i, d.Service}
					continue
				}
				path := fmt.Sprintf("spec.hosts[%d]", n)
				if len(d.Service.PathPrefixes) > 0 {
					path = fmt.Sprintf("spec.pathPrefixes[%d]", m)
				}
				switch {
				case other.document == i:
					r.fault(i, path, nil, "%s/ is listed twice", prefix)
				case other.document >= 0:
					r.fault(i, path, nil, "%s%s/ is claimed by %s too: give them different hosts or path prefixes", host, prefix, r.faults.at(other.document))
				default:
					r.fault(i, path, nil, "%s%s/ belongs to the service %s (%s) already: give them different hosts or path prefixes", host, prefix, other.service.Name, other.service.Service.Name())
				}
			}
		}
	}
}

// compareClients refuses two services with one OAuth client id: a bearer token for one would open the other.
func (r *resolver) compareClients(others []catalog.Service) {
	owners := map[string]string{}
	for _, other := range others {
		owners[other.OAuthClientID] = "the service " + other.Name
	}
	for i, d := range r.documents {
		if d.Service == nil || r.broken[i] {
			continue
		}
		if owner, taken := owners[d.Service.OAuthClientID]; taken {
			r.fault(i, "spec.oauthClientId", nil, "%q is that of %s already: a bearer token is for one application, so give each a client id of its own",
				d.Service.OAuthClientID, owner)
			continue
		}
		owners[d.Service.OAuthClientID] = r.faults.at(i)
	}
}

// prefixes are the path prefixes of a service as they are compared.
func prefixes(s catalog.Service) []string {
	if len(s.PathPrefixes) == 0 {
		return []string{""}
	}
	out := make([]string, len(s.PathPrefixes))
	for i, prefix := range s.PathPrefixes {
		out[i] = strings.TrimSuffix(prefix, "/")
	}
	return out
}

// compareDomains refuses a domain for which two providers would vouch.
func (r *resolver) compareDomains() {
	claims := map[string]int{}
	for i, d := range r.documents {
		if d.Provider == nil || r.broken[i] {
			continue
		}
		for n, domain := range d.Provider.Domains {
			if other, taken := claims[domain]; taken && other != i {
				r.fault(i, fmt.Sprintf("spec.domains[%d]", n), nil, "%q is listed by %s too: only one provider may vouch for its addresses", domain, r.faults.at(other))
				continue
			}
			claims[domain] = i
		}
	}
}

// providers are those that documents declare without a fault, and the documents of each.
func (r *resolver) providers() (providers []identityprovider.Provider, documents map[string]int) {
	documents = map[string]int{}
	for i, d := range r.documents {
		if d.Provider != nil && !r.broken[i] {
			providers = append(providers, *d.Provider)
			documents[d.Provider.Name] = i
		}
	}
	return providers, documents
}

// compareProviders has the room of the providers say what does not fit together. It names the providers in its
// texts; the fault is put to the first document that is named.
func (r *resolver) compareProviders(providers []identityprovider.Provider, documents map[string]int) {
	err := identityprovider.ValidateAll(providers)
	if err == nil {
		return
	}
	for _, part := range parts(err) {
		at, text := -1, plain(part, identityprovider.ErrInvalid)
		for name, i := range documents {
			if strings.Contains(text, strconv.Quote(name)) && (at < 0 || i > at) {
				at = i
			}
		}
		r.faults.add(at, "spec", identityprovider.ErrInvalid, "%s", text)
	}
}
