package signin

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/identityprovider"
	"github.com/gatehouse-iap/gatehouse/internal/pages"
)

// leftCookie is the auth host's attempt cookie, by which an answer from a provider must come to the browser that left
// for it. Departures of several tabs share it, so that there is one however many leave.
const leftCookie = "__Host-GCP_IAP_LEFT"

// departure is what the state toward a provider carries, sealed: the attempt that it is part of, and what the answer
// is held against. Nothing of it is stored.
type departure struct {
	Attempt  attempt   `json:"a"`
	ID       attemptID `json:"i"` // of this departure: one attempt may leave several times
	Provider string    `json:"p"`
	Issuer   string    `json:"u"`
	Nonce    string    `json:"n"`
	Verifier string    `json:"v"`
	Browser  []byte    `json:"b"` // hash of the secret in the browser's cookie at the auth host
	Left     int64     `json:"t"` // seconds since 1970
	Quiet    bool      `json:"q,omitempty"`
}

var departureUse = []byte("departure")

// The paths of a provider at the auth host, named as IAP names its redirect URI.
const (
	clientPath     = "/v1/oauth/clientIds/"
	callbackSuffix = ":handleRedirect"
)

// RedirectURI is what must be registered at a provider whose client id is given. The auth host is canonical.
func RedirectURI(external External, authHost, clientID string) string {
	return external.URL(authHost) + clientPath + url.PathEscape(clientID) + callbackSuffix
}

func (s *SignIn) redirectURI(p identityprovider.Provider) string {
	return RedirectURI(s.External, s.AuthHost, p.OIDC.ClientID)
}

// leave sends the browser to a provider.
func (s *SignIn) leave(w http.ResponseWriter, r *http.Request, a attempt, p identityprovider.Provider, hint string, prompt string) {
	now := s.Now()
	secret, verifier := browserSecret(r, leftCookie), newSecret()
	hash, challenge := sha256.Sum256([]byte(secret)), sha256.Sum256([]byte(verifier))
	d := departure{
		Attempt: a, ID: newAttemptID(), Provider: p.Name, Issuer: p.Issuer(), Nonce: newSecret(), Verifier: verifier,
		Browser: hash[:], Left: now.Unix(), Quiet: prompt == promptNone,
	}
	plain, err := json.Marshal(d)
	if err != nil {
		s.unavailable(w, r, err)
		return
	}
	leaving := Departure{
		RedirectURI: s.redirectURI(p), State: encoding.EncodeToString(s.Sealer.Seal(plain, departureUse)), Nonce: d.Nonce,
		Challenge: encoding.EncodeToString(challenge[:]), LoginHint: hint, Prompt: prompt,
		HostedDomain: s.expectedAt(a, p, hint),
	}
	leaving.demandOf(a)
	address, err := s.Redirecting.Leave(r.Context(), p, leaving)
	if err != nil {
		s.failed(w, r, d, p, err)
		return
	}
	// The answer may come as a form from the provider's site: only SameSite=None cookies go with that.
	c := cookie(leftCookie, secret)
	c.SameSite, c.MaxAge, c.Expires = http.SameSiteNoneMode, int(attemptLifetime/time.Second), now.Add(attemptLifetime)
	http.SetCookie(w, c)
	s.Log.DebugContext(r.Context(), "leaves for the identity provider", "provider", p.Name, "host", a.Host)
	goOn(w, r, address, func() { s.Pages.Depart(w, r, pages.Depart{Provider: title(p), URL: address}) })
}

func clearLeft(w http.ResponseWriter) {
	c := cookie(leftCookie, "")
	c.SameSite, c.MaxAge, c.Expires = http.SameSiteNoneMode, -1, time.Unix(1, 0)
	http.SetCookie(w, c)
}

// title is what people call a provider.
func title(p identityprovider.Provider) string {
	if p.DisplayName != "" {
		return p.DisplayName
	}
	return p.Name
}

// openDeparture reads the state of an answer. With errStateExpired comes the departure that it was.
func (s *SignIn) openDeparture(state string) (departure, error) {
	if state == "" || len(state) > maxState {
		return departure{}, errState
	}
	sealed, err := encoding.DecodeString(state)
	if err != nil {
		return departure{}, errState
	}
	plain, err := s.Sealer.Open(sealed, departureUse)
	if err != nil {
		return departure{}, errState
	}
	var d departure
	if err := json.Unmarshal(plain, &d); err != nil || len(d.Browser) != sha256.Size || len(d.Attempt.Browser) != sha256.Size {
		return departure{}, errState
	}
	return d, s.checkAge(d.Left)
}

// comeBack takes the answer of a provider. Nothing in it is believed before it is known that this server sent this
// very browser to this very provider.
func (s *SignIn) comeBack(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	for _, name := range []string{"state", "code", "error", "iss"} {
		if len(query[name]) > 1 {
			s.refuse(w, r, "", "", fmt.Errorf("the answer has %s more than once", name))
			return
		}
	}
	d, err := s.openDeparture(query.Get("state"))
	again := ""
	if d.Attempt.Host != "" && s.leads(d.Attempt) {
		again = s.origin(d.Attempt.Host, d.Attempt.Target)
	}
	if err != nil {
		if again != "" {
			s.bounce(w, r, d.Attempt, err)
			return
		}
		s.refuse(w, r, d.Attempt.Resource, "", err)
		return
	}
	clearLeft(w) // one use, whatever comes of it
	secret := sha256.Sum256([]byte(cookieValue(r, leftCookie)))
	if subtle.ConstantTimeCompare(secret[:], d.Browser) != 1 {
		cause := fmt.Errorf("the answer of the provider %q came to another browser than the one that left for it", d.Provider)
		if again == "" {
			s.refuse(w, r, d.Attempt.Resource, "", cause)
			return
		}
		s.bounce(w, r, d.Attempt, cause)
		return
	}
	if again == "" {
		s.refuse(w, r, d.Attempt.Resource, "", fmt.Errorf("the application is no longer served on %q", d.Attempt.Host))
		return
	}
	p, found := s.providers().Provider(d.Provider)
	switch {
	case !found || p.Disabled || p.Kind != identityprovider.OIDC || p.Issuer() != d.Issuer:
		s.refuse(w, r, d.Attempt.Resource, again, fmt.Errorf("the provider %q has been removed, switched off or replaced meanwhile", d.Provider))
		return
	case r.URL.EscapedPath() != strings.TrimPrefix(s.redirectURI(p), s.External.URL(s.AuthHost)):
		s.refuse(w, r, d.Attempt.Resource, again, fmt.Errorf("the answer to a departure for the provider %q came to another one's redirect URI", d.Provider))
		return
	}
	s.redeemAnswer(w, r, d, p, query)
}

// redeemAnswer goes on with an answer that came to the right browser at the right address.
func (s *SignIn) redeemAnswer(w http.ResponseWriter, r *http.Request, d departure, p identityprovider.Provider, query url.Values) {
	vouched, err := s.Redirecting.Return(r.Context(), p, Answer{
		Code: query.Get("code"), Error: query.Get("error"), Detail: query.Get("error_description"), Issuer: query.Get("iss"),
		RedirectURI: s.redirectURI(p), Nonce: d.Nonce, Verifier: d.Verifier,
	})
	if err != nil {
		if d.Quiet && query.Get("error") != "" {
			// Only the browser says so, and whoever is switched off there would have it say that the provider is down.
			err = fmt.Errorf("%w: %v", ErrQuestions, err)
		}
		s.failed(w, r, d, p, err)
		return
	}
	if d.Quiet && s.confirmQuietly(w, r, d.Attempt, p, vouched) {
		return
	}
	s.arrive(w, r, d.Attempt, p, vouched)
}

// failed answers a departure whose provider cannot be left for, or whose answer is no good.
func (s *SignIn) failed(w http.ResponseWriter, r *http.Request, d departure, p identityprovider.Provider, cause error) {
	switch {
	case r.Context().Err() != nil: // nobody is listening
	case d.Quiet:
		s.quietFailure(w, r, d.Attempt, p, cause)
	default:
		s.fail(w, r, d.Attempt, p, cause)
	}
}
