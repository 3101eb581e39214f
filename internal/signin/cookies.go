package signin

import (
	"crypto/sha256"
	"net/http"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/resource"
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
	// roundsCookie counts how often sign-in has begun for an address within moments; see goesRound.
	roundsCookie = "__Host-GCP_IAP_ROUNDS"
	// deviceCookie names accounts that have signed in by password in this browser, at the auth host.
	deviceCookie = "__Host-GCP_IAP_DEVICE"
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

// attemptCookies are the names of the cookies of sign-in at an application's host: IAP's mark and our proof. They are the
// same for all attempts of a browser at a resource, so that however many begin at once, there are two. The part
// behind the prefix has the form that IAP gives it.
func attemptCookies(name resource.Name) (nonce, secret string) {
	sum := sha256.Sum256([]byte("attempts at " + string(name)))
	suffix := encoding.EncodeToString(sum[:16])
	return noncePrefix + suffix, secretPrefix + suffix
}

// browserSecret returns what a browser proves by a cookie that it is itself. Attempts that are under way keep theirs:
// a new one each time would make those of other tabs fail.
func browserSecret(r *http.Request, name string) string {
	if value := cookieValue(r, name); isSecret(value) {
		return value
	}
	return newSecret()
}

func isSecret(s string) bool {
	b, err := encoding.DecodeString(s)
	return err == nil && len(b) == sha256.Size
}

// setAttempt gives a browser the cookies of an attempt, or more time for those that it has.
func (s *SignIn) setAttempt(w http.ResponseWriter, app App, secret string) {
	nonceName, secretName := attemptCookies(app.Resource)
	setCookie(w, nonceName, "1", s.Now(), attemptLifetime)
	setCookie(w, secretName, secret, s.Now(), attemptLifetime)
}

// clearAttempt removes them.
func clearAttempt(w http.ResponseWriter, app App) {
	nonceName, secretName := attemptCookies(app.Resource)
	clearCookie(w, nonceName)
	clearCookie(w, secretName)
}
