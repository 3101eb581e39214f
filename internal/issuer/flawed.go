package issuer

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"fmt"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/specialurl"
)

// TestAudience is an audience that no resource can have: project numbers and ids of backend services start at 1.
const TestAudience = "/projects/0/global/backendServices/0"

// TestIssuer is nobody's: the name ends in a domain that can never be (RFC 2606).
const TestIssuer = "https://issuer.invalid/iap"

const (
	// flawedLifetime is how long an assertion lives which a careless program accepts, counted from now. It has to
	// reach the application and no more.
	flawedLifetime = time.Minute
	// flawedDistance is how far wrong times are off. Google's library for Node forgives five minutes.
	flawedDistance = time.Hour
)

// AssertFlawed returns the identity headers for a request that tests whether the application verifies assertions:
// wrong in exactly one way, or not at all (specialurl.NotSet). A flawed assertion is signed for this one request and
// never handed out again.
//
// Each is made so that it is of no use to anybody beyond the test. A program that overlooks its one flaw may take it
// for good, and then it names the person who asked, to the application that they may use, for no longer than a
// minute. In particular the one from the future has ended before its time has come; it can never ripen into a
// good one.
func (a *Asserter) AssertFlawed(c Claims, test specialurl.Test) (*Prepared, error) {
	if test == specialurl.NotSet {
		return a.Assert(c)
	}
	keys := a.Keys()
	now := a.Now()
	signer, err := keys.Signer(Assertion, now)
	if err != nil {
		return nil, err
	}
	c = c.settled()
	claims, e := c, ordinary(now)
	e.expires = now.Add(flawedLifetime)
	kid := signer.id
	switch test {
	case specialurl.FutureIssue:
		e.issued = now.Add(flawedDistance)
	case specialurl.PastExpiration:
		e.expires = now.Add(-flawedDistance)
		e.issued = e.expires.Add(-assertionLifetime)
	case specialurl.Issuer:
		e.issuer = TestIssuer
	case specialurl.Audience:
		claims.Audience = TestAudience
	case specialurl.Signature:
		if signer, err = signer.impostor(); err != nil {
			return nil, err
		}
		kid = "" // the key that it names did not sign it
	default:
		return nil, fmt.Errorf("%w: there is no test %q", ErrClaims, test)
	}
	payload, err := claims.payload(e)
	if err != nil {
		return nil, err
	}
	token, err := signer.Sign(payload)
	if err != nil {
		return nil, err
	}
	return c.prepared(token, kid), nil
}

// impostor returns a signer that claims to be this one and has a key of its own, which nobody publishes and which is
// forgotten after use.
func (s *Signer) impostor() (*Signer, error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("throwaway key: %w", err)
	}
	return &Signer{id: s.id, header: s.header, private: private}, nil
}
