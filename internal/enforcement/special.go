package enforcement

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/gatehouse-iap/gatehouse/internal/audit"
	"github.com/gatehouse-iap/gatehouse/internal/catalog"
	"github.com/gatehouse-iap/gatehouse/internal/policy"
	"github.com/gatehouse-iap/gatehouse/internal/specialurl"
)

// special decides on what a special URL asks for (docs/special-urls.md). It reports whether the request goes on to be
// decided like any other, which of special URLs only SECURE_TOKEN_TEST does.
//
// It comes before authentication and before anything that lets requests pass unseen: no special URL reaches an
// application in another way than this function says.
func (c *check) special(ctx context.Context) bool {
	v := c.verdict
	call, err := specialurl.Parse(v.Target.Raw, v.Target.Query, v.Target.Normalized, v.Target.Decoded)
	switch {
	case errors.Is(err, specialurl.ErrUnknown):
		v.refuse(http.StatusNotFound, policy.PathUnknown)
		return false
	case err != nil:
		v.refuse(http.StatusBadRequest, policy.SpecialURLInvalid)
		return false
	case call.Mode == "":
		return true
	}
	c.call, v.ByOlderPath = call, call.ByPath
	if call.Mode == specialurl.SecureTokenTest {
		c.leaveOlderPath()
		return true
	}
	if !c.allowed(call.Mode) {
		return false
	}
	switch call.Mode {
	case specialurl.Authenticating:
		c.answer(CompleteLogin, http.StatusFound)
	case specialurl.ClearLoginCookie:
		c.answer(ClearLogin, http.StatusFound)
	case specialurl.SignOut:
		c.answer(SignOut, http.StatusFound)
	case specialurl.GCIPSignOut: // there are no external identities yet
		v.refuse(http.StatusBadRequest, policy.NoExternalPeople)
	case specialurl.Identity:
		if c.known(ctx) {
			c.answer(TellIdentity, http.StatusOK)
		}
	case specialurl.ForceLogin:
		if c.known(ctx) {
			c.answer(GoOn, http.StatusFound)
		}
	case specialurl.SignIn:
		c.signInOnly(ctx)
	case specialurl.DoSessionRefresh:
		c.refresh(ctx)
	case specialurl.SessionRefresher:
		c.showRefresher(ctx)
	}
	return false
}

// specialWhileOff keeps what the gate handed out a moment ago from the application of a service whose gate has been
// turned off since: a redirect token is still redeemed. Everything else is the application's.
func (c *check) specialWhileOff() bool {
	target := c.verdict.Target
	call, err := specialurl.Parse(target.Raw, target.Query, target.Normalized, target.Decoded)
	if err != nil || call.Mode != specialurl.Authenticating || c.request.Method != http.MethodGet {
		return false
	}
	c.call = call
	c.answer(CompleteLogin, http.StatusFound)
	return true
}

// answer says what the enforcement point has to do instead of forwarding. A record without a status would read as a
// request that was let through.
func (c *check) answer(outcome Outcome, status int) {
	c.verdict.Outcome, c.verdict.Status, c.verdict.Reason = outcome, status, policy.SpecialURL
}

// leaveOlderPath forwards a test that was called by its older path to the root: these paths are not the
// application's. What is decided on from here on is what is forwarded.
func (c *check) leaveOlderPath() {
	if v := c.verdict; c.call.ByPath {
		c.received = v.Target.Raw
		v.Target = catalog.Target{Raw: "/", Normalized: "/", Decoded: "/", Query: v.Target.Query, HasQuery: v.Target.HasQuery}
	}
}

// allowed refuses the ways in which special URLs are not meant to be used.
func (c *check) allowed(mode specialurl.Mode) bool {
	v, r := c.verdict, c.request
	switch {
	case mode == specialurl.Authenticating:
		// Sign-in itself refuses what is no way back: the redirect token and the browser's cookie decide.
		if carriesBearer(r) {
			v.refuse(http.StatusBadRequest, policy.SpecialURLRefused)
			return false
		}
		if r.Method == http.MethodGet && inBackground(r.Header) {
			// What nobody sees neither uses up a token nor begins anew.
			c.unauthorized(policy.NoCredential)
			v.Sentence = sentenceEmpty
			return false
		}
		return true
	case r.Method == http.MethodGet, r.Method == http.MethodHead && mode != specialurl.ClearLoginCookie:
	default:
		v.refuse(http.StatusMethodNotAllowed, policy.SpecialURLRefused)
		if v.Allow = "GET, HEAD"; mode == specialurl.ClearLoginCookie {
			v.Allow = http.MethodGet // HEAD must not change anything
		}
		return false
	}
	if mode != specialurl.Identity && carriesBearer(r) || !deliberate(r) {
		v.refuse(http.StatusBadRequest, policy.SpecialURLRefused)
		return false
	}
	return true
}

// carriesBearer reports whether a request has a bearer token, for us or not: then it is a program's, which has no
// session and is never redirected.
func carriesBearer(r *Request) bool {
	for _, header := range [...]string{"Proxy-Authorization", "Authorization"} {
		for _, value := range r.Header[header] {
			if _, is := bearerToken(value); is {
				return true
			}
		}
	}
	return false
}

// deliberate reports whether a request can be what a person or the application's own page wants. What another
// site's page loads (its images, scripts, frames) is not, and neither is what a browser loads because somebody might
// go there next. Without Sec-Fetch headers there is only SameSite to tell these apart: the cookie is not there then.
func deliberate(r *Request) bool {
	for _, name := range [...]string{"Sec-Purpose", "Purpose"} {
		for _, value := range r.Header[name] {
			if strings.Contains(strings.ToLower(value), "prefetch") {
				return false
			}
		}
	}
	switch fetchHeader(r, "Sec-Fetch-Site") {
	case "", "same-origin", "none":
		return true
	}
	destination := fetchHeader(r, "Sec-Fetch-Dest")
	return fetchHeader(r, "Sec-Fetch-Mode") == "navigate" && (destination == "document" || destination == "")
}

// framed reports whether a request loads a page into a frame.
func framed(r *Request) bool {
	switch fetchHeader(r, "Sec-Fetch-Dest") {
	case "iframe", "frame", "embed", "object", "fencedframe":
		return true
	}
	return false
}

// fetchHeader returns a header that browsers set once and pages cannot. Twins say nothing good.
func fetchHeader(r *Request, name string) string {
	switch values := r.Header[name]; len(values) {
	case 0:
		return ""
	case 1:
		return values[0]
	default:
		return "twins"
	}
}

// known recognises who asks, or asks them to sign in. It does not ask what they may use.
func (c *check) known(ctx context.Context) bool {
	if !c.recognise(ctx) {
		return false
	}
	if c.verdict.Credential == audit.NoCredential {
		c.challenge()
		return false
	}
	return true
}

// refresh sends a browser to sign in again, although it may have a session. In a frame that cannot work: the pages of
// sign-in let nobody frame them, and the auth host's cookie does not come into another site's frame. What can be done
// there has been done by looking: a session that is used does not become idle, here and at the auth host.
func (c *check) refresh(ctx context.Context) {
	switch {
	case framed(c.request):
		c.showRefresher(ctx)
	case c.canFollow():
		c.answer(SignIn, http.StatusFound)
	case c.known(ctx):
		c.verdict.refuse(http.StatusBadRequest, policy.SpecialURLRefused)
	}
}

// showRefresher shows the page that refreshes the session again and again. In a frame it is shown to those who have to
// sign in too, since they cannot be sent away: it then offers to do so in a window of its own.
func (c *check) showRefresher(ctx context.Context) {
	v := c.verdict
	if !framed(c.request) {
		if c.known(ctx) {
			c.answer(ShowRefresher, http.StatusOK)
		}
		return
	}
	recognised := c.recognise(ctx)
	switch {
	case v.Outcome == SignIn || recognised && v.Credential == audit.NoCredential:
		c.answer(ShowRefresher, http.StatusUnauthorized)
	case recognised:
		c.answer(ShowRefresher, http.StatusOK)
	}
}
