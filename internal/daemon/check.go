package daemon

import (
	"fmt"
	"maps"
	"slices"

	"github.com/gatehouse-iap/gatehouse/internal/admin"
	"github.com/gatehouse-iap/gatehouse/internal/catalog"
	"github.com/gatehouse-iap/gatehouse/internal/config"
	"github.com/gatehouse-iap/gatehouse/internal/identityprovider"
	"github.com/gatehouse-iap/gatehouse/internal/manifest"
	"github.com/gatehouse-iap/gatehouse/internal/snapshot"
)

// CheckManifests finds out whether the manifests of a configuration fit to it, and whether the files that they name can
// be used, without a server. Its error is admin.Faults when the documents are at fault.
func CheckManifests(c *config.Config) error {
	if len(c.Manifests) == 0 {
		return nil
	}
	inputs, err := manifest.Read(c.Manifests...)
	if err != nil {
		return err
	}
	project := admin.Project{ProjectID: c.Project.ID, ProjectNumber: c.Project.Number}
	documents, err := manifest.Parse(inputs, manifest.Options{Project: project})
	if err != nil {
		return err
	}
	var faults admin.Faults
	for i, d := range documents {
		fault := func(path, format string, args ...any) {
			faults = append(faults, admin.Fault{
				Document: i, Where: d.At.Locate(path), Subject: fmt.Sprintf("%s %s", d.Kind, d.Name), Path: path, Text: fmt.Sprintf(format, args...),
			})
		}
		switch {
		case d.Service != nil:
			checkService(c, *d.Service, fault)
		case d.Provider != nil:
			checkSecrets(*d.Provider, fault)
		case d.User != nil && d.User.PasswordHash != nil && d.User.PasswordHash.File != "":
			if _, err := d.User.PasswordHash.Read(); err != nil {
				fault("spec.passwordHash", "%s", err)
			}
		}
	}
	if len(faults) == 0 {
		return nil
	}
	return faults
}

// checkSecrets finds secrets in files that are not there yet. Those in environment variables are the server's, and not
// this shell's.
func checkSecrets(p identityprovider.Provider, fault func(path, format string, args ...any)) {
	secrets := map[string]*identityprovider.Secret{}
	if p.OIDC != nil {
		secrets["spec.oidc.clientSecret"], secrets["spec.oidc.privateKey"] = p.OIDC.ClientSecret, p.OIDC.PrivateKey
	}
	if p.LDAP != nil {
		secrets["spec.ldap.bindPassword"] = p.LDAP.BindPassword
	}
	for _, path := range slices.Sorted(maps.Keys(secrets)) {
		if s := secrets[path]; s != nil && s.File != "" {
			if _, err := s.Read(); err != nil {
				fault(path, "%s: put it there, readable by the server's user only", err)
			}
		}
	}
}

func checkService(c *config.Config, s catalog.Service, fault func(path, format string, args ...any)) {
	if n := onAuthHost(c, s); n >= 0 {
		fault(fmt.Sprintf("spec.hosts[%d]", n), "%s is the auth host, at which people sign in, so the service is never reached there: give it another host", c.AuthHost)
	}
	if err := snapshot.UpstreamConfig(s).Check(); err != nil {
		path := "spec.upstreamTls"
		if s.UpstreamTLS == nil {
			path = "spec.upstream"
		}
		fault(path, "%s", err)
	}
}

// onAuthHost returns which of a service's hosts is the auth host; -1 for none.
func onAuthHost(c *config.Config, s catalog.Service) int {
	return slices.IndexFunc(s.Hosts, func(host string) bool {
		canonical, err := catalog.CanonicalHost(host)
		return err == nil && canonical == c.AuthHost
	})
}
