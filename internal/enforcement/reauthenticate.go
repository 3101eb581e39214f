package enforcement

import (
	"net/http"

	"github.com/gatehouse-iap/gatehouse/internal/audit"
	"github.com/gatehouse-iap/gatehouse/internal/policy"
	"github.com/gatehouse-iap/gatehouse/internal/principal"
)

// proved reports whether a person has proved what the settings demand, or else asks for it. As in IAP, service accounts
// are exempt, and programs that act for a person cannot pass.
func (c *check) proved() bool {
	v := c.verdict
	demand := v.Served.Demand
	switch {
	case demand.IsZero() || v.Identity.Kind == principal.ServiceAccount:
		return true
	case v.Credential != audit.SessionCookie:
		v.refuse(http.StatusForbidden, policy.SignInTooOld)
	case demand.MetBy(c.proof, c.now):
		return true
	case c.canFollow():
		v.Outcome, v.Status, v.Reason = SignIn, http.StatusFound, policy.SignInTooOld
	default:
		v.refuse(http.StatusUnauthorized, policy.SignInTooOld)
		v.Sentence = sentenceEmpty
	}
	return false
}
