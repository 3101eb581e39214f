package oidcrp

import (
	"testing"

	"github.com/gatehouse-iap/gatehouse/internal/identityprovider"
)

func TestTheExpectedDomainIsToldInTheWordsOfTheProvider(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		issuer, expected, hd, domainHint string
		domains                          []string
	}{
		{"https://accounts.google.com", "", "corp.example", "", []string{"corp.example"}},
		{"https://accounts.google.com", "", "", "", []string{"corp.example", "other.example"}},
		{"https://accounts.google.com", "other.example", "other.example", "", []string{"corp.example", "other.example"}},
		{"https://login.microsoftonline.com/tenant/v2.0", "corp.example", "", "corp.example", []string{"corp.example"}},
		{"https://login.microsoftonline.com/tenant/v2.0", "", "", "", []string{"corp.example"}},
		{"https://login.microsoftonline.com.evil.test/", "corp.example", "", "", []string{"corp.example"}},
		{"https://idp.example", "corp.example", "", "", []string{"corp.example"}},
	} {
		p := identityprovider.Provider{Domains: c.domains, OIDC: &identityprovider.OIDCConfig{Issuer: c.issuer}}
		if hd, hint := hostedDomainHint(p, c.expected), domainHint(p, c.expected); hd != c.hd || hint != c.domainHint {
			t.Errorf("%s expecting %q: hd=%q domain_hint=%q", c.issuer, c.expected, hd, hint)
		}
	}
}
