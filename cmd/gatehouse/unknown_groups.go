package main

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gatehouse-iap/gatehouse/internal/admin"
	"github.com/gatehouse-iap/gatehouse/internal/admin/adminclient"
	"github.com/gatehouse-iap/gatehouse/internal/identityprovider"
	"github.com/gatehouse-iap/gatehouse/internal/policy/iam"
	"github.com/gatehouse-iap/gatehouse/internal/principal"
)

// noteUnknownGroups tells of groups that were just given access and that nobody is in: gcloud refuses them, and here a
// group may come later, from the directory or from a provider. known are those that are about to come. What cannot be
// asked is passed over: the change itself is done.
func noteUnknownGroups(cmd *cobra.Command, client *adminclient.Client, policies []iam.Policy, known ...string) {
	named := groupsOf(policies)
	if len(named) == 0 {
		return
	}
	groups, err := client.Groups(cmd.Context())
	if err != nil {
		return
	}
	providers, err := client.Providers(cmd.Context())
	if err != nil {
		return
	}
	for _, g := range groups {
		known = append(known, g.Email)
	}
	slices.Sort(known)
	for _, group := range named {
		_, found := slices.BinarySearch(known, group)
		if found || slices.ContainsFunc(providers, func(p identityprovider.Provider) bool { return p.MayName(group) }) {
			continue
		}
		say(cmd, "note: there is no group %s, and no identity provider names groups of %s: it lets nobody in until there is", group, principal.Domain(group))
	}
}

// groupsOf are the groups that policies name, each once.
func groupsOf(policies []iam.Policy) []string {
	var named []string
	for _, policy := range policies {
		for _, b := range policy.Bindings {
			for _, text := range b.Members {
				if member, err := principal.ParseMember(text); err == nil && member.Kind == principal.MemberGroup {
					named = append(named, member.Value)
				}
			}
		}
	}
	slices.Sort(named)
	return slices.Compact(named)
}

// declaredIn are the policies of documents, and the groups that the same documents bring.
func declaredIn(documents []admin.Document) (policies []iam.Policy, groups []string) {
	for _, d := range documents {
		switch {
		case d.Policy != nil:
			policies = append(policies, d.Policy.Policy)
		case d.Group != nil:
			groups = append(groups, strings.ToLower(d.Name))
		}
	}
	return policies, groups
}
