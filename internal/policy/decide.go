package policy

import (
	"github.com/gatehouse-iap/gatehouse/internal/policy/iam"
)

// Decide says whether somebody may use an application. levels are the policies that stand on the application's
// resource and above it, in any order: IAM only ever adds. ids are the numbers of the members that stand for
// the person (themselves, their domain, their groups); recognised is false when nobody is.
//
// The time it takes depends on how many levels there are and how many groups the person is in, never on how
// many members the policies name.
func Decide(levels []*iam.Compiled, recognised bool, ids []uint32) Reason {
	for _, level := range levels {
		if recognised && level.Grants(ids) {
			return Granted
		}
		if !recognised && level.Public() {
			return GrantedPublic
		}
	}
	if !recognised {
		return NoCredential
	}
	return NotGranted
}
