package identityprovider

import (
	"slices"
	"strings"

	"github.com/gatehouse-iap/gatehouse/internal/principal"
)

// View is the providers as requests and sign-in read them. It is immutable.
type View struct {
	byName    map[string]*Provider
	byDomain  map[string]string // domain to the name of the one that may vouch for it; empty when two claim it
	others    string            // the one with "*"; empty when there is none, or two claim it
	providers []Provider
}

// NewView compiles providers. Without any there is our own directory, for every domain, so that a new gate can
// be tried before a provider is connected.
func NewView(providers []Provider) *View {
	if len(providers) == 0 {
		providers = []Provider{{Name: LocalName, Kind: Local, Domains: []string{AnyDomain}}}
	}
	v := &View{byName: map[string]*Provider{}, byDomain: map[string]string{}, providers: slices.Clone(providers)}
	slices.SortFunc(v.providers, func(a, b Provider) int { return strings.Compare(a.Name, b.Name) })
	claimed := map[string]bool{}
	for i := range v.providers {
		p := &v.providers[i]
		v.byName[p.Name] = p
		for _, domain := range p.Domains {
			name := p.Name
			if claimed[domain] {
				name = "" // cannot be stored; were it, neither could be believed
			}
			claimed[domain] = true
			if domain == AnyDomain {
				v.others = name
			} else {
				v.byDomain[domain] = name
			}
		}
	}
	return v
}

// Provider returns the provider with a name, switched off or not.
func (v *View) Provider(name string) (Provider, bool) {
	if p := v.byName[name]; p != nil {
		return *p, true
	}
	return Provider{}, false
}

// Enabled lists the providers that people can sign in with, by name.
func (v *View) Enabled() []Provider {
	var enabled []Provider
	for _, p := range v.providers {
		if !p.Disabled {
			enabled = append(enabled, p)
		}
	}
	return enabled
}

// Authority returns the one provider that may vouch for addresses of a canonical domain; false when there is none.
// It may be switched off: then nobody vouches for them, and they do not fall to the provider with "*".
func (v *View) Authority(domain string) (Provider, bool) {
	return v.Provider(v.authority(domain))
}

func (v *View) authority(domain string) string {
	if name, listed := v.byDomain[domain]; listed {
		return name
	}
	return v.others
}

// Authoritative reports whether the provider with a name may vouch for addresses of a canonical domain: it is
// there, switched on, and the domain is its own.
func (v *View) Authoritative(name, domain string) bool {
	p := v.byName[name]
	return p != nil && !p.Disabled && v.authority(domain) == name && (p.Kind == Local || !ofServiceAccounts(domain))
}

// ofServiceAccounts reports whether a domain is one in which programs have their addresses. Only our own directory
// makes those; whoever else vouched for one would take over the groups that the program is in.
func ofServiceAccounts(domain string) bool {
	return domain == "gserviceaccount.com" || strings.HasSuffix(domain, ".gserviceaccount.com")
}

// Vouches reports whether the provider of an identity may still vouch for it. Service accounts are always of our own
// directory.
func (v *View) Vouches(identity principal.Identity) bool {
	if identity.Kind == principal.ServiceAccount {
		return identity.Provider == LocalName
	}
	return v.Authoritative(identity.Provider, principal.Domain(identity.Email))
}
