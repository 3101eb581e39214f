package ldapbind

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/go-ldap/ldap/v3"

	"github.com/gatehouse-iap/gatehouse/internal/principal"
)

// maxSubject is what sign-in keeps of a subject.
const maxSubject = 255

// check finds the entry of an address, proves the password at it, and reads the rest. What is wrong with an entry is
// said only to whoever knows its password: before that, the answer must not tell which addresses there are.
func (d *directory) check(email, password string) (Person, error) {
	entry, err := d.find(email)
	if err != nil {
		return Person{}, err
	}
	if err := d.bindAs(entry.DN, password); err != nil {
		return Person{}, err
	}
	// Whether people may see groups, and how many of them, is up to the directory; what we may see is configured.
	if err := d.bindForSearch(); err != nil {
		return Person{}, err
	}
	return d.read(entry, email)
}

// find returns the one entry of an address.
func (d *directory) find(email string) (*ldap.Entry, error) {
	entries, more, err := d.search(d.userBase, fill(d.userFilter, email, ""), 1, append([]string{d.subjectAttribute, d.emailAttribute}, d.attributes...)...)
	switch {
	case err != nil:
		return nil, err
	case more:
		d.log.WarnContext(d.ctx, "an address has more than one entry in the directory, so that nobody can sign in with it; make userFilter narrower",
			"email", email, "userBase", d.userBase)
		return nil, fmt.Errorf("%w: more than one entry has the address", ErrPassword)
	case len(entries) == 0:
		return nil, fmt.Errorf("%w: no entry has the address", ErrPassword)
	case entries[0].DN == "":
		// A bind without a name proves nothing, whatever the password.
		return nil, fmt.Errorf("%w: the directory answers with an entry that has no name", ErrMisconfigured)
	}
	return entries[0], nil
}

// read returns the person of an entry, with groups.
func (d *directory) read(entry *ldap.Entry, email string) (Person, error) {
	person := Person{Email: email, DN: entry.DN}
	var err error
	if person.Subject, err = subject(entry, d.subjectAttribute); err != nil {
		return Person{}, err
	}
	if !hasAddress(entry, d.emailAttribute, email) {
		return Person{}, fmt.Errorf("%w: the filter finds %s for %s, but its attribute %s does not hold that address",
			ErrMisconfigured, entry.DN, email, d.emailAttribute)
	}
	for _, name := range d.attributes {
		attribute := principal.Attribute{Name: name}
		for _, value := range values(entry, name) {
			attribute.Values = append(attribute.Values, string(value))
		}
		if len(attribute.Values) > 0 {
			person.Attributes = append(person.Attributes, attribute)
		}
	}
	if person.Groups, err = d.groups(email, entry.DN); err != nil {
		return Person{}, err
	}
	return person, nil
}

// groups returns the values of the groups that name a person, in order. Too many are an error: with some of them
// left out, a person would have or lose access by chance.
func (d *directory) groups(email, dn string) ([]string, error) {
	if d.groupBase == "" {
		return nil, nil
	}
	entries, more, err := d.search(d.groupBase, fill(d.groupFilter, email, dn), maxGroups, d.groupAttribute)
	if err != nil {
		return nil, err
	}
	var groups []string
	for _, entry := range entries {
		for _, value := range values(entry, d.groupAttribute) {
			groups = append(groups, string(value))
		}
	}
	if more || len(groups) > maxGroups {
		return nil, fmt.Errorf("%w: %s is in more than %d groups; make groupFilter narrower", ErrMisconfigured, dn, maxGroups)
	}
	slices.Sort(groups)
	return slices.Compact(groups), nil
}

// binarySubjects are attributes that hold bytes, not text: those of Active Directory and eDirectory.
var binarySubjects = []string{"objectguid", "objectsid", "guid"}

// subject returns what names the entry for ever. Bytes are written in hexadecimal, by the attribute and not by how
// they look, so that no two entries get the same name.
func subject(entry *ldap.Entry, attribute string) (string, error) {
	found := values(entry, attribute)
	if len(found) != 1 || len(found[0]) == 0 {
		return "", fmt.Errorf("%w: %s must have one value of %s to be named by, and has %d", ErrMisconfigured, entry.DN, attribute, len(found))
	}
	text := string(found[0])
	if slices.Contains(binarySubjects, strings.ToLower(attribute)) {
		text = hex.EncodeToString(found[0])
	}
	if len(text) > maxSubject || !utf8.ValidString(text) || strings.ContainsFunc(text, unicode.IsControl) {
		return "", fmt.Errorf("%w: %s of %s is not text of at most %d bytes", ErrMisconfigured, attribute, entry.DN, maxSubject)
	}
	return text, nil
}

// hasAddress reports whether an entry has an address. The filter may be anything, and directories compare in ways of
// their own (case of other alphabets, white space): only this says that the address is the person's.
func hasAddress(entry *ldap.Entry, attribute, email string) bool {
	for _, value := range values(entry, attribute) {
		if canonical, err := principal.ParseAddress(string(value)); err == nil && canonical == email {
			return true
		}
	}
	return false
}

// values returns all values of an attribute. Servers choose the case of its name.
func values(entry *ldap.Entry, attribute string) [][]byte {
	var all [][]byte
	for _, a := range entry.Attributes {
		if strings.EqualFold(a.Name, attribute) {
			all = append(all, a.ByteValues...)
		}
	}
	return all
}
