package identityprovider

import (
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/go-ldap/ldap/v3"
)

// attributeForm is an attribute's name, or its number in dots, without options.
var attributeForm = regexp.MustCompile(`^([A-Za-z][-A-Za-z0-9]*|[0-9]+(\.[0-9]+)+)$`)

func (c *LDAPConfig) check(fault faultFunc) {
	u, err := url.Parse(c.URL)
	switch {
	case err != nil || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || strings.Trim(u.Path, "/") != "":
		fault("ldap.url %q is not ldaps://HOST[:PORT] or ldap://HOST[:PORT]", c.URL)
	case u.Scheme == "ldaps":
		if c.StartTLS {
			fault("ldap.startTls is for ldap://; ldaps:// is encrypted from the start")
		}
	case u.Scheme == "ldap" && (c.StartTLS || isLoopback(u.Hostname())):
	default:
		fault("ldap.url %q would send passwords in the clear: use ldaps://, or ldap:// with startTls", c.URL)
	}
	// A bind with a name and without a password succeeds as nobody (RFC 4513, 5.1.2).
	if (c.BindDN == "") != (c.BindPassword == nil) {
		fault("ldap.bindDn and ldap.bindPassword go together")
	}
	c.BindPassword.check("ldap.bindPassword", fault)
	if c.UserBase == "" {
		fault("ldap.userBase is missing")
	}
	checkFilter("ldap.userFilter", c.UserFilter, "{email}", fault)
	checkFilter("ldap.groupFilter", c.GroupFilter, "{dn} or {email}", fault)
	checkName("ldap.userBase", c.UserBase, fault)
	checkName("ldap.groupBase", c.GroupBase, fault)
	for name, attribute := range map[string]string{
		"subjectAttribute": c.SubjectAttribute, "emailAttribute": c.EmailAttribute, "groupAttribute": c.GroupAttribute,
	} {
		if attribute != "" && !attributeForm.MatchString(attribute) {
			fault("ldap.%s %q is not the name of an attribute", name, attribute)
		}
	}
	if c.GroupBase == "" && (c.GroupFilter != "" || c.GroupAttribute != "") {
		fault("ldap.groupBase is missing: without it no groups are looked up")
	}
}

// checkFilter parses a filter as it will be with a person in it. places are those that it may have; one is needed, or it
// would find the same entries for everybody.
func checkFilter(name, filter, places string, fault faultFunc) {
	if filter == "" {
		return
	}
	if !slices.ContainsFunc(strings.Split(places, " or "), func(place string) bool { return strings.Contains(filter, place) }) {
		fault("%s %q must have %s", name, filter, places)
	}
	if _, err := ldap.CompileFilter(strings.NewReplacer("{email}", "x", "{dn}", "x").Replace(filter)); err != nil {
		fault("%s %q is not a filter such as (&(objectClass=person)(mail={email})): %w", name, filter, err)
	}
}

func checkName(name, dn string, fault faultFunc) {
	if _, err := ldap.ParseDN(dn); err != nil {
		fault("%s %q is not a distinguished name such as ou=people,dc=corp,dc=example: %w", name, dn, err)
	}
}
