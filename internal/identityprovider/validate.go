package identityprovider

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/gatehouse-iap/gatehouse/internal/principal"
)

// AnyDomain, alone in a provider's domains, stands for all domains that no provider lists.
const AnyDomain = "*"

// LocalName is the name of the provider that is our own directory, and of no other.
const LocalName = "local"

var nameForm = regexp.MustCompile(`^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$`)

// Validate checks a provider as it is about to be stored, and names all its faults. Its errors wrap ErrInvalid.
func (p Provider) Validate() error {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	if !nameForm.MatchString(p.Name) {
		fault("name %q: 1 to 63 lower-case letters, digits and hyphens, starting with a letter", p.Name)
	}
	if len(p.DisplayName) > 100 {
		fault("displayName is longer than 100 bytes")
	}
	if (p.Kind == Local) != (p.Name == LocalName) {
		fault("the provider called %q is the one of kind %q, and no other", LocalName, Local)
	}
	p.checkKind(fault)
	p.checkDomains(fault)
	p.checkGroups(fault)
	p.checkAttributes(fault)
	if len(faults) == 0 {
		return nil
	}
	return fmt.Errorf("%w %q: %w", ErrInvalid, p.Name, errors.Join(faults...))
}

// faultFunc notes one fault.
type faultFunc func(format string, args ...any)

func (p Provider) checkKind(fault faultFunc) {
	switch p.Kind {
	case OIDC:
		if p.OIDC == nil {
			fault("kind oidc needs the part oidc")
		} else {
			p.OIDC.check(p, fault)
		}
	case LDAP:
		if p.LDAP == nil {
			fault("kind ldap needs the part ldap")
		} else {
			p.LDAP.check(fault)
		}
	case Local:
		if p.Groups != nil {
			fault("kind local takes its groups from the directory: leave groups out")
		}
	default:
		fault("kind %q is not one of oidc, ldap and local", p.Kind)
	}
	if p.OIDC != nil && p.Kind != OIDC {
		fault("the part oidc is of kind oidc only")
	}
	if p.LDAP != nil && p.Kind != LDAP {
		fault("the part ldap is of kind ldap only")
	}
	if p.TrustEmail && p.Kind != OIDC {
		fault("trustEmail is of kind oidc only: the others send no claim email_verified")
	}
}

// checkDomains checks what the provider may vouch for.
func (p Provider) checkDomains(fault faultFunc) {
	if len(p.Domains) == 0 {
		fault("domains is empty: the provider could vouch for nobody. List the e-mail domains whose people it knows")
	}
	seen := map[string]bool{}
	for _, domain := range p.Domains {
		if seen[domain] {
			fault("domain %q is listed twice", domain)
		}
		seen[domain] = true
		if domain == AnyDomain {
			if len(p.Domains) > 1 {
				fault(`"*" stands alone: it means every domain that no provider lists`)
			}
			if p.TrustEmail {
				fault(`trustEmail needs explicit domains, not "*": whoever runs the provider could become anyone`)
			}
			continue
		}
		canonical, err := principal.ParseDomain(domain)
		switch {
		case err != nil:
			fault("domain %q: %w", domain, err)
		case canonical != domain:
			fault("domain %q is written %q", domain, canonical)
		case ofServiceAccounts(domain) && p.Kind != Local:
			fault("domain %q is that of service accounts, which are always local", domain)
		}
	}
}

// covers reports whether the provider's own list has a domain; whether "*" does depends on the other providers.
func (p Provider) covers(domain string) bool {
	return slices.Contains(p.Domains, domain) || slices.Contains(p.Domains, AnyDomain)
}

func (p Provider) checkAttributes(fault faultFunc) {
	if p.Kind == Local && len(p.Attributes) > 0 {
		fault("attributes of local accounts stand in their User documents, not on the provider")
	}
	named := make([]principal.Attribute, len(p.Attributes))
	for i, name := range p.Attributes {
		named[i].Name = name
	}
	if err := principal.CheckAttributes(named); err != nil {
		fault("attributes: %w", err)
	}
}

func (p Provider) checkGroups(fault faultFunc) {
	g := p.Groups
	if g == nil {
		return
	}
	g.checkLookup(p.Kind, fault)
	if g.Template != "" && g.Table != nil {
		fault("groups has both template and table: use one")
	}
	address := func(where, text string) {
		canonical, err := principal.ParseAddress(text)
		switch {
		case err != nil:
			fault("groups.%s: %w", where, err)
		case !p.covers(principal.Domain(canonical)):
			fault("groups.%s: the provider is not authoritative for the domain of %s, so that group would never count", where, canonical)
		}
	}
	if g.Template != "" {
		if strings.Count(g.Template, valuePlace) != 1 {
			fault("groups.template %q must have {value} once, as in {value}@corp.example", g.Template)
		} else {
			address("template", strings.Replace(g.Template, valuePlace, "x", 1))
		}
	}
	for value, group := range g.Table {
		address(fmt.Sprintf("table[%q]", value), group)
	}
}

// checkLookup checks where groups are asked for: an access token is sent there.
func (g *GroupsClaim) checkLookup(kind Kind, fault faultFunc) {
	if g.Lookup == "" {
		return
	}
	u, err := url.Parse(g.Lookup)
	switch {
	case kind != OIDC:
		fault("groups.lookup is of kind oidc only")
	case err != nil || u.Host == "" || u.User != nil || u.Fragment != "":
		fault("groups.lookup %q is not a URL, such as https://graph.microsoft.com/v1.0/me/getMemberObjects", g.Lookup)
	case u.Scheme != "https" && !(u.Scheme == "http" && isLoopback(u.Hostname())):
		fault("groups.lookup %q must be https: an access token is sent there", g.Lookup)
	}
}

// ValidateAll checks that providers fit together, and each by itself. Its errors wrap ErrInvalid.
func ValidateAll(providers []Provider) error {
	var faults []error
	fault := func(format string, args ...any) {
		faults = append(faults, fmt.Errorf("%w: "+format, append([]any{ErrInvalid}, args...)...))
	}
	names, domains, issuers, clients := map[string]bool{}, map[string]string{}, map[string]string{}, map[string]string{}
	for _, p := range providers {
		if err := p.Validate(); err != nil {
			faults = append(faults, err)
		}
		if names[p.Name] {
			fault("two providers are called %q", p.Name)
		}
		names[p.Name] = true
		for _, domain := range p.Domains {
			if other, taken := domains[domain]; taken && other != p.Name {
				fault("the domain %q is listed by %q and by %q: only one may vouch for its addresses", domain, other, p.Name)
			}
			domains[domain] = p.Name
		}
		if p.Kind != OIDC || p.OIDC == nil {
			continue
		}
		if other, taken := issuers[p.OIDC.Issuer]; taken {
			fault("%q and %q have the issuer %s: make it one provider with the domains of both", other, p.Name, p.OIDC.Issuer)
		}
		issuers[p.OIDC.Issuer] = p.Name
		// Each provider answers to a redirect URI of its own, which has the client id in it: an answer that one
		// provider makes the browser carry can then never be taken for another's.
		if other, taken := clients[p.OIDC.ClientID]; taken {
			fault("%q and %q have the client id %q, and so the same redirect URI: register one of them under another client id", other, p.Name, p.OIDC.ClientID)
		}
		clients[p.OIDC.ClientID] = p.Name
	}
	return errors.Join(faults...)
}

// The claim that holds the address unless a provider says otherwise.
const emailClaim = "email"

// algorithms are those that a provider may sign ID tokens with: asymmetric ones. With a shared secret, whoever can
// check a token could make one.
var algorithms = []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}

func (c *OIDCConfig) check(p Provider, fault faultFunc) {
	c.checkIssuer(p, fault)
	if c.ClientID == "" || len(c.ClientID) > 255 || !printable(c.ClientID) {
		fault("oidc.clientId %q: 1 to 255 visible ASCII characters, as the provider gave it", c.ClientID)
	}
	c.checkClientAuthentication(fault)
	for _, scope := range c.Scopes {
		if scope == "" || !printable(scope) || strings.ContainsAny(scope, `"\`) {
			fault("oidc.scopes: %q is not a scope", scope)
		}
	}
	for _, algorithm := range c.Algorithms {
		if !slices.Contains(algorithms, algorithm) {
			fault("oidc.algorithms: %q is not one of %s", algorithm, strings.Join(algorithms, ", "))
		}
	}
	for _, context := range c.SecondFactorACRValues {
		if context == "" || len(context) > 255 || !printable(context) {
			fault("oidc.secondFactorAcrValues: %q is not a value of acr: 1 to 255 visible ASCII characters", context)
		}
	}
	if !slices.Contains([]string{"", "login", "consent", "select_account"}, c.Prompt) {
		fault("oidc.prompt %q is not one of login, consent and select_account", c.Prompt)
	}
	if c.EmailClaim != "" && c.EmailClaim != emailClaim && !p.TrustEmail {
		fault("oidc.emailClaim %q needs trustEmail: email_verified speaks of the claim email only", c.EmailClaim)
	}
}

func (c *OIDCConfig) checkIssuer(p Provider, fault faultFunc) {
	u, err := url.Parse(c.Issuer)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || strings.HasSuffix(c.Issuer, "#") {
		fault("oidc.issuer %q is not the URL of an issuer, such as https://login.corp.example", c.Issuer)
		return
	}
	switch {
	case u.Scheme == "https":
	case u.Scheme == "http" && (c.AllowPrivateAddresses || isLoopback(u.Hostname())):
	default:
		fault("oidc.issuer %q must be https; http is for loopback, and for private networks with allowPrivateAddresses", c.Issuer)
	}
	if tenants := manyTenants(u); tenants != "" {
		fault("oidc.issuer %q is of %s: name the issuer of your own tenant", c.Issuer, tenants)
	}
	if p.TrustEmail && IsGoogle(c.Issuer) {
		fault("trustEmail needs an issuer of one organisation, and Google's serves everybody; it sends email_verified")
	}
}

// manyTenants names whom an issuer of Microsoft serves when that is not one organisation; else it is empty. Any
// administrator of any tenant can put any address into the tokens that such an issuer signs.
func manyTenants(u *url.URL) string {
	switch strings.ToLower(u.Hostname()) {
	case "login.microsoftonline.com", "login.microsoftonline.us", "login.partner.microsoftonline.cn", "login.windows.net", "sts.windows.net":
	default:
		return ""
	}
	switch tenant, _, _ := strings.Cut(strings.TrimPrefix(u.Path, "/"), "/"); strings.ToLower(tenant) {
	case "common", "organizations", "{tenantid}":
		return "all organisations that use Entra"
	case "consumers", "9188040d-6c67-4c5b-b112-36a304b66dad":
		return "all personal accounts at Microsoft"
	}
	return ""
}

// IsGoogle reports whether an issuer is Google's own. Its subjects are kept as they are, and it vouches for a
// company's address only together with the claim hd.
func IsGoogle(issuer string) bool { return issuer == "https://accounts.google.com" }

// IsMicrosoft reports whether an issuer is a tenant of Entra ID.
func IsMicrosoft(issuer string) bool {
	return strings.HasPrefix(issuer, "https://login.microsoftonline.com/") || strings.HasPrefix(issuer, "https://sts.windows.net/")
}

func (c *OIDCConfig) checkClientAuthentication(fault faultFunc) {
	switch c.ClientAuthentication {
	case "", ClientSecretBasic, ClientSecretPost:
		if c.ClientSecret == nil {
			fault("oidc.clientSecret is missing: {file: PATH} or {env: NAME}")
		}
		if c.PrivateKey != nil {
			fault("oidc.privateKey is for clientAuthentication private_key_jwt")
		}
	case PrivateKeyJWT:
		if c.PrivateKey == nil {
			fault("oidc.privateKey is missing: {file: PATH} or {env: NAME}")
		}
		if c.ClientSecret != nil {
			fault("oidc.clientSecret is not used with private_key_jwt: leave it out")
		}
	default:
		fault("oidc.clientAuthentication %q is not one of client_secret_basic, client_secret_post and private_key_jwt", c.ClientAuthentication)
	}
	c.ClientSecret.check("oidc.clientSecret", fault)
	c.PrivateKey.check("oidc.privateKey", fault)
}

func isLoopback(host string) bool {
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	address, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && address.Unmap().IsLoopback()
}

// LoopbackIssuer reports whether the issuer names this machine itself.
func (c *OIDCConfig) LoopbackIssuer() bool {
	u, err := url.Parse(c.Issuer)
	if err != nil {
		return false
	}
	return isLoopback(u.Hostname())
}

func printable(s string) bool {
	return strings.IndexFunc(s, func(c rune) bool { return c <= ' ' || c >= 0x7f }) < 0
}
