// Package bearer owns programmatic access: it tells which bearer tokens are meant for the gate, and verifies
// them. It mints nothing (issuer, oauthserver), suspends nobody (snapshot) and judges nobody (policy).
package bearer

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/catalog"
	"github.com/gatehouse-iap/gatehouse/internal/directory"
	"github.com/gatehouse-iap/gatehouse/internal/identityprovider"
	"github.com/gatehouse-iap/gatehouse/internal/issuer"
	"github.com/gatehouse-iap/gatehouse/internal/principal"
)

const (
	// maxToken bounds a token before anything in it is read. Ours take about 1 KiB, those of a provider that names
	// two hundred groups some 10.
	maxToken = 16 << 10
	// skew is how far the clock of who minted a token may be from ours.
	skew = 30 * time.Second
	// maxSelfSigned is for how long a service account may make a token valid, as at Google.
	maxSelfSigned = time.Hour
	// maxForeign is for how long a provider may: some let ID tokens live for a day.
	maxForeign = 24 * time.Hour
)

// AccessTokenPrefix begins our opaque access tokens. They are for the gate's own endpoints; an application is not
// opened by one, at IAP neither.
const AccessTokenPrefix = "gatehouse_at_"

// View is what tokens are held against. Its parts are immutable.
type View struct {
	Keys      *issuer.KeySet
	Directory *directory.View
	Providers *identityprovider.View
}

// ProviderKeys knows by which keys identity providers sign. Neither method waits for anything.
type ProviderKeys interface {
	// Current returns a provider's keys as they were last fetched; nil when there are none.
	Current(provider string) *identityprovider.PublishedKeys
	// Renew asks that they be fetched anew: a token names one that is not among them.
	Renew(provider string)
}

// People knows the numbers by which people of identity providers are known here.
type People interface {
	// Number returns the number of a person, which is link.Number for one whom nobody has vouched for before.
	Number(ctx context.Context, link identityprovider.Link) (string, error)
}

// Verifier verifies bearer tokens. Fill in the fields before first use; do not copy.
type Verifier struct {
	// Issuer is the `iss` of our ID tokens: the auth host's URL.
	Issuer string
	// Scheme and Port are those of our URLs, as audiences of self-signed tokens name them.
	Scheme string
	Port   int
	// ServiceAccounts is the domain of the project's service accounts, such as "p.iam.gserviceaccount.com".
	ServiceAccounts string
	View            func() View
	// ProviderKeys and People are for tokens of identity providers; without them none is accepted.
	ProviderKeys ProviderKeys
	People       People
	Now          func() time.Time
	// Capacity bounds how many verified tokens are kept; zero means DefaultCapacity.
	Capacity int

	cache   cache
	issuers issuers
}

// Request is what a token has to be good for: one request to one service.
type Request struct {
	// ClientID is the service's OAuth client id, and Clients are further audiences that it takes.
	ClientID string
	Clients  []string
	Host     string // canonical
	Target   catalog.Target
}

// Verified is what a token proves.
type Verified struct {
	// Identity is as the token has it. Tokens do not say whether an account is suspended: whoever decides must ask.
	Identity principal.Identity
	// Groups are canonical addresses of groups that the claims of the identity's provider name.
	Groups []string
	// Attributes are what the identity's provider says besides; those of accounts here stand in the directory.
	Attributes []principal.Attribute
	Expires    time.Time
	IssuedAt   time.Time
}

var (
	// ErrForeign reports a token that is not meant for the gate.
	ErrForeign = errors.New("this token is not for the gate")
	// ErrStore reports that it could not be found out whom a token speaks for.
	ErrStore = errors.New("the person behind a token could not be looked up")
)

// Refusal says why a token was not accepted.
type Refusal struct {
	Text  string // the sentence that IAP answers with; public
	Cause error  // for the log; never holds any part of a token's signature
}

// Error returns both, for the log.
func (r *Refusal) Error() string {
	if r.Cause == nil {
		return r.Text
	}
	return r.Text + " (" + r.Cause.Error() + ")"
}

// Unwrap returns the cause.
func (r *Refusal) Unwrap() error { return r.Cause }

// What IAP says, word for word: clients parse it. Nothing more is told to the client.
const (
	TextUnparsable = "Invalid IAP credentials: Unable to parse JWT"
	TextSignature  = "Invalid IAP credentials: JWT signature is invalid"
	TextAudience   = "Invalid IAP credentials: Invalid bearer token. Invalid JWT audience."
	TextEmail      = "Invalid IAP credentials: JWT 'email' claim isn't a string"
	TextExpired    = "OpenID Connect token expired: JWT has expired"
	// TextAccessToken is for an access token in the place of an ID token. IAP repeats the token; we do not.
	TextAccessToken = "Invalid IAP credentials: Base64 decode failed on token: " + AccessTokenPrefix + "..."
)

func refuse(text, cause string) *Refusal { return &Refusal{Text: text, Cause: errors.New(cause)} }

// Recognises reports whether a token is meant for the gate: an access token of ours, or a JWT that names an issuer
// whom we accept, however badly it does so otherwise. Such a token must verify; any other is the application's business.
func (v *Verifier) Recognises(token string) bool {
	if len(token) > maxToken {
		return false
	}
	if strings.HasPrefix(token, AccessTokenPrefix) {
		return true
	}
	return v.names(token, v.View())
}

// names reports whether a JWT names one of our issuers.
func (v *Verifier) names(token string, view View) bool {
	_, rest, found := strings.Cut(token, ".")
	if !found {
		return false
	}
	payload, _, found := strings.Cut(rest, ".")
	return found && v.issuers.named(payload, v, view)
}

// Verify checks a token for one request. Its error is ErrForeign, a *Refusal, or wraps ErrStore.
func (v *Verifier) Verify(ctx context.Context, token string, r Request) (Verified, error) {
	switch {
	case len(token) > maxToken:
		return Verified{}, ErrForeign
	case strings.HasPrefix(token, AccessTokenPrefix):
		return Verified{}, refuse(TextAccessToken, "an access token was sent, and applications take ID tokens")
	}
	view := v.View() // before the clock is read: see issuer.Asserter
	now := v.Now()
	digest := digestOf(token)
	v.cache.ready(v.Capacity)
	kept := v.cache.get(digest)
	if kept == nil || !kept.stands(v, view, now) {
		if !v.names(token, view) {
			return Verified{}, ErrForeign
		}
		proved, err := v.prove(ctx, token, view, now)
		if err != nil {
			return Verified{}, err
		}
		proved.digest, proved.until = digest, earlier(now.Add(reuse), proved.Expires)
		v.cache.put(proved, now)
		kept = proved
	}
	if err := kept.permits(r); err != nil {
		return Verified{}, err
	}
	return kept.Verified, nil
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// prove finds out who signed a token and what it says, whatever it is for. Only what is signed is believed: the
// issuer that it names decides by whose keys it is checked.
func (v *Verifier) prove(ctx context.Context, token string, view View, now time.Time) (*proof, error) {
	t, err := parseToken(token, false)
	if err != nil {
		return nil, err
	}
	named, ok := text(t.claims["iss"])
	if !ok {
		return nil, refuse(TextUnparsable, "iss is not a string")
	}
	if named == v.Issuer {
		return v.proveOurs(t, view, now)
	}
	if p, found := v.issuers.provider(named, view); found {
		return v.proveForeign(ctx, t, p, view, now)
	}
	if strings.Contains(named, "@") {
		return v.proveSelfSigned(t, named, view, now)
	}
	return nil, refuse(TextSignature, "it is of an issuer that signs no bearer tokens")
}

// proof is a token whose signature holds and which speaks for somebody, at whatever it is good for.
type proof struct {
	Verified
	digest digest
	until  time.Time // from when on it is proved anew

	audience string // of an ID token
	place    place  // of a self-signed token

	kid string
	// What it was proved by: one of the three.
	ours      bool
	account   *directory.VerificationKey
	provider  string
	published *identityprovider.PublishedKeys
	providers *identityprovider.View
}

// stands reports whether what a token was proved by still counts, so that withdrawing a key ends its tokens at once.
func (p *proof) stands(v *Verifier, view View, now time.Time) bool {
	if !now.Before(p.until) || p.IssuedAt.After(now.Add(skew)) {
		return false
	}
	switch {
	case p.ours:
		_, verifiable := view.Keys.Verifiable(issuer.IDToken, p.kid, now)
		return verifiable
	case p.account != nil:
		key, found := view.Directory.Key(p.kid)
		return found && key == p.account && key.Usable(now)
	default:
		return view.Providers == p.providers && v.ProviderKeys.Current(p.provider) == p.published
	}
}

// permits reports whether a token is good for a request.
func (p *proof) permits(r Request) error {
	if p.account != nil {
		if !p.place.holds(r.Host, r.Target) {
			return refuse(TextAudience, "its audience is another address")
		}
		return nil
	}
	if p.audience == "" || p.audience != r.ClientID {
		for _, client := range r.Clients {
			if p.audience != "" && client == p.audience {
				return nil
			}
		}
		return refuse(TextAudience, "its audience is another one")
	}
	return nil
}

// checkTimes judges the times of a token; lifetime is the longest that it may have.
func checkTimes(issued, expires, now time.Time, lifetime time.Duration) error {
	switch {
	case now.After(expires.Add(skew)):
		return refuse(TextExpired, "it has expired")
	case issued.After(now.Add(skew)):
		return refuse(TextUnparsable, "it was issued in the future")
	case !issued.Before(expires) || expires.Sub(issued) > lifetime:
		return refuse(TextUnparsable, fmt.Sprintf("it is valid for longer than %s, or for no time at all", lifetime))
	}
	return nil
}
