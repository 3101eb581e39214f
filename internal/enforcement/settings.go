package enforcement

import (
	"errors"
	"net/http"

	"github.com/gatehouse-iap/gatehouse/internal/audit"
	"github.com/gatehouse-iap/gatehouse/internal/catalog"
	"github.com/gatehouse-iap/gatehouse/internal/policy"
	"github.com/gatehouse-iap/gatehouse/internal/policy/iam"
	"github.com/gatehouse-iap/gatehouse/internal/snapshot"
)

// codeDomainRefused is IAP's error code for a host that is not among the allowed domains.
const codeDomainRefused = 53

// passPreflight lets an OPTIONS request through about which nothing is known: nobody is vouched for. Browsers send
// preflights without credentials; a token for us that another client sends does not reach the application.
func (c *check) passPreflight() {
	v := c.verdict
	v.Outcome, v.Reason = Forward, policy.PreflightAllowed
	v.StripAuthorization = c.holdsOurBearer("Authorization")
}

// turnAway refuses somebody whom we know: with our page, or where the settings say that people go. Programs stay, and
// so does whoever calls a special URL: the answer belongs to the page that called it.
func (c *check) turnAway(reason policy.Reason, ids []uint32) {
	v := c.verdict
	v.refuse(http.StatusForbidden, reason)
	page := v.Served.DeniedPage
	if page == nil || c.call.Mode != "" || v.Credential != audit.SessionCookie || !c.canFollow() || c.refusedAt(page, reason, ids) {
		return
	}
	v.Status, v.Location = http.StatusFound, page.Address(v.ID.String())
}

// refusedAt reports whether the page for those who are turned away is one that would turn the same person away: they
// would be sent to it for ever. ids are the person's, as for this decision.
func (c *check) refusedAt(page *snapshot.DeniedPage, reason policy.Reason, ids []uint32) bool {
	served, err := c.view.Route(page.Host, page.Target)
	switch {
	case errors.Is(err, catalog.ErrHostUnknown):
		return false // elsewhere
	case err != nil || page.Malformed:
		return true
	case served.Service.IAPDisabled:
		return false
	case reason == policy.PrincipalSuspended || !served.Settings.AllowsHost(page.Host):
		return true
	}
	var space [8]*iam.Compiled
	there := policy.Decide(c.view.AppendLevels(space[:0], served), true, ids)
	return there != policy.Granted
}
