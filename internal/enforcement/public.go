package enforcement

import "github.com/gatehouse-iap/gatehouse/internal/policy"

// passPublic lets a request for a public path pass. Nobody is recognised, so nothing is asserted; a token that is for
// the gate is not the application's to see, whoever sent it there.
func (c *check) passPublic() {
	v := c.verdict
	v.Outcome, v.Reason = Forward, policy.PublicPath
	v.StripAuthorization = c.holdsOurBearer("Authorization")
}
