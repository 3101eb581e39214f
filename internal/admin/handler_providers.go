package admin

import (
	"fmt"

	"github.com/gatehouse-iap/gatehouse/internal/identityprovider"
)

func (a *Admin) getProviders(c call) (any, error) {
	providers, err := a.Providers(c.Context())
	return list("identityProviders", providers), err
}

func (a *Admin) putProvider(c call) (any, error) {
	var provider identityprovider.Provider
	if err := c.decode(&provider); err != nil {
		return nil, err
	}
	if name := c.PathValue("name"); provider.Name != name {
		return nil, fmt.Errorf("%w: the provider is called %q, and %q in the path", ErrInvalid, provider.Name, name)
	}
	return provider, a.PutProvider(c.Context(), c.actor, provider)
}

func (a *Admin) removeProvider(c call) (any, error) {
	return empty{}, a.DeleteProvider(c.Context(), c.actor, c.PathValue("name"))
}
