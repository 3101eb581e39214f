package settings

import (
	"fmt"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/publicsuffix"

	"github.com/gatehouse-iap/gatehouse/internal/catalog"
)

// Bounds of what a document may say.
const (
	// MinReauthAge is IAP's: a sign-in takes its time.
	MinReauthAge = 5 * time.Minute
	// MaxExpression bounds the text of an attribute expression: 45 attributes, and as much again.
	MaxExpression = 8 << 10
	maxURI        = 2048
	maxText       = 512
	maxHint       = 254 // as long as an address can be; it travels with every sign-in
)

// Rules are what a document must obey beyond its form.
type Rules struct {
	// ValidateExpression refuses what is no attribute expression; nil leaves that to somebody else.
	ValidateExpression func(string) error
}

// Canonical returns the settings in the form in which they are stored and compared: domains in lower case and each
// once, nothing that is empty. Its error is Faults, with all that is wrong.
func (rules Rules) Canonical(s IapSettings) (IapSettings, error) {
	c := checker{rules: rules}
	out := clone(s)
	if access := out.AccessSettings; access != nil {
		c.oauth(access.OAuthSettings)
		c.reauth(access.ReauthSettings)
		c.domains(access.AllowedDomainsSettings)
	}
	if app := out.ApplicationSettings; app != nil {
		if app.CSMSettings != nil {
			c.rcToken(app.CSMSettings.RCTokenAud)
		}
		if page := app.AccessDeniedPageSettings; page != nil {
			c.uri("applicationSettings.accessDeniedPageSettings.accessDeniedPageUri", page.AccessDeniedPageURI)
		}
		c.cookieDomain(app.CookieDomain)
		c.attributes(app.AttributePropagationSettings)
	}
	prune(reflect.ValueOf(&out).Elem())
	return out, c.faults.orNil()
}

// rcToken refuses an audience of the form that resources have: the token is signed like an assertion, and would be one
// for whichever application has that audience.
func (c *checker) rcToken(audience *string) {
	const path = "applicationSettings.csmSettings.rctokenAud"
	c.text(path, audience)
	if audience != nil && strings.HasPrefix(strings.TrimSpace(*audience), "/") {
		c.fault(path, "%q starts like the audience of a resource; a token for the mesh must not pass for an assertion to another application", *audience)
	}
}

type checker struct {
	rules  Rules
	faults Faults
}

func (c *checker) fault(path, format string, args ...any) {
	c.faults = append(c.faults, Fault{Path: path, Text: fmt.Sprintf(format, args...)})
}

// text refuses what cannot stand in a URL parameter or a header as it is.
func (c *checker) text(path string, s *string) {
	if s == nil {
		return
	}
	if len(*s) > maxText || strings.ContainsFunc(*s, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		c.fault(path, "%q: at most %d visible ASCII characters, without spaces", *s, maxText)
	}
}

func (c *checker) oauth(o *OAuthSettings) {
	if o == nil {
		return
	}
	const path = "accessSettings.oauthSettings"
	if c.text(path+".loginHint", o.LoginHint); len(value(o.LoginHint)) > maxHint {
		c.fault(path+".loginHint", "the hint has %d characters, and may have %d: it is a domain or an address", len(*o.LoginHint), maxHint)
	}
	for i, client := range o.ProgrammaticClients {
		c.text(fmt.Sprintf("%s.programmaticClients[%d]", path, i), &client)
		if client == "" {
			c.fault(fmt.Sprintf("%s.programmaticClients[%d]", path, i), "the client id is empty")
		}
	}
	o.ProgrammaticClients = once(o.ProgrammaticClients)
}

func (c *checker) reauth(r *ReauthSettings) {
	if r == nil || *r == (ReauthSettings{}) {
		return
	}
	const path = "accessSettings.reauthSettings"
	if r.Method == "" || r.MaxAge == 0 || r.PolicyType == "" {
		c.fault(path, "method, maxAge and policyType are set together, and one of them is missing")
		return
	}
	if _, known := strength[r.Method]; !known {
		c.fault(path+".method", "%q is none of LOGIN, SECURE_KEY, ENROLLED_SECOND_FACTORS", r.Method)
	}
	if r.PolicyType != ReauthMinimum && r.PolicyType != ReauthDefault {
		c.fault(path+".policyType", "%q is none of MINIMUM, DEFAULT", r.PolicyType)
	}
	if r.MaxAge < MinReauthAge {
		c.fault(path+".maxAge", "%s is too short: at least %s, or people would do nothing but sign in", FormatDuration(r.MaxAge), FormatDuration(MinReauthAge))
	}
}

func (c *checker) domains(d *AllowedDomainsSettings) {
	if d == nil {
		return
	}
	for i, written := range d.Domains {
		path := fmt.Sprintf("accessSettings.allowedDomainsSettings.domains[%d]", i)
		domain, wildcard := strings.CutPrefix(written, "*.")
		canonical, err := catalog.CanonicalHost(domain)
		switch {
		case err != nil || strings.ContainsAny(domain, ":[]"):
			c.fault(path, "%q is neither a host name, such as app.example.com, nor a wildcard, such as *.example.com", written)
			continue
		case wildcard && isPublicSuffix(canonical):
			c.fault(path, "%q would allow the domains of everybody: %s is a public suffix", written, canonical)
		}
		if d.Domains[i] = canonical; wildcard {
			d.Domains[i] = "*." + canonical
		}
	}
	d.Domains = once(d.Domains)
}

// isPublicSuffix reports whether anybody can have a domain right below one. A name that nobody manages, such as
// "internal", is of whoever runs the network.
func isPublicSuffix(domain string) bool {
	suffix, icann := publicsuffix.PublicSuffix(domain)
	return suffix == domain && (icann || strings.Contains(suffix, "."))
}

func (c *checker) uri(path string, s *string) {
	if s == nil || *s == "" {
		return
	}
	if _, err := parseURI(*s); err != nil {
		c.fault(path, "%q %s: write all of it, such as https://help.example.com/no-access", *s, err)
	}
}

// parseURI reads the address of a page elsewhere. What different programs read differently is refused.
func parseURI(s string) (*url.URL, error) {
	if len(s) > maxURI {
		return nil, fmt.Errorf("is longer than %d bytes", maxURI)
	}
	if strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '\\' }) {
		return nil, fmt.Errorf("has characters that do not belong in a URL")
	}
	u, err := url.Parse(s)
	if err != nil {
		return nil, fmt.Errorf("is no URL")
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Opaque != "" || u.User != nil {
		return nil, fmt.Errorf("is no absolute http or https URL without a user")
	}
	if _, err := catalog.CanonicalHost(u.Host); err != nil {
		return nil, fmt.Errorf("has no proper host")
	}
	return u, nil
}

func (c *checker) cookieDomain(s *string) {
	if s == nil || *s == "" {
		return
	}
	// A public suffix has the form, as in IAP: it is ignored where requests are served, with a warning.
	if canonical, ok := canonicalCookieDomain(*s); ok {
		*s = canonical
		return
	}
	c.fault("applicationSettings.cookieDomain", "%q is no domain, such as example.com", *s)
}

func canonicalCookieDomain(s string) (string, bool) {
	domain := strings.TrimPrefix(s, ".")
	canonical, err := catalog.CanonicalHost(domain)
	if err != nil || strings.ContainsAny(domain, ":[]*") || isAddress(canonical) {
		return "", false
	}
	return canonical, true
}

func (c *checker) attributes(a *AttributePropagationSettings) {
	if a == nil {
		return
	}
	a.OutputCredentials = once(a.OutputCredentials)
	for i, credential := range a.OutputCredentials {
		if credential != OutputHeader && credential != OutputJWT && credential != OutputRCToken {
			c.fault(fmt.Sprintf("applicationSettings.attributePropagationSettings.outputCredentials[%d]", i), "%q is none of HEADER, JWT, RCTOKEN", credential)
		}
	}
	const path = "applicationSettings.attributePropagationSettings.expression"
	if a.Expression == nil || *a.Expression == "" {
		return
	}
	if len(*a.Expression) > MaxExpression {
		c.fault(path, "the expression has %d bytes, and may have %d", len(*a.Expression), MaxExpression)
	} else if c.rules.ValidateExpression != nil {
		if err := c.rules.ValidateExpression(*a.Expression); err != nil {
			c.fault(path, "%s", err)
		}
	}
}

// once drops repetitions.
func once[T comparable](items []T) []T {
	var out []T
	for _, item := range items {
		if !slices.Contains(out, item) {
			out = append(out, item)
		}
	}
	return out
}
