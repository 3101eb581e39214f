package pages

import (
	"net/http"
	"net/url"
	"strings"
)

// Headers sets what every generated response carries, on top of what is already in h. Nothing that Gatehouse
// says itself is stored, framed, sniffed into another type or able to run a script.
//
// There is deliberately no Cross-Origin-Opener-Policy: applications open sign-in in a window of their own and
// watch whether it has closed (IAP's session refresh), which that header would cut off.
func Headers(h http.Header) {
	h.Set("X-Goog-IAP-Generated-Response", "true")
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", contentSecurityPolicy(false, nil))
}

// contentSecurityPolicy returns the policy of a page, with our script or without, whose forms may lead on, by redirect,
// to further origins: Chromium holds every redirect that answers a form against form-action, not only the form's own
// address. Pages with a script are the auth host's, where nothing is served that is not ours.
func contentSecurityPolicy(script bool, formTargets []string) string {
	var policy strings.Builder
	policy.WriteString(ownResources)
	for _, target := range formTargets {
		if isOrigin(target) {
			policy.WriteByte(' ')
			policy.WriteString(target)
		}
	}
	policy.WriteString("; base-uri 'none'; frame-ancestors 'none'")
	if script {
		policy.WriteString("; script-src 'self'")
	}
	return policy.String()
}

const ownResources = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'"

// framedSecurityPolicy is that of a page without forms which its own origin, and no other, may frame. Nothing on it
// may be worth a click that another site steals.
func framedSecurityPolicy() string {
	return ownResources + "; base-uri 'none'; frame-ancestors 'self'"
}

// isOrigin reports whether s is an origin that may stand in a policy: nothing in it can end the directive,
// name a whole scheme or act as a wildcard. Leaving a target out only makes the policy stricter. (IP version 6
// literals cannot be written in a policy at all; Continue needs no form target.)
func isOrigin(s string) bool {
	for _, scheme := range []string{"https://", "http://"} {
		host, found := strings.CutPrefix(s, scheme)
		if !found || host == "" {
			continue
		}
		return strings.IndexFunc(host, func(c rune) bool {
			return !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '.' || c == '-' || c == '_' || c == ':')
		}) < 0
	}
	return false
}

// safeLink returns s when it is a link that a page may offer, else the empty string: a path on the same
// host, or an http or https URL. html/template would defuse a script URL too, but leave a dead link behind.
func safeLink(s string) string {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] == '\\' || s[i] >= 0x7f {
			return "" // browsers drop or turn these, so that the link would lead elsewhere than it says
		}
	}
	if strings.HasPrefix(s, "/") && !strings.HasPrefix(s, "//") {
		return s
	}
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil {
		return ""
	}
	return s
}
