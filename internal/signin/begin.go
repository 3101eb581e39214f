package signin

import (
	"crypto/sha256"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/pages"
	"github.com/gatehouse-iap/gatehouse/internal/policy"
)

// emptyToken is what IAP says to those who are not signed in, as the body of its redirect.
const emptyToken = "Invalid IAP credentials: empty token"

// Begin sends somebody who is not signed in to the auth host. It stores nothing: what must be known when the
// browser comes back is in the sealed state and in a cookie.
func (s *SignIn) Begin(w http.ResponseWriter, r *http.Request, app App, reason policy.Reason) {
	to := target(r)
	if s.goesRound(w, r, app, to, false) {
		s.loops(w, r, s.origin(app.Host, to), roundCause(reason, app.Host))
		return
	}
	a, secret := s.newAttempt(r, app, to)
	state, err := s.seal(a)
	if err != nil {
		s.unavailable(w, r, err)
		return
	}
	s.Log.DebugContext(r.Context(), "sign-in begins", "host", app.Host, "resource", app.Resource, "reason", reason)
	pages.Headers(w.Header())
	s.setAttempt(w, app, secret)
	w.Header().Set("Location", s.authorizeURL(a, state))
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	if r.Method == http.MethodHead {
		w.Header().Set("Content-Length", "0")
	}
	w.WriteHeader(http.StatusFound)
	if r.Method != http.MethodHead {
		io.WriteString(w, emptyToken) // the client may be gone; there is nobody to tell
	}
}

// newAttempt returns an attempt to sign in, and the secret that its browser is to keep.
func (s *SignIn) newAttempt(r *http.Request, app App, to string) (attempt, string) {
	_, secretName := attemptCookies(app.Resource)
	secret := browserSecret(r, secretName)
	hash := sha256.Sum256([]byte(secret))
	return attempt{
		ID: newAttemptID(), Browser: hash[:], Host: app.Host, Resource: app.Resource, App: app.Name, ClientID: app.ClientID,
		Target: to, Issued: s.Now().Unix(), Choose: cookieValue(r, chooseCookie) != "",
		Hint: app.LoginHint, MaxAge: int64(app.Demand.MaxAge / time.Second), Factor: app.Demand.Factor,
	}, secret
}

// authorizeURL returns the address of IAP's redirect, with the parameters and the order that IAP has. The
// challenge is that of the browser's secret; no code is exchanged for local accounts.
func (s *SignIn) authorizeURL(a attempt, state string) string {
	auth := s.External.URL(s.AuthHost)
	var b strings.Builder
	b.WriteString(auth + authorizePath)
	b.WriteString("?client_id=" + url.QueryEscape(a.ClientID))
	b.WriteString("&response_type=code&scope=openid+email")
	b.WriteString("&redirect_uri=" + url.QueryEscape(RedirectURI(s.External, s.AuthHost, a.ClientID)))
	b.WriteString("&code_challenge=" + encoding.EncodeToString(a.Browser))
	b.WriteString("&code_challenge_method=S256&cred_ref=true")
	if a.Hint != "" {
		b.WriteString("&hd=" + url.QueryEscape(a.Hint))
	}
	b.WriteString("&state=" + state)
	if a.Choose {
		b.WriteString("&prompt=" + promptChoose)
	}
	return b.String()
}
