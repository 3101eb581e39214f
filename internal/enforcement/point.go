// Package enforcement is the policy enforcement point: route, authenticate, decide, assert, record, written
// once for every way in which requests reach the gate. It reads one snapshot a request and touches nothing but
// memory. Packages below it translate between a protocol and Check; they never judge.
package enforcement

import (
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/audit"
	"github.com/gatehouse-iap/gatehouse/internal/bearer"
	"github.com/gatehouse-iap/gatehouse/internal/catalog"
	"github.com/gatehouse-iap/gatehouse/internal/issuer"
	"github.com/gatehouse-iap/gatehouse/internal/policy"
	"github.com/gatehouse-iap/gatehouse/internal/principal"
	"github.com/gatehouse-iap/gatehouse/internal/resource"
	"github.com/gatehouse-iap/gatehouse/internal/session"
	"github.com/gatehouse-iap/gatehouse/internal/snapshot"
	"github.com/gatehouse-iap/gatehouse/internal/specialurl"
)

// Request is a request as an enforcement point saw it. Nothing in it is trusted.
type Request struct {
	Method string
	Host   string // as received, with port
	// Canonical is the form of Host in which hosts are compared; empty where nobody has made it yet.
	Canonical string
	Target    string // as received: path and query
	Header    http.Header
	Peer      netip.Addr // the client's, past trusted proxies
	TLS       bool       // the client used TLS, with us or with a trusted proxy
	// Misfit is why the request cannot be what its connection or its proxy makes of it: policy.HostConflict or
	// policy.ProxyConflict, and then it is refused. Empty where all agree.
	Misfit policy.Reason
	// Code is IAP's error code of a misfit; 0 for none.
	Code int
	// RequestID is what a trusted proxy calls the request; empty where none does, and then it is called as its decision.
	RequestID string
}

// Sessions recognises people by their session cookie.
type Sessions interface {
	// Authenticate returns the session that the cookie of the resource names, or one of session's errors.
	// The record is shared: nobody writes into it. The scope is what session.Cookie.Scope gives for the host.
	Authenticate(ctx context.Context, cookieHeader []string, scope, cookie string, name resource.Name) (*session.Record, error)
	// Resume returns the same session for an exchange that goes on; used says that somebody uses it.
	Resume(ctx context.Context, id session.ID, name resource.Name, used bool) (*session.Record, error)
}

// Bearers recognises programs by their token.
type Bearers interface {
	// Recognises reports whether a token is for the gate.
	Recognises(token string) bool
	// Verify returns what a token proves toward one request, bearer.ErrForeign when it is not for the gate.
	Verify(ctx context.Context, token string, r bearer.Request) (bearer.Verified, error)
}

// Asserter signs who asks.
type Asserter interface {
	Assert(claims issuer.Claims) (*issuer.Prepared, error)
	// AssertFlawed signs wrongly, for a test of the application.
	AssertFlawed(claims issuer.Claims, test specialurl.Test) (*issuer.Prepared, error)
}

// Point is the policy enforcement point.
type Point struct {
	View      func() *snapshot.Snapshot
	Confirmed func() time.Time // when the store last confirmed the view
	Sessions  Sessions
	Bearers   Bearers
	Asserter  Asserter
	// Origin returns scheme, host and port under which clients know a canonical host.
	Origin func(host string) string
	// Record keeps the decision; it must not keep the pointer. It returns false where the request must not pass
	// because that could not be recorded; only then nothing has been recorded.
	Record func(*audit.Decision) bool
	Now    func() time.Time
	Log    *slog.Logger
	// Replica names this process in decision ids.
	Replica uint16
	// MaxStaleness is how long the gate stays open without the store.
	MaxStaleness time.Duration
	// Misdirected answers an unknown host with 421 on plain HTTP too.
	Misdirected bool

	blanks blanks
}

// blanks lends records to those who write them. Record keeps none.
type blanks struct{ sync.Pool }

func (b *blanks) take() *audit.Decision {
	if blank, found := b.Get().(*audit.Decision); found {
		return blank
	}
	return new(audit.Decision)
}

func (b *blanks) give(d *audit.Decision) {
	*d = audit.Decision{}
	b.Put(d)
}

// DefaultMaxStaleness bridges a restart or a short outage of the store, and is little enough for a change of
// policy that a cut-off gate never hears of.
const DefaultMaxStaleness = 10 * time.Minute

// Outcome is what an enforcement point has to do.
type Outcome uint8

// The outcomes of Check.
const (
	Refuse        Outcome = iota // answer Status with the reason
	Forward                      // to Served.Upstream, with Prepared
	SignIn                       // send the browser away to sign in
	CompleteLogin                // the browser comes back: gcp-iap-mode=AUTHENTICATING
	ClearLogin                   // end the session with this application: CLEAR_LOGIN_COOKIE
	SignOut                      // go to the page that signs out of all applications: GATEHOUSE_SIGN_OUT
	TellIdentity                 // say who Identity is: IDENTITY
	GoOn                         // to the same address without the special parameter: FORCE_LOGIN, when it is done
	ShowRefresher                // with Status; 401 says that its person has to sign in: SESSION_REFRESHER
	SignedIn                     // by somebody who wanted that and no more, to ReturnTo or a page: GATEHOUSE_SIGN_IN
	Preflight                    // a browser asks for a page of one of corsOrigins: it may
)

// Verdict is the answer of Check.
type Verdict struct {
	Outcome Outcome
	Status  int // of a refusal
	Reason  policy.Reason
	Code    int // IAP's error code of a refusal; 0 for none
	// Allow is what a refusal of the method allows.
	Allow string
	// Sentence is IAP's one-sentence body of a 401.
	Sentence string
	// SignInURL is where a page that gets a 401 can have its person sign in.
	SignInURL string
	// ReturnTo is where SignedIn leads: an address of the service's host or of one of its corsOrigins, or nowhere.
	ReturnTo string
	ID       audit.DecisionID
	// Location is where somebody goes who is refused, in place of our page; empty for our page.
	Location string

	Host   string // canonical; empty when the host is malformed
	Target catalog.Target
	// ByOlderPath says that the path belongs to the gate (specialurl.Call).
	ByOlderPath bool
	Served      *snapshot.Served // nil when nothing was routed to
	Identity    principal.Identity
	Credential  audit.Credential
	Session     session.ID // zero without one
	// Expires is when the credential ends by itself; zero without one.
	Expires time.Time
	// Prepared are the identity headers; nil when the application is told nothing (the gate is off).
	Prepared *issuer.Prepared
	// Headers are further ones that the application is sent.
	Headers []Header
	// StripAuthorization says that Authorization carried the credential that was consumed.
	StripAuthorization bool

	step *audit.Decision // of a step of sign-in that is still to be taken
}

// Step reports whether sign-in has to take a step, which may come to nothing yet. The decision waits for Settle.
func (v *Verdict) Step() bool {
	switch v.Outcome {
	case SignIn, CompleteLogin, ClearLogin, GoOn, SignOut, SignedIn:
		return true
	}
	return false
}

// Settle records a decision whose step was taken, once. Of a step that was not, whoever refused it has recorded that.
func (p *Point) Settle(v *Verdict, taken bool) {
	if v.step != nil && taken {
		p.Record(v.step)
	}
	v.step = nil
}

// Check takes the decision on one request and records it, unless a step of sign-in follows. It fills v, which was zero.
func (p *Point) Check(ctx context.Context, r *Request, v *Verdict) {
	now := p.Now()
	v.ID = audit.NewDecisionID(now, p.Replica)
	view := p.View()
	d := check{Point: p, view: view, request: r, now: now, verdict: v}
	switch {
	case view == nil || now.Sub(p.Confirmed()) > p.MaxStaleness:
		v.refuse(http.StatusServiceUnavailable, policy.SnapshotStale)
	case d.route():
		d.decide(ctx)
	}
	if v.Step() {
		v.step = d.decision()
		return
	}
	decision := p.blanks.take()
	d.describe(decision)
	d.record(decision)
	p.blanks.give(decision)
}

// Refuse records that a request was refused before there was anything to decide about it, and gives that an id.
func (p *Point) Refuse(r *Request, status int, reason policy.Reason) Verdict {
	now := p.Now()
	v := Verdict{ID: audit.NewDecisionID(now, p.Replica)}
	v.refuse(status, reason)
	d := check{Point: p, view: p.View(), request: r, now: now, verdict: &v}
	p.Record(d.decision())
	return v
}

func (v *Verdict) refuse(status int, reason policy.Reason) {
	v.Outcome, v.Status, v.Reason = Refuse, status, reason
}
