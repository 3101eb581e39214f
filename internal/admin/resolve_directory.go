package admin

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gatehouse-iap/gatehouse/internal/directory"
	"github.com/gatehouse-iap/gatehouse/internal/identityprovider"
	"github.com/gatehouse-iap/gatehouse/internal/principal"
)

func (r *resolver) resolveProvider(i int, d *Document) {
	p := *d.Provider
	p.Name = d.Name
	d.Provider = &p
	if err := p.Validate(); err != nil {
		for _, err := range parts(err) {
			text := plain(err, identityprovider.ErrInvalid)
			r.fault(i, providerPath(p, text), nil, "%s", text)
		}
	}
}

func (r *resolver) resolveUser(i int, d *Document) {
	d.Name = r.address(i, "metadata.name", d.Name)
	u := *d.User
	if u.HostedDomain != "" {
		domain, err := principal.ParseDomain(u.HostedDomain)
		if err != nil {
			r.fault(i, "spec.hostedDomain", nil, "%s", err)
		}
		u.HostedDomain = domain
	}
	if err := checkText("display name", u.DisplayName); err != nil {
		r.fault(i, "spec.displayName", nil, "%s", plain(err, ErrInvalid))
	}
	if s := u.PasswordHash; s != nil && (s.File == "") == (s.Env == "") {
		r.fault(i, "spec.passwordHash", nil, "give one of file and env: where the server reads the hash")
	}
	d.User = &u
	if r.broken[i] {
		return
	}
	account := directory.Account{Kind: principal.User, Email: d.Name, Subject: u.Subject, HostedDomain: u.HostedDomain, Attributes: u.Attributes}
	if account.Subject == "" {
		account.Subject = strings.Repeat("1", 21)
	}
	if err := account.Validate(); err != nil {
		r.fault(i, "spec", nil, "%s", plain(err, directory.ErrInvalid))
	}
}

func (r *resolver) resolveGroup(i int, d *Document) {
	g := *d.Group
	d.Name = r.address(i, "metadata.name", d.Name)
	g.Email = d.Name
	if err := checkText("description", g.Description); err != nil {
		r.fault(i, "spec.description", nil, "%s", plain(err, ErrInvalid))
	}
	members, seen := make([]string, 0, len(g.Members)), make(map[string]bool, len(g.Members))
	for n, member := range g.Members {
		path := fmt.Sprintf("spec.members[%d]", n)
		switch canonical := r.address(i, path, member); {
		case canonical == "":
		case canonical == g.Email:
			r.fault(i, path, nil, "a group cannot be its own member: take %s out", canonical)
		case !seen[canonical]:
			seen[canonical] = true
			members = append(members, canonical)
		}
	}
	slices.Sort(members) // as they are stored
	g.Members = members
	d.Group = &g
	if r.broken[i] {
		return
	}
	if err := g.Validate(); err != nil {
		r.fault(i, "spec.members", nil, "%s", plain(err, directory.ErrInvalid))
	}
}

func (r *resolver) address(i int, path, written string) string {
	canonical, err := principal.ParseAddress(written)
	if err != nil {
		r.fault(i, path, nil, "%s", err)
	}
	return canonical
}

func parts(err error) []error {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []error{err}
	}
	var texts []string
	var out []error
	whole := false // the refusal's own words around a joined error
	for _, part := range joined.Unwrap() {
		texts = append(texts, part.Error())
		if part == identityprovider.ErrInvalid {
			whole = true
			continue
		}
		out = append(out, parts(part)...)
	}
	if whole || strings.Join(texts, "\n") == err.Error() {
		return out
	}
	return []error{err}
}

func providerPath(p identityprovider.Provider, text string) string {
	for i, domain := range p.Domains {
		if strings.HasPrefix(text, fmt.Sprintf("domain %q", domain)) {
			return fmt.Sprintf("spec.domains[%d]", i)
		}
	}
	word, _, _ := strings.Cut(text, " ")
	if word == `"*"` {
		word = "domains"
	}
	return "spec." + word
}
