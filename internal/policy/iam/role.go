package iam

import "slices"

// roles are the roles that a policy may name: IAP's own and the basic ones. The value
// says whether the role has iap.webServiceVersions.accessViaIAP, the permission to use an application. Owner
// deliberately has not: whoever administers a project may give access, also to themselves, but does not have it.
var roles = map[string]bool{
	RoleHTTPSResourceAccessor:          true,
	"roles/iap.admin":                  false,
	"roles/iap.editor":                 false,
	"roles/iap.settingsAdmin":          false,
	"roles/iap.viewer":                 false,
	"roles/iap.tunnelResourceAccessor": false,
	"roles/iap.tunnelDestGroupEditor":  false,
	"roles/iap.tunnelDestGroupViewer":  false,
	RoleOwner:                          false,
	"roles/editor":                     false,
	"roles/viewer":                     false,
}

// Roles lists the roles that a policy may name, in order.
func Roles() []string {
	names := make([]string, 0, len(roles))
	for name := range roles {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// GivesWebAccess reports whether a role has the permission to use an application.
func GivesWebAccess(role string) bool { return roles[role] }
