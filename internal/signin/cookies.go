package signin

import (
	"net/http"
	"slices"
	"strings"
	"time"
)

// The cookies of sign-in, beside those of the sessions themselves.
const (
	// noncePrefix is IAP's own mark of an attempt. It has no secret.
	noncePrefix = "GCP_IAP_XSRF_NONCE_"
	// secretPrefix is ours: its value proves that the browser which comes back is the one that left.
	secretPrefix = "__Host-GCP_IAP_XSRF_"
	// uidCookie tells scripts who is signed in, as IAP's does.
	uidCookie = "GCP_IAP_UID"
	// chooseCookie remembers that the next sign-in must ask which account, after CLEAR_LOGIN_COOKIE.
	chooseCookie = "__Host-GCP_IAP_SELECT_ACCOUNT"
	// deviceCookie names accounts that have signed in by password in this browser, at the auth host.
	deviceCookie = "__Host-GCP_IAP_DEVICE"
)

const (
	// maxAttempts is how many attempts a browser keeps for a host. Tabs that were all opened at once may have more
	// for a while: none of those requests shows the others' cookies.
	maxAttempts = 8
	// maxExpired bounds how many old attempts one response takes away; it is more than it adds.
	maxExpired = 2
)

// setCookie sets a cookie of ours. Secure stays on where we are reached over plain http: browsers accept it on
// *.localhost, and elsewhere a session must not travel in the clear. Without a lifetime the cookie ends with
// the browser.
func setCookie(w http.ResponseWriter, name, value string, now time.Time, lifetime time.Duration) {
	setCookieOf(w, name, value, "", now, lifetime)
}

// setCookieOf sets a cookie that the hosts of a domain share; with an empty one it is of the host alone.
func setCookieOf(w http.ResponseWriter, name, value, domain string, now time.Time, lifetime time.Duration) {
	c := cookie(name, value)
	c.Domain = domain
	if lifetime > 0 {
		c.MaxAge = int(lifetime / time.Second)
		c.Expires = now.Add(lifetime)
	}
	http.SetCookie(w, c)
}

// clearCookie removes a cookie of ours.
func clearCookie(w http.ResponseWriter, name string) { clearCookieOf(w, name, "") }

// clearCookieOf removes a cookie that has a domain.
func clearCookieOf(w http.ResponseWriter, name, domain string) {
	c := cookie(name, "")
	c.Domain = domain
	c.MaxAge, c.Expires = -1, time.Unix(1, 0)
	http.SetCookie(w, c)
}

func cookie(name, value string) *http.Cookie {
	return &http.Cookie{
		Name: name, Value: value, Path: "/", Secure: true, HttpOnly: name != uidCookie, SameSite: http.SameSiteLaxMode,
	}
}

// cookieValue returns the value of a cookie that the request has once. Twins that differ count as none.
func cookieValue(r *http.Request, name string) string {
	value := ""
	for i, c := range r.CookiesNamed(name) {
		if i > 0 && c.Value != value {
			return ""
		}
		value = c.Value
	}
	return value
}

// attempts lists the suffixes of the attempt cookies of a request that have one of the prefixes, oldest first. Names that we did not give, or
// that claim to come from the future, are oldest of all.
func attempts(r *http.Request, now time.Time, prefixes ...string) []string {
	began := make(map[string]time.Time)
	for _, c := range r.Cookies() {
		suffix, found := "", false
		for _, prefix := range prefixes {
			if suffix, found = strings.CutPrefix(c.Name, prefix); found {
				break
			}
		}
		if !found {
			continue
		}
		id, ok := parseAttemptID(suffix)
		if began[suffix] = id.time(); !ok || began[suffix].After(now.Add(time.Minute)) {
			began[suffix] = time.Time{}
		}
	}
	suffixes := make([]string, 0, len(began))
	for suffix := range began {
		suffixes = append(suffixes, suffix)
	}
	slices.SortFunc(suffixes, func(a, b string) int {
		if c := began[a].Compare(began[b]); c != 0 {
			return c
		}
		return strings.Compare(a, b)
	})
	return suffixes
}

// clearAttempt removes the cookies of one attempt.
func clearAttempt(w http.ResponseWriter, suffix string) {
	clearCookie(w, noncePrefix+suffix)
	clearCookie(w, secretPrefix+suffix)
}
