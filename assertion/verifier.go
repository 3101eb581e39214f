package assertion

import (
	"context"
	"crypto/ecdsa"
	"errors"
	"fmt"
	"slices"
	"time"
)

const (
	// Header carries the assertion from IAP to the application.
	Header = "X-Goog-IAP-JWT-Assertion"
	// Issuer is the iss claim of every assertion.
	Issuer = "https://cloud.google.com/iap"
	// Skew is how far the clocks of IAP and of the application may differ.
	Skew = 30 * time.Second
	// MaxLifetime is how long an assertion is valid at most, before Skew is added at both ends.
	MaxLifetime = 10 * time.Minute
)

// Config says what a [Verifier] accepts.
type Config struct {
	// Audiences are the applications whose assertions are accepted; at least one is required, usually there is
	// exactly one. See [BackendServiceAudience], [AppEngineAudience], [CloudRunAudience], [DiscoverAudience].
	Audiences []string
	// Keys are those of the proxy; nil means Google's, at [GoogleKeysURL].
	Keys KeySet
	// Now tells the time; nil means time.Now.
	Now func() time.Time
	// CacheSize is how many verified assertions are remembered; 0 means 4096, less than 0 none.
	CacheSize int

	// InsecureSkipAudienceCheck accepts assertions made for any application whatever: everybody whom the same
	// proxy lets into any other application can then enter this one. It cannot be combined with Audiences.
	InsecureSkipAudienceCheck bool
}

// Verifier verifies assertions. It may be used by many goroutines at once.
type Verifier struct {
	audiences []string // nil: any
	keys      KeySet
	now       func() time.Time
	cache     *cache // nil: none
}

// NewVerifier returns a Verifier, or an error that says what is wrong with the configuration. It fetches nothing.
func NewVerifier(config Config) (*Verifier, error) {
	v := &Verifier{audiences: slices.Clone(config.Audiences), keys: config.Keys, now: config.Now}
	switch {
	case config.InsecureSkipAudienceCheck && len(v.audiences) > 0:
		return nil, errors.New("assertion: Audiences and InsecureSkipAudienceCheck exclude each other")
	case !config.InsecureSkipAudienceCheck && len(v.audiences) == 0:
		return nil, errors.New("assertion: Config.Audiences is empty: name the audience of this application, or use DiscoverAudience")
	}
	for _, audience := range v.audiences {
		if err := checkAudience(audience); err != nil {
			return nil, err
		}
	}
	if v.keys == nil {
		keys, err := NewRemoteKeySet(RemoteConfig{Now: config.Now})
		if err != nil {
			return nil, err
		}
		v.keys = keys
	}
	if v.now == nil {
		v.now = time.Now
	}
	switch {
	case config.CacheSize == 0:
		v.cache = newCache(defaultCacheSize)
	case config.CacheSize > 0:
		v.cache = newCache(config.CacheSize)
	}
	return v, nil
}

// Verify returns what the assertion says, after everything about it was found good. Any error is an [*Error]
// and means: treat the request as coming from nobody. The context bounds the wait for keys, if they have to be
// fetched.
//
// An assertion of nobody ([Claims.Public]) is no error here; the middleware refuses it unless told otherwise.
func (v *Verifier) Verify(ctx context.Context, token string) (*Claims, error) {
	if token == "" {
		return nil, refuse(ErrMissing, "")
	}
	if claims := v.remembered(ctx, token); claims != nil {
		return claims, nil
	}
	s, err := split(token)
	if err != nil {
		return nil, err
	}
	key, err := v.key(ctx, s.keyID)
	if err != nil {
		return nil, err
	}
	if !s.verify(key) {
		return nil, refuse(ErrSignature, "kid "+quote(s.keyID))
	}
	claims, err := parseClaims(s.payload)
	if err != nil {
		return nil, &Error{Reason: ErrMalformed, Detail: "claims", Err: err}
	}
	claims.KeyID = s.keyID
	if err := v.check(claims); err != nil {
		return nil, err
	}
	if v.cache == nil {
		return claims, nil
	}
	v.cache.put(token, &verified{claims: claims, key: key})
	return claims.clone(), nil
}

// remembered returns the claims of an assertion that was verified before, if it is still in time and its key is
// still the one that is published under its kid. Otherwise the long way finds out, and says, what is wrong.
func (v *Verifier) remembered(ctx context.Context, token string) *Claims {
	if v.cache == nil {
		return nil
	}
	hit := v.cache.get(token)
	if hit == nil {
		return nil
	}
	if checkTimes(hit.claims, v.now()) == nil {
		key, err := v.key(ctx, hit.claims.KeyID)
		if err == nil && (key == hit.key || key.Equal(hit.key)) {
			return hit.claims.clone()
		}
	}
	v.cache.remove(token)
	return nil
}

// key asks the key set, and lets nothing through that is neither a key nor a reason.
func (v *Verifier) key(ctx context.Context, keyID string) (*ecdsa.PublicKey, error) {
	key, err := v.keys.Key(ctx, keyID)
	switch {
	case err == nil && key != nil:
		return key, nil
	case err == nil, errors.Is(err, ErrUnknownKey):
		return nil, refuse(ErrUnknownKey, "kid "+quote(keyID))
	}
	return nil, &Error{Reason: ErrKeysUnavailable, Err: err}
}

// check judges claims whose signature is good.
func (v *Verifier) check(c *Claims) error {
	if c.Issuer != Issuer {
		return refuse(ErrIssuer, "iss is "+quote(c.Issuer))
	}
	if v.audiences != nil && !slices.Contains(v.audiences, c.Audience) {
		return refuse(ErrAudience, fmt.Sprintf("aud is %s, expected %q", quote(c.Audience), v.audiences))
	}
	return checkTimes(c, v.now())
}

// checkTimes is asked again each time when a remembered assertion is used.
func checkTimes(c *Claims, now time.Time) error {
	switch lifetime := c.Expires.Sub(c.IssuedAt); {
	case c.IssuedAt.After(now.Add(Skew)):
		return refuse(ErrIssuedInFuture, "iat is "+c.IssuedAt.Format(time.RFC3339)+", here it is "+now.UTC().Format(time.RFC3339))
	case c.notBefore.After(now.Add(Skew)):
		return refuse(ErrIssuedInFuture, "nbf is "+c.notBefore.Format(time.RFC3339)+", here it is "+now.UTC().Format(time.RFC3339))
	case now.After(c.Expires.Add(Skew)):
		return refuse(ErrExpired, "exp is "+c.Expires.Format(time.RFC3339)+", here it is "+now.UTC().Format(time.RFC3339))
	case lifetime <= 0 || lifetime > MaxLifetime+2*Skew:
		return refuse(ErrLifetime, "from iat to exp it is "+lifetime.String())
	}
	return nil
}
