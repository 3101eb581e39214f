package ldap

import (
	"testing"

	"github.com/gatehouse-iap/gatehouse/internal/identityprovider"
	"github.com/gatehouse-iap/gatehouse/test/harness"
)

// slapd is a running directory, and how the gate is told of it.
type slapd struct{ *harness.Slapd }

func start(t *testing.T, extra ...string) *slapd { return &slapd{harness.StartSlapd(t, extra...)} }

func (s *slapd) config() identityprovider.LDAPConfig {
	return identityprovider.LDAPConfig{
		URL: s.Encrypted, CAFile: s.CAFile, BindDN: harness.SlapdSearcher, BindPassword: &identityprovider.Secret{File: s.SecretFile},
		UserBase: "ou=people," + harness.SlapdBase, GroupBase: "ou=groups," + harness.SlapdBase, GroupAttribute: "cn",
	}
}
