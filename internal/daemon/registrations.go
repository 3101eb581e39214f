package daemon

import (
	"context"

	"github.com/gatehouse-iap/gatehouse/internal/config"
	"github.com/gatehouse-iap/gatehouse/internal/identityprovider"
	"github.com/gatehouse-iap/gatehouse/internal/manifest"
	"github.com/gatehouse-iap/gatehouse/internal/signin"
)

// Registration is what must be registered at an identity provider. Where it offers logout, the other two addresses are
// for that.
type Registration struct{ Provider, Issuer, RedirectURI, BackchannelLogoutURI, PostLogoutRedirectURI string }

// Registrations lists, for the providers of a configuration's manifests, what must be registered at each. Its
// error is admin.Faults when the documents are at fault.
func Registrations(c *config.Config) ([]Registration, error) {
	if len(c.Manifests) == 0 {
		return nil, nil
	}
	documents, err := manifest.Load(c.Manifests...)
	if err != nil {
		return nil, err
	}
	var providers []identityprovider.Provider
	for _, d := range documents {
		if d.Provider != nil {
			provider := *d.Provider
			provider.Name = d.Name
			providers = append(providers, provider)
		}
	}
	return registrations(c, providers), nil
}

func registrations(c *config.Config, providers []identityprovider.Provider) (list []Registration) {
	external := signin.External{Scheme: c.ExternalURL.Scheme, Port: c.ExternalURL.Port}
	for _, p := range providers {
		if p.OIDC != nil {
			list = append(list, Registration{
				Provider: p.Name, Issuer: p.OIDC.Issuer, RedirectURI: signin.RedirectURI(external, c.AuthHost, p.OIDC.ClientID),
				BackchannelLogoutURI:  signin.BackchannelLogoutURI(external, c.AuthHost, p.OIDC.ClientID),
				PostLogoutRedirectURI: signin.PostLogoutRedirectURI(external, c.AuthHost),
			})
		}
	}
	return list
}

// tellRegistrations logs what must be registered at the providers of the store.
func (d *daemon) tellRegistrations(ctx context.Context) {
	providers, err := d.server.Admin().Providers(ctx)
	if err != nil {
		d.log.Error("the identity providers cannot be listed", "error", err)
		return
	}
	for _, r := range registrations(d.config, providers) {
		d.log.Info("register these addresses at the identity provider", "provider", r.Provider, "redirectURI", r.RedirectURI,
			"backchannelLogoutURI", r.BackchannelLogoutURI, "postLogoutRedirectURI", r.PostLogoutRedirectURI)
	}
}
