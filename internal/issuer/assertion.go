package issuer

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"sync"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/principal"
)

// AssertionIssuer is the `iss` claim of every assertion.
const AssertionIssuer = "https://cloud.google.com/iap"

const (
	assertionBackdate = 30 * time.Second // of iat: some verifiers allow a clock no skew at all
	assertionLifetime = 10 * time.Minute // from iat
	assertionReuse    = time.Minute      // for how long after signing it is handed out again
)

// Claims are what an assertion says, apart from its times.
type Claims struct {
	Audience string // one of the three forms of package resource
	// Subject and Email stand without namespace. Both must be set unless Public is.
	Subject, Email string
	HostedDomain   string // empty for accounts that no organisation manages
	// Additional are attributes of the person, which become additional_claims.
	Additional []principal.Attribute
	// Public is a request that allUsers let in: the assertion names nobody, whatever the fields above say.
	Public bool
}

// Prepared holds ready header values. They are shared between requests: nobody may write to them.
type Prepared struct {
	Assertion []string // X-Goog-IAP-JWT-Assertion
	Email     []string // X-Goog-Authenticated-User-Email; nil when public
	UserID    []string // X-Goog-Authenticated-User-Id; nil when public
	KeyID     string   // the key that signed
}

// Asserter mints assertions, and hands each out again for up to a minute to requests with the same claims.
type Asserter struct {
	Keys func() *KeySet
	Now  func() time.Time
	// Capacity bounds how many assertions are kept; zero means DefaultAsserterCapacity.
	Capacity int

	once  sync.Once
	cache *assertionCache
}

// DefaultAsserterCapacity keeps about 20 MB at most.
const DefaultAsserterCapacity = 16 << 10

// Assert returns the identity headers for a request. Its error is a refusal: ErrNoSigner or ErrClaims.
func (a *Asserter) Assert(c Claims) (*Prepared, error) {
	a.once.Do(a.init)
	keys := a.Keys() // before the clock is read: a key that signs since it was written must not seem to lie ahead
	now := a.Now()
	signer, err := keys.Signer(Assertion, now)
	if err != nil {
		return nil, err
	}
	c = c.settled()
	// The key id is part of the digest, so what a withdrawn or replaced key signed is never found again.
	return a.cache.get(c.digest(signer.id), signingJob{claims: c, signer: signer, now: now})
}

// Counts says how many assertions were signed, and how often one was handed out again.
func (a *Asserter) Counts() (signed, reused uint64) {
	a.once.Do(a.init)
	for i := range a.cache.shards {
		shard := &a.cache.shards[i]
		shard.mu.Lock()
		signed, reused = signed+shard.signed, reused+shard.reused
		shard.mu.Unlock()
	}
	return signed, reused
}

// settled returns the claims without whatever names somebody, where they are to name nobody.
func (c Claims) settled() Claims {
	if c.Public {
		return Claims{Audience: c.Audience, Public: true}
	}
	return c
}

func (a *Asserter) init() {
	capacity := a.Capacity
	if capacity <= 0 {
		capacity = DefaultAsserterCapacity
	}
	a.cache = newAssertionCache(capacity)
}

// digest names everything that an assertion says but its times. Lengths stand before values, so that no two
// sets of claims are spelled alike.
func (c Claims) digest(kid string) [sha256.Size]byte {
	var space [512]byte
	b := space[:0]
	for _, value := range [...]string{kid, c.Audience, c.Subject, c.Email, c.HostedDomain} {
		b = appendSized(b, value)
	}
	for _, attribute := range c.Additional {
		b = appendSized(b, attribute.Name)
		b = binary.BigEndian.AppendUint32(b, uint32(len(attribute.Values)))
		for _, value := range attribute.Values {
			b = appendSized(b, value)
		}
	}
	if c.Public {
		b = append(b, 1)
	}
	return sha256.Sum256(b)
}

func appendSized(b []byte, value string) []byte {
	return append(binary.BigEndian.AppendUint32(b, uint32(len(value))), value...)
}

// appendAdditional writes the object of name to list of values.
func appendAdditional(payload []byte, attributes []principal.Attribute) ([]byte, error) {
	payload = append(appendName(payload, "additional_claims"), '{')
	for i, attribute := range attributes {
		if err := checkText(append([]string{attribute.Name}, attribute.Values...)...); err != nil {
			return nil, err
		}
		if i > 0 {
			payload = append(payload, ',')
		}
		payload = append(appendQuoted(payload, attribute.Name), ':', '[')
		for k, value := range attribute.Values {
			if k > 0 {
				payload = append(payload, ',')
			}
			payload = appendQuoted(payload, value)
		}
		payload = append(payload, ']')
	}
	return append(payload, '}'), nil
}

// signingJob is what one assertion is made of.
type signingJob struct {
	claims Claims
	signer *Signer
	now    time.Time
}

// until is when the assertion is not handed out any more.
func (j signingJob) until() time.Time {
	until := j.now.Add(assertionReuse)
	if end := j.signer.until; !end.IsZero() && end.Before(until) {
		return end
	}
	return until
}

func (j signingJob) run() (*Prepared, error) {
	payload, err := j.claims.payload(ordinary(j.now))
	if err != nil {
		return nil, err
	}
	token, err := j.signer.Sign(payload)
	if err != nil {
		return nil, err
	}
	return j.claims.prepared(token, j.signer.id), nil
}

// prepared puts the plain headers beside an assertion.
func (c Claims) prepared(token, kid string) *Prepared {
	prepared := &Prepared{Assertion: []string{token}, KeyID: kid}
	if !c.Public {
		prepared.Email = []string{principal.Namespace + c.Email}
		prepared.UserID = []string{principal.Namespace + c.Subject}
	}
	return prepared
}

// envelope is what stands in an assertion besides its claims.
type envelope struct {
	issuer          string
	issued, expires time.Time
}

// ordinary is the envelope of an assertion that is as it should be.
func ordinary(now time.Time) envelope {
	issued := now.Add(-assertionBackdate)
	return envelope{issuer: AssertionIssuer, issued: issued, expires: issued.Add(assertionLifetime)}
}

// payload is the claim set as Google writes it: names in alphabetical order, azp equal to aud, the subject with
// its namespace and the address without.
func (c Claims) payload(e envelope) ([]byte, error) {
	if c.Audience == "" {
		return nil, fmt.Errorf("%w: the audience must be set", ErrClaims)
	}
	if err := checkText(c.Audience, c.HostedDomain); err != nil {
		return nil, err
	}
	if !c.Public {
		if err := checkIdentity(c.Subject, c.Email); err != nil {
			return nil, err
		}
	}
	payload := append(make([]byte, 0, 512), '{')
	if len(c.Additional) > 0 {
		var err error
		if payload, err = appendAdditional(payload, c.Additional); err != nil {
			return nil, err
		}
	}
	payload = appendMember(payload, "aud", c.Audience)
	payload = appendMember(payload, "azp", c.Audience)
	if !c.Public {
		payload = appendMember(payload, "email", c.Email)
	}
	payload = appendNumber(payload, "exp", e.expires.Unix())
	if c.HostedDomain != "" {
		payload = appendMember(payload, "hd", c.HostedDomain)
	}
	payload = appendNumber(payload, "iat", e.issued.Unix())
	payload = appendMember(payload, "identity_source", "GOOGLE")
	payload = appendMember(payload, "iss", e.issuer)
	if !c.Public {
		payload = appendMember(payload, "sub", principal.Namespace+c.Subject)
	}
	return append(payload, '}'), nil
}
