package enforcement

import (
	"net/http"
	"strings"

	"github.com/gatehouse-iap/gatehouse/internal/pages"
	"github.com/gatehouse-iap/gatehouse/internal/policy"
)

// challenge asks somebody whom we do not know to sign in: a browser is sent away, a program gets 401.
func (c *check) challenge() {
	v := c.verdict
	if token, has := c.foreignBearer(); has {
		c.unauthorized(policy.BearerInvalid)
		switch {
		case token == "":
			v.Sentence = sentenceEmpty
		case strings.Count(token, ".") == 2:
			v.Sentence = sentenceSignature
		default:
			v.Sentence = sentenceUnparsable
		}
		return
	}
	if c.canFollow() {
		v.Outcome, v.Status, v.Reason = SignIn, http.StatusFound, c.denied
		return
	}
	c.unauthorized(c.denied)
	v.Sentence = sentenceEmpty
}

// unauthorized answers 401, and says where a page can have its person sign in.
func (c *check) unauthorized(reason policy.Reason) {
	c.verdict.refuse(http.StatusUnauthorized, reason)
	c.verdict.SignInURL = c.signInURL()
}

// foreignBearer returns a bearer token that was not for us: with it a request is a program's, and is told that
// its token does not do.
func (c *check) foreignBearer() (string, bool) {
	for _, header := range [...]string{"Proxy-Authorization", "Authorization"} {
		for _, value := range c.request.Header[header] {
			if token, isBearer := bearerToken(value); isBearer {
				return token, true
			}
		}
	}
	return "", false
}

// canFollow reports whether whoever asks can be sent away to sign in. Nobody can who is in the midst of an exchange.
func (c *check) canFollow() bool { return c.again == nil && canFollow(c.request) }

// canFollow reports whether the client looks able to sign in. By IAP's own rule that is GET or HEAD, not marked as
// a script's, and HTML is welcome. Where a browser says besides what a request is for, that counts too: only
// somebody who is going to a page can sign in on the way. No header that names the program is looked at.
//
// testdata/challenge.golden is the whole of it as a table.
func canFollow(r *Request) bool {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return false
	}
	for _, value := range r.Header["X-Requested-With"] {
		if strings.EqualFold(value, "XMLHttpRequest") {
			return false
		}
	}
	return !inBackground(r.Header) && pages.AdmitsHTML(r.Header)
}

// inBackground reports whether a browser says that nobody is going to see the answer as a page: a script's fetch, an
// image, a worker, a WebSocket, a page that is fetched in case somebody goes there. IAP redirects some of these. The
// redirect helps nobody: scripts cannot follow it to another origin, and what does follow it takes cookies of sign-in
// along that nobody will use.
//
// As the standard asks, values that it does not have count as none (Fetch Metadata, section 2).
func inBackground(h http.Header) bool {
	for _, name := range [...]string{"Sec-Purpose", "Purpose"} {
		for _, value := range h[name] {
			if isPrefetch(value) {
				return true
			}
		}
	}
	for _, protocol := range h["Upgrade"] {
		if strings.EqualFold(protocol, "websocket") {
			return true
		}
	}
	switch sole(h["Sec-Fetch-Mode"]) {
	case "navigate":
		return false
	case "cors", "no-cors", "same-origin", "websocket":
		return true
	}
	switch sole(h["Sec-Fetch-Dest"]) {
	case "audio", "audioworklet", "empty", "font", "image", "json", "manifest", "paintworklet", "report", "script",
		"serviceworker", "sharedworker", "style", "track", "video", "webidentity", "worker", "xslt":
		return true
	}
	return false
}

// isPrefetch reads Sec-Purpose: "prefetch", or that with parameters such as ";prerender".
func isPrefetch(value string) bool {
	purpose, _, _ := strings.Cut(value, ";")
	return strings.EqualFold(strings.TrimSpace(purpose), "prefetch")
}

// sole returns the value of a header that is given once.
func sole(values []string) string {
	if len(values) != 1 {
		return ""
	}
	return values[0]
}
