// Package bearer owns programmatic access: it tells which bearer tokens are meant for the gate, and verifies
// them. It mints nothing (issuer), knows no account (directory) and judges nobody (policy).
package bearer

import (
	"crypto/rsa"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/gatehouse-iap/gatehouse/internal/directory"
	"github.com/gatehouse-iap/gatehouse/internal/issuer"
	"github.com/gatehouse-iap/gatehouse/internal/principal"
)

const (
	// maxToken bounds a token before anything in it is read. Ours take about 1 KiB.
	maxToken = 8 << 10
	// skew is how far the clock of who minted a token may be from ours.
	skew = 30 * time.Second
)

// Verifier verifies ID tokens that this gate itself has minted.
type Verifier struct {
	// Issuer is the `iss` of our ID tokens: the auth host's URL.
	Issuer string
	Keys   func() *issuer.KeySet
	Now    func() time.Time
	// Capacity bounds how many verified tokens are kept; zero means DefaultCapacity.
	Capacity int

	once  sync.Once
	cache *cache
}

// DefaultCapacity keeps about 4 MB at most.
const DefaultCapacity = 8 << 10

// Verified is what a token proves.
type Verified struct {
	// Identity is as the token has it. Tokens do not say of what kind an account is or whether it is suspended:
	// Kind follows Google's form of service-account addresses, and whoever decides must look the account up and
	// take the kind from there.
	Identity principal.Identity
	Expires  time.Time
	IssuedAt time.Time
}

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
)

// Recognises reports whether a token is meant for the gate: a JWT that names us as its issuer, however badly it
// does so otherwise. Such a token must verify; any other is the application's business.
func (v *Verifier) Recognises(token string) bool {
	if len(token) > maxToken {
		return false // nothing that we mint is so long
	}
	v.once.Do(v.init)
	if v.cache.generation(v.Keys()).holds(digestOf(token)) {
		return true // verified before, so there is no need to parse it again
	}
	_, rest, found := strings.Cut(token, ".")
	if !found {
		return false
	}
	payload, _, found := strings.Cut(rest, ".")
	if !found {
		return false
	}
	return namesIssuer(payload, v.Issuer, issuer.AssertionIssuer)
}

// Verify checks a token for one audience, the OAuth client id of the service that was asked for. Its error is
// a *Refusal.
func (v *Verifier) Verify(token, audience string) (Verified, error) {
	if len(token) > maxToken {
		return Verified{}, refuse(TextUnparsable, "it is longer than 8 KiB")
	}
	v.once.Do(v.init)
	keys := v.Keys() // before the clock is read: see issuer.Asserter
	now := v.Now()
	digest := digestOf(token)
	generation := v.cache.generation(keys)
	if verified, found := generation.get(digest, audience, now); found {
		return verified, nil
	}
	verified, kid, err := v.verify(token, audience, keys, now)
	if err != nil {
		return Verified{}, err
	}
	generation.put(digest, entry{verified: verified, audience: audience, kid: kid}, now)
	return verified, nil
}

func (v *Verifier) init() {
	capacity := v.Capacity
	if capacity <= 0 {
		capacity = DefaultCapacity
	}
	v.cache = &cache{capacity: capacity}
}

// verify reads the header, finds the key, checks the signature and only then looks at the claims.
func (v *Verifier) verify(token, audience string, keys *issuer.KeySet, now time.Time) (Verified, string, error) {
	kid, err := parseHeader(token)
	if err != nil {
		return Verified{}, "", err
	}
	public, found := keys.Verifiable(issuer.IDToken, kid, now)
	if !found {
		return Verified{}, "", refuse(TextSignature, "its key is not one of ours, or no longer")
	}
	key, ok := public.(*rsa.PublicKey)
	if !ok {
		return Verified{}, "", refuse(TextSignature, "its key is no RSA key")
	}
	signed, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.RS256})
	if err != nil {
		return Verified{}, "", &Refusal{Text: TextUnparsable, Cause: err}
	}
	payload, err := signed.Verify(key)
	if err != nil {
		return Verified{}, "", refuse(TextSignature, "the signature does not verify")
	}
	claims, err := parseClaims(payload)
	if err != nil {
		return Verified{}, "", err
	}
	verified, err := v.check(claims, audience, now)
	return verified, kid, err
}

// check judges claims whose signature holds.
func (v *Verifier) check(c claims, audience string, now time.Time) (Verified, error) {
	issued, expires := time.Unix(c.issuedAt, 0), time.Unix(c.expires, 0)
	switch {
	case c.issuer != v.Issuer:
		return Verified{}, refuse(TextSignature, "it names another issuer")
	case audience == "" || c.audience != audience:
		return Verified{}, refuse(TextAudience, "its audience is another one")
	case now.After(expires.Add(skew)):
		return Verified{}, refuse(TextExpired, "it has expired")
	case issued.After(now.Add(skew)):
		return Verified{}, refuse(TextUnparsable, "it was issued in the future")
	case !issued.Before(expires) || expires.Sub(issued) > issuer.IDTokenLifetime:
		return Verified{}, refuse(TextUnparsable, "it is valid for longer than we mint tokens, or for no time at all")
	case c.subject == "":
		return Verified{}, refuse(TextUnparsable, "it has no subject")
	case !c.emailVerified:
		return Verified{}, refuse(TextEmail, "its address is not verified")
	}
	email, err := principal.ParseAddress(c.email)
	if err != nil || email != c.email {
		return Verified{}, refuse(TextEmail, "its address is not in canonical form")
	}
	return Verified{
		Identity: principal.Identity{
			Kind: kindOf(email), Provider: directory.LocalProvider,
			Subject: c.subject, Email: email, HostedDomain: c.hostedDomain,
		},
		Expires: expires, IssuedAt: issued,
	}, nil
}

func kindOf(email string) principal.Kind {
	if strings.HasSuffix(email, ".gserviceaccount.com") {
		return principal.ServiceAccount
	}
	return principal.User
}

func refuse(text, cause string) *Refusal { return &Refusal{Text: text, Cause: errors.New(cause)} }
