package ldapbind

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"github.com/gatehouse-iap/gatehouse/internal/identityprovider"
	"github.com/gatehouse-iap/gatehouse/internal/regularfile"
)

// plan is a configuration with its defaults filled in and its parts checked.
type plan struct {
	attributes []string    // of people, besides those that say who they are
	address    string      // host:port
	tls        *tls.Config // nil without encryption, which is for loopback only
	startTLS   bool
	bindDN     string
	secret     string // of bindDN

	userBase, userFilter                   string
	subjectAttribute, emailAttribute       string
	groupBase, groupFilter, groupAttribute string
}

// attributeForm is an attribute's name, or its number in dots, without options.
var attributeForm = regexp.MustCompile(`^([A-Za-z][-A-Za-z0-9]*|[0-9]+(\.[0-9]+)+)$`)

// compile reads a configuration, with its secret and certificates as they are now. Its errors wrap ErrMisconfigured.
func compile(cfg identityprovider.LDAPConfig) (plan, error) {
	p := plan{
		startTLS: cfg.StartTLS, bindDN: cfg.BindDN, userBase: cfg.UserBase, groupBase: cfg.GroupBase,
		subjectAttribute: or(cfg.SubjectAttribute, "entryUUID"), emailAttribute: or(cfg.EmailAttribute, "mail"),
		groupAttribute: or(cfg.GroupAttribute, "mail"), groupFilter: or(cfg.GroupFilter, "(member={dn})"),
	}
	p.userFilter = or(cfg.UserFilter, "("+p.emailAttribute+"={email})")
	for _, attribute := range []string{p.subjectAttribute, p.emailAttribute, p.groupAttribute} {
		if !attributeForm.MatchString(attribute) {
			return plan{}, fmt.Errorf("%w: %q is not the name of an attribute", ErrMisconfigured, attribute)
		}
	}
	if err := p.transport(cfg); err != nil {
		return plan{}, fmt.Errorf("%w: %w", ErrMisconfigured, err)
	}
	for _, filter := range []string{p.userFilter, p.groupFilter} {
		if _, err := ldap.CompileFilter(fill(filter, "x", "x")); err != nil {
			return plan{}, fmt.Errorf("%w: filter %q: %w", ErrMisconfigured, filter, err)
		}
	}
	if !strings.Contains(p.userFilter, "{email}") || !strings.Contains(p.groupFilter, "{dn}") && !strings.Contains(p.groupFilter, "{email}") {
		return plan{}, fmt.Errorf("%w: a filter names nobody: use {email}, and for groups {dn} or {email}", ErrMisconfigured)
	}
	if p.userBase == "" {
		return plan{}, fmt.Errorf("%w: userBase is missing", ErrMisconfigured)
	}
	if (cfg.BindDN == "") != (cfg.BindPassword == nil) {
		return plan{}, fmt.Errorf("%w: bindDn and bindPassword go together", ErrMisconfigured)
	}
	if cfg.BindPassword != nil {
		secret, err := cfg.BindPassword.Read()
		if err != nil {
			return plan{}, fmt.Errorf("%w: bindPassword: %w", ErrMisconfigured, err)
		}
		p.secret = string(secret)
	}
	return p, nil
}

// transport fills in where the directory is, and how it proves that it is the one.
func (p *plan) transport(cfg identityprovider.LDAPConfig) error {
	u, err := url.Parse(cfg.URL)
	if err != nil || u.Hostname() == "" {
		return fmt.Errorf("url %q is not ldaps://HOST[:PORT] or ldap://HOST[:PORT]", cfg.URL)
	}
	port := u.Port()
	switch {
	case u.Scheme == "ldaps" && !cfg.StartTLS:
		port = or(port, "636")
	case u.Scheme == "ldap":
		port = or(port, "389")
	default:
		return fmt.Errorf("url %q: use ldaps://, or ldap:// with startTls", cfg.URL)
	}
	p.address = net.JoinHostPort(u.Hostname(), port)
	if u.Scheme == "ldap" && !cfg.StartTLS {
		return nil // open refuses it at other addresses than loopback
	}
	p.tls = &tls.Config{MinVersion: tls.VersionTLS12, ServerName: u.Hostname()}
	if cfg.CAFile == "" {
		return nil
	}
	pem, _, err := regularfile.Read(cfg.CAFile, maxCAFile)
	if err != nil {
		return fmt.Errorf("caFile: %w", err)
	}
	p.tls.RootCAs = x509.NewCertPool()
	if !p.tls.RootCAs.AppendCertsFromPEM(pem) {
		return fmt.Errorf("caFile %s has no certificate in PEM", cfg.CAFile)
	}
	return nil
}

// maxCAFile bounds what is read of a caFile. All public authorities together have a quarter of it.
const maxCAFile = 1 << 20

// fill puts a person into a filter. What it puts there can only ever be a value.
func fill(filter, email, dn string) string {
	return strings.NewReplacer("{email}", ldap.EscapeFilter(email), "{dn}", ldap.EscapeFilter(dn)).Replace(filter)
}

func or(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

// isLoopback reports whether an address that was dialled is this machine itself.
func isLoopback(address net.Addr) bool {
	peer, err := netip.ParseAddrPort(address.String())
	return err == nil && peer.Addr().Unmap().IsLoopback()
}
