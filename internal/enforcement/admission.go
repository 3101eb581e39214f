package enforcement

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/audit"
	"github.com/gatehouse-iap/gatehouse/internal/policy"
	"github.com/gatehouse-iap/gatehouse/internal/principal"
	"github.com/gatehouse-iap/gatehouse/internal/resource"
	"github.com/gatehouse-iap/gatehouse/internal/session"
)

// Admission is a decision that let an exchange in, kept so that it can be taken again while the exchange goes on. It
// belongs to one goroutine at a time.
type Admission struct {
	point     *Point
	request   Request // without headers, but for the token that was accepted
	confirmed time.Time

	// What was decided.
	id         audit.DecisionID
	resource   resource.Name
	identity   principal.Identity
	credential audit.Credential
	session    session.ID
	expires    time.Time // of the credential
}

// Admission returns what is needed to take the decision v on r again. It keeps nothing of the request's memory.
func (p *Point) Admission(r *Request, v *Verdict) *Admission {
	a := &Admission{
		point: p, request: *r, confirmed: v.ID.Time(), id: v.ID, resource: v.Served.Resource,
		identity: v.Identity, credential: v.Credential, session: v.Session, expires: v.Expires,
	}
	if !a.confirmed.Before(v.Expires) { // let in by the leeway that clocks are given: Verify knows its end
		a.expires = time.Time{}
	}
	a.request.Method, a.request.Host, a.request.Target = strings.Clone(r.Method), strings.Clone(r.Host), strings.Clone(r.Target)
	a.request.Header, a.request.Canonical = nil, ""
	if v.Credential == audit.BearerToken {
		a.request.Header = http.Header{}
		for _, name := range [...]string{"Proxy-Authorization", "Authorization"} {
			for _, value := range r.Header[name] {
				a.request.Header[name] = append(a.request.Header[name], strings.Clone(value))
			}
		}
	}
	return a
}

// ID returns the id of the decision that let the exchange in.
func (a *Admission) ID() audit.DecisionID { return a.id }

// Again takes the decision again, by what holds now. It returns an empty reason when the exchange may go on, and then
// also when to ask again at the latest (zero where that does not depend on time alone); otherwise why it ends, which
// it has recorded. used says that somebody has used the exchange since the last time.
//
// What the application was told about who asks has to hold still: whoever is let in again as somebody else, or as
// nobody, is not let go on. That the store cannot be read refuses nobody at first, as everywhere.
func (a *Admission) Again(ctx context.Context, used bool) (until time.Time, end policy.Reason) {
	p := a.point
	now := p.Now()
	var v Verdict
	view := p.View()
	c := check{Point: p, view: view, request: &a.request, now: now, verdict: &v, again: a, used: used}
	switch {
	case view == nil || now.Sub(p.Confirmed()) > p.MaxStaleness:
		v.refuse(http.StatusServiceUnavailable, policy.SnapshotStale)
	case !c.route():
	case v.Served.Resource != a.resource:
		v.refuse(http.StatusNotFound, policy.PathUnknown)
	default:
		c.decide(ctx)
		c.holdToFirst(ctx)
	}
	if v.Outcome == Forward {
		a.confirmed = now
		return c.until(), ""
	}
	if v.Reason == policy.StoreFailed {
		switch {
		case !a.expires.IsZero() && !now.Before(a.expires): // whatever the store would say
			v.refuse(http.StatusUnauthorized, a.over())
		case now.Sub(a.confirmed) <= p.MaxStaleness:
			return a.expires, ""
		}
	}
	if v.Identity.IsZero() { // the record says whose exchange it was
		v.Identity, v.Credential, v.Session = a.identity, a.credential, a.session
	}
	v.ID = audit.NewDecisionID(now, p.Replica)
	c.record(c.decision())
	return time.Time{}, v.Reason
}

// over is the reason when the credential has expired.
func (a *Admission) over() policy.Reason {
	if a.credential == audit.BearerToken {
		return policy.BearerInvalid
	}
	return policy.SessionEnded
}

// holdToFirst refuses what would pass as a new request, but not as the one that was let in. Where it has become
// irrelevant who asks (a public path, a gate that is turned off), the application still takes the exchange for that of
// whom it was told, and that has to be true.
func (c *check) holdToFirst(ctx context.Context) {
	v, first := c.verdict, c.again
	if v.Outcome == Forward && !c.asked && first.credential != audit.NoCredential && !c.recognise(ctx) {
		return // which has refused
	}
	switch {
	case v.Outcome != Forward || !c.asked:
	case first.credential == audit.BearerToken && !first.expires.IsZero() && !c.now.Before(first.expires):
		v.refuse(http.StatusUnauthorized, first.over())
	case v.Credential == first.credential && v.Identity == first.identity:
	case c.denied != "":
		v.refuse(http.StatusUnauthorized, c.denied)
	default:
		v.refuse(http.StatusUnauthorized, policy.SessionEnded)
	}
}

// until returns when time alone ends what was let in.
func (c *check) until() time.Time {
	v := c.verdict
	until := v.Expires
	if v.Credential == audit.BearerToken {
		until = c.again.expires
	}
	if demand := v.Served.Demand; v.Credential == audit.SessionCookie && !demand.IsZero() {
		if due := c.proof.AuthTime.Add(demand.MaxAge); until.IsZero() || due.Before(until) {
			until = due
		}
	}
	return until
}
