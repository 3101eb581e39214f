package bearer

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/gatehouse-iap/gatehouse/internal/identityprovider"
	"github.com/gatehouse-iap/gatehouse/internal/issuer"
	"github.com/gatehouse-iap/gatehouse/internal/principal"
)

// issuers knows whose tokens are for the gate. It is worked out once for every view of the providers.
type issuers struct{ current atomic.Pointer[issuerList] }

type issuerList struct {
	providers *identityprovider.View
	// names are the issuers: ours, that of assertions, and those of providers.
	names      []string
	needles    [][]byte // what a payload must hold to name any issuer of ours
	byProvider map[string]identityprovider.Provider
}

func (i *issuers) list(v *Verifier, view View) *issuerList {
	if current := i.current.Load(); current != nil && current.providers == view.Providers {
		return current
	}
	fresh := &issuerList{
		providers: view.Providers, names: []string{v.Issuer, issuer.AssertionIssuer},
		needles: [][]byte{[]byte("gserviceaccount.com")}, byProvider: map[string]identityprovider.Provider{},
	}
	if view.Providers != nil && v.ProviderKeys != nil && v.People != nil {
		for _, p := range view.Providers.Enabled() {
			if p.Kind == identityprovider.OIDC && p.OIDC != nil {
				fresh.names = append(fresh.names, p.OIDC.Issuer)
				fresh.byProvider[p.OIDC.Issuer] = p
			}
		}
	}
	for _, name := range fresh.names {
		fresh.needles = append(fresh.needles, []byte(name))
	}
	i.current.Store(fresh)
	return fresh
}

// provider returns the identity provider with an issuer.
func (i *issuers) provider(name string, view View) (identityprovider.Provider, bool) {
	current := i.current.Load() // named has just made it
	if current == nil || current.providers != view.Providers {
		return identityprovider.Provider{}, false
	}
	p, found := current.byProvider[name]
	return p, found
}

// named reports whether any issuer that an encoded payload names is one of ours. It reads leniently, on purpose: a
// token that names us in a broken way is refused, not handed on.
func (i *issuers) named(payload string, v *Verifier, view View) bool {
	list := i.list(v, view)
	decoded, _ := base64.RawURLEncoding.DecodeString(strings.TrimRight(payload, "="))
	mentions := func(needle []byte) bool { return bytes.Contains(decoded, needle) }
	if bytes.IndexByte(decoded, '\\') < 0 && !slices.ContainsFunc(list.needles, mentions) {
		return false // without escapes a name stands there as it is: most foreign tokens end here
	}
	named := false
	_ = members(decoded, func(name string, value json.RawMessage) error {
		if !strings.EqualFold(name, "iss") {
			return nil
		}
		var one string
		var many []string
		if json.Unmarshal(value, &one) == nil {
			many = []string{one}
		} else if json.Unmarshal(value, &many) != nil {
			return nil
		}
		named = named || slices.ContainsFunc(many, func(s string) bool {
			return slices.Contains(list.names, s) || v.isOurAccount(s, view)
		})
		return nil
	})
	return named
}

// isOurAccount reports whether an issuer is a service account of the project, one that is gone too, or of the directory.
func (v *Verifier) isOurAccount(name string, view View) bool {
	email, err := principal.ParseAddress(name)
	if err != nil {
		return false
	}
	if v.ServiceAccounts != "" && principal.Domain(email) == v.ServiceAccounts {
		return true
	}
	account, found := view.Directory.Account(email)
	return found && account.Kind == principal.ServiceAccount
}
