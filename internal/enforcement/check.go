package enforcement

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/audit"
	"github.com/gatehouse-iap/gatehouse/internal/catalog"
	"github.com/gatehouse-iap/gatehouse/internal/issuer"
	"github.com/gatehouse-iap/gatehouse/internal/policy"
	"github.com/gatehouse-iap/gatehouse/internal/policy/iam"
	"github.com/gatehouse-iap/gatehouse/internal/principal"
	"github.com/gatehouse-iap/gatehouse/internal/session"
	"github.com/gatehouse-iap/gatehouse/internal/snapshot"
	"github.com/gatehouse-iap/gatehouse/internal/specialurl"
)

// check is one decision under way.
type check struct {
	*Point
	view    *snapshot.Snapshot
	request *Request
	now     time.Time
	verdict *Verdict

	again  *Admission            // of what is decided on again; nil for a request
	used   bool                  // again: since the last time somebody has used what was let in
	asked  bool                  // it has been found out who asks
	groups []string              // addresses of groups that the session's provider names
	proof  session.Proof         // of the session
	told   []principal.Attribute // what it says besides
	denied policy.Reason         // why nobody was recognised
	tried  []*iam.Compiled

	call     specialurl.Call // what a special URL asks for
	received string          // the path as received, where another one is decided on
}

// route finds the service, or refuses.
func (c *check) route() bool {
	v := c.verdict
	if isRefused(c.request.Method) {
		v.refuse(http.StatusMethodNotAllowed, policy.MethodRefused)
		v.Allow = usualMethods
		return false
	}
	host, err := c.request.Canonical, error(nil)
	if host == "" {
		host, err = catalog.CanonicalHost(c.request.Host)
	}
	if err != nil || c.givenTwice() {
		v.refuse(http.StatusBadRequest, policy.HostInvalid)
		return false
	}
	v.Host = host
	if !c.fits() {
		return false
	}
	if v.Target, err = catalog.ParseTarget(c.request.Method, c.request.Target); err != nil {
		v.refuse(http.StatusBadRequest, policy.TargetInvalid)
		return false
	}
	served, err := c.view.Route(host, v.Target)
	switch {
	case err == nil:
		v.Served = served
		return true
	case errors.Is(err, catalog.ErrHostUnknown):
		v.refuse(c.unknownHostStatus(), policy.HostUnknown)
	case errors.Is(err, catalog.ErrPathUnknown):
		v.refuse(http.StatusNotFound, policy.PathUnknown)
	case errors.Is(err, catalog.ErrAmbiguous):
		v.refuse(http.StatusBadRequest, policy.TargetAmbiguous)
	default:
		v.refuse(http.StatusBadRequest, policy.TargetInvalid)
	}
	return false
}

// isRefused reports whether no request may have the method, whoever asks for what. CONNECT asks for a tunnel. TRACE asks
// the application to send back what it was sent: the assertion, and what else is kept from scripts. Methods are told
// apart by case, but not by every application.
func isRefused(method string) bool {
	return method == http.MethodConnect || len(method) == len(http.MethodTrace) && strings.EqualFold(method, http.MethodTrace)
}

// usualMethods is what a refusal of a method allows, as it must say something. Every other method passes too.
const usualMethods = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"

// fits refuses what the listener found not to fit together. 421 makes browsers ask again on a connection of its own.
func (c *check) fits() bool {
	v := c.verdict
	switch c.request.Misfit {
	case "":
		return true
	case policy.HostConflict:
		v.refuse(http.StatusMisdirectedRequest, policy.HostConflict)
	default:
		v.refuse(http.StatusBadRequest, c.request.Misfit)
	}
	v.Code = c.request.Code
	return false
}

// givenTwice reports whether a Host header says something else than what is taken for the host. HTTP/2 can have
// one beside :authority (RFC 9113, section 8.3.1: then the request is malformed); in HTTP/1 net/http takes it out
// of the header.
func (c *check) givenTwice() bool {
	for _, value := range c.request.Header["Host"] {
		if value != c.request.Host {
			return true
		}
	}
	return false
}

func (c *check) unknownHostStatus() int {
	if c.request.TLS || c.Misdirected {
		return http.StatusMisdirectedRequest
	}
	return http.StatusNotFound
}

// decide runs from the routed service to the verdict.
func (c *check) decide(ctx context.Context) {
	v := c.verdict
	if v.Served.Service.IAPDisabled {
		if !c.specialWhileOff() {
			v.Outcome, v.Reason = Forward, policy.IAPDisabled
		}
		return
	}
	if !v.Served.Settings.AllowsHost(v.Host) {
		v.refuse(http.StatusBadRequest, policy.DomainRefused)
		v.Code = codeDomainRefused
		return
	}
	if !c.special(ctx) {
		return
	}
	if v.Served.Settings.AllowHTTPOptions && c.request.Method == http.MethodOptions {
		c.passPreflight()
		return
	}
	if c.preflight() {
		v.Outcome, v.Status, v.Reason = Preflight, http.StatusNoContent, policy.CORSPreflight
		return
	}
	if c.call.Mode == "" && v.Served.Public.Match(c.request.Method, v.Target) {
		c.passPublic()
		return
	}
	if !c.recognise(ctx) {
		return
	}
	recognised := v.Credential != audit.NoCredential
	var levelSpace [8]*iam.Compiled
	levels := c.view.AppendLevels(levelSpace[:0], v.Served)
	var idSpace [32]uint32
	ids := idSpace[:0]
	if recognised {
		ids = c.view.AppendMemberIDs(ids, v.Identity, c.groups...)
	}
	switch v.Reason = policy.Decide(levels, recognised, ids); v.Reason {
	case policy.Granted:
		if c.proved() {
			c.assert(recognised)
		}
	case policy.GrantedPublic:
		c.assert(recognised)
	case policy.NoCredential:
		c.challenge()
	default:
		c.tried = append(c.tried, levels...)
		c.turnAway(v.Reason, ids)
	}
}

// recognise finds out who asks, which may be nobody. It returns false when it has refused.
func (c *check) recognise(ctx context.Context) bool {
	if !c.authenticate(ctx) {
		return false
	}
	if v := c.verdict; v.Credential != audit.NoCredential && c.view.Suspended(v.Identity) {
		c.turnAway(policy.PrincipalSuspended, nil)
		return false
	}
	return true
}

// assert prepares the identity headers. A request that nothing can vouch for does not pass.
func (c *check) assert(recognised bool) {
	v := c.verdict
	if c.again != nil { // it has been told
		v.Outcome = Forward
		return
	}
	claims := issuer.Claims{Audience: v.Served.Audience, Public: !recognised}
	if recognised {
		claims.Subject, claims.Email, claims.HostedDomain = v.Identity.Subject, v.Identity.Email, v.Identity.HostedDomain
	}
	if !c.tell(&claims, recognised) {
		return
	}
	prepared, err := c.prepare(claims)
	if err != nil {
		v.refuse(http.StatusServiceUnavailable, policy.SigningFailed)
		return
	}
	v.Outcome, v.Prepared = Forward, prepared
}

// prepare has the claims signed, for a test of the application wrongly.
func (c *check) prepare(claims issuer.Claims) (*issuer.Prepared, error) {
	if c.call.Mode == specialurl.SecureTokenTest {
		c.verdict.Reason = policy.TokenTest
		return c.Asserter.AssertFlawed(claims, c.call.Test)
	}
	return c.Asserter.Assert(claims)
}

// largeRest is how much of a request line besides the path a waiting record may keep in memory.
const largeRest = 512

// decision is a record of its own of what was decided.
func (c *check) decision() *audit.Decision {
	d := new(audit.Decision)
	c.describe(d)
	return d
}

// describe fills a record with what was decided and everything that it read.
func (c *check) describe(d *audit.Decision) {
	v := c.verdict
	*d = audit.Decision{
		ID: v.ID, Time: c.now, Reason: v.Reason, Status: v.Status, Method: c.request.Method,
		Host: v.Host, Path: v.Target.Raw, Special: c.call.String(), Peer: c.request.Peer,
		Identity: v.Identity, Credential: v.Credential, RequestID: c.request.RequestID,
	}
	if !v.Session.IsZero() {
		d.SessionID = v.Session.String()
	}
	if c.again != nil {
		d.Ends = c.again.id
	}
	if d.Host == "" {
		d.Host = c.request.Host // refused before it had a canonical form
	}
	if c.received != "" {
		d.Path = c.received
	}
	if d.Path == "" {
		d.Path, _, _ = strings.Cut(c.request.Target, "?")
	}
	if len(c.request.Target) > len(d.Path)+largeRest {
		// Both are parts of the request line, which would stay in memory until the record is written.
		d.Method, d.Path = strings.Clone(d.Method), strings.Clone(d.Path)
	}
	if c.view != nil {
		d.Position = c.view.Position
		d.Groups = c.view.NamedGroups(v.Identity, c.groups)
	}
	if v.Served != nil {
		d.Resource = v.Served.Resource
	}
	if v.Prepared != nil {
		d.KeyID = v.Prepared.KeyID
	}
	if v.Reason == policy.NotGranted {
		d.Tried = c.triedLevels()
	}
}

// record keeps a decision. A request that may only pass recorded, and cannot be, is refused.
func (c *check) record(d *audit.Decision) {
	if c.Record(d) {
		return
	}
	v := c.verdict
	v.refuse(http.StatusServiceUnavailable, policy.RecordFailed)
	v.Prepared, v.Headers = nil, nil
	d.Status, d.Reason = v.Status, v.Reason
	c.Record(d) // refusals are always taken
}

// triedLevels lists every level of the hierarchy, also those on which no policy stands, so that a reader sees
// where a binding could be added.
func (c *check) triedLevels() []audit.Tried {
	byResource := map[string]*iam.Compiled{}
	for _, level := range c.tried {
		byResource[string(level.Resource)] = level
	}
	var out []audit.Tried
	for _, name := range c.verdict.Served.Lineage() {
		tried := audit.Tried{Resource: name}
		if level, found := byResource[string(name)]; found {
			tried.Etag = level.Policy.Etag
			for _, b := range level.Policy.Bindings {
				why := "names other members"
				if !iam.GivesWebAccess(b.Role) {
					why = "the role gives no web access"
				}
				tried.Bindings = append(tried.Bindings, audit.TriedBinding{Role: b.Role, Members: len(b.Members), Why: why})
			}
		}
		out = append(out, tried)
	}
	return out
}
