package identityprovider

import (
	"strings"

	"github.com/gatehouse-iap/gatehouse/internal/principal"
)

// valuePlace is where a template takes the claim's value.
const valuePlace = "{value}"

// ClaimName is the claim that names groups.
func (g *GroupsClaim) ClaimName() string {
	if g == nil || g.Claim == "" {
		return "groups"
	}
	return g.Claim
}

// GroupAddresses turns what the provider says about groups into canonical addresses of groups. A directory is asked
// for groups because it is configured to be, and holds addresses unless Groups says how they are made.
func (p Provider) GroupAddresses(values []string) []string {
	if p.Groups == nil && p.Kind == LDAP {
		return (&GroupsClaim{}).Addresses(values)
	}
	return p.Groups.Addresses(values)
}

// Addresses turns the values of the claim into canonical addresses of groups. What is no address, or is not in the
// table, is left out: a group that policies cannot name grants nothing.
func (g *GroupsClaim) Addresses(values []string) []string {
	if g == nil {
		return nil
	}
	var addresses []string
	seen := map[string]bool{}
	for _, value := range values {
		text := value
		switch {
		case g.Table != nil:
			text = g.Table[value]
		case g.Template != "":
			text = strings.Replace(g.Template, valuePlace, value, 1)
		}
		address, err := principal.ParseAddress(text)
		if err != nil || seen[address] {
			continue
		}
		seen[address] = true
		addresses = append(addresses, address)
	}
	return addresses
}

// MayName reports whether the provider's people may be in a group of this address by what the provider says of them.
func (p Provider) MayName(group string) bool {
	switch {
	case p.Disabled || !p.covers(principal.Domain(group)):
		return false
	case p.Groups != nil && p.Groups.Table != nil:
		for _, address := range p.Groups.Table {
			if canonical, err := principal.ParseAddress(address); err == nil && canonical == group {
				return true
			}
		}
		return false
	case p.Kind == LDAP:
		return p.LDAP != nil && p.LDAP.GroupBase != ""
	}
	return p.Groups != nil
}
