package settings

import (
	"fmt"
	"slices"
	"strings"

	"golang.org/x/net/publicsuffix"
)

// Effective returns the form that requests read.
func (m Merged) Effective() *Effective {
	e := &Effective{}
	if access := m.Settings.AccessSettings; access != nil {
		e.addAccess(*access)
	}
	if app := m.Settings.ApplicationSettings; app != nil {
		e.addApplication(*app)
	}
	return e
}

func (e *Effective) addAccess(s AccessSettings) {
	if s.CORSSettings != nil {
		e.AllowHTTPOptions = value(s.CORSSettings.AllowHTTPOptions)
	}
	if s.OAuthSettings != nil {
		e.LoginHint = value(s.OAuthSettings.LoginHint)
		e.ProgrammaticClients = slices.Clone(s.OAuthSettings.ProgrammaticClients)
	}
	if s.ReauthSettings != nil {
		e.Reauth = Reauth{Method: s.ReauthSettings.Method, MaxAge: s.ReauthSettings.MaxAge, PolicyType: s.ReauthSettings.PolicyType}
	}
	if d := s.AllowedDomainsSettings; d != nil && value(d.Enable) {
		e.AllowedDomains = append([]string{}, d.Domains...) // never nil: switched on with an empty list, nothing is allowed
	}
}

func (e *Effective) addApplication(s ApplicationSettings) {
	if s.CSMSettings != nil {
		e.RCTokenAudience = value(s.CSMSettings.RCTokenAud)
	}
	if page := s.AccessDeniedPageSettings; page != nil {
		e.AccessDeniedPageURI = value(page.AccessDeniedPageURI)
		e.TroubleshootingURI, e.RemediationToken = value(page.GenerateTroubleshootingURI), value(page.RemediationTokenGenerationEnabled)
	}
	e.CookieDomain, _ = canonicalCookieDomain(value(s.CookieDomain))
	if a := s.AttributePropagationSettings; a != nil && value(a.Enable) && value(a.Expression) != "" {
		e.Attributes = Attributes{
			Expression: *a.Expression, Header: slices.Contains(a.OutputCredentials, OutputHeader),
			JWT: slices.Contains(a.OutputCredentials, OutputJWT), RCToken: slices.Contains(a.OutputCredentials, OutputRCToken),
		}
	}
}

func value[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}

// AllowsHost reports whether requests may name a canonical host.
func (e *Effective) AllowsHost(host string) bool {
	if e.AllowedDomains == nil {
		return true
	}
	for _, domain := range e.AllowedDomains {
		if domain == host {
			return true
		}
		if below, wildcard := strings.CutPrefix(domain, "*"); wildcard && len(host) > len(below) && strings.HasSuffix(host, below) {
			return true
		}
	}
	return false
}

// CookieDomainAt returns the domain that cookies set at a canonical host may have, without a leading dot; empty for
// cookies of that host alone, as where the setting does not fit the host.
func (e *Effective) CookieDomainAt(host string) string {
	if CheckCookieDomain(e.CookieDomain, host) != nil {
		return ""
	}
	return e.CookieDomain
}

// CheckCookieDomain says why a browser would not take a cookie of a canonical domain from a canonical host, or why it
// must not be set: below a public suffix are the sites of others. No domain is fine.
func CheckCookieDomain(domain, host string) error {
	switch {
	case domain == "":
		return nil
	case domain != host && !strings.HasSuffix(host, "."+domain) || isAddress(host):
		return fmt.Errorf("%s is not within the domain %s", host, domain)
	}
	if suffix, _ := publicsuffix.PublicSuffix(domain); suffix == domain {
		return fmt.Errorf("%s is a public suffix, below which are the sites of others", domain)
	}
	return nil
}
