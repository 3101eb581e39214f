// Package assertiontest stands in for Identity-Aware Proxy in the tests of an application: it mints assertions
// as IAP does, and deliberately broken ones that an application must refuse.
//
//	iap := assertiontest.New(assertiontest.Audience)
//	server := newServer(iap.Verifier())           // the application, which would otherwise use IAP's keys
//
//	request := httptest.NewRequest("GET", "/", nil)
//	iap.SignIn(request, "alice@example.com")
//
// The keys are drawn anew by each [New] and known to nobody else. Give them to the application as a
// [github.com/gatehouse-iap/gatehouse/assertion.KeySet], which an [IAP] is; or, when it insists on fetching
// them, as the URLs of a [Server].
//
// A test that tries every [Fault] shows that nobody gets in with a forged assertion:
//
//	for _, fault := range assertiontest.Faults() {
//		request := httptest.NewRequest("GET", "/", nil)
//		request.Header.Set(assertion.Header, iap.Broken(fault))
//		// expect 401
//	}
//
// This package is for tests. Nothing in it belongs into a program that people use.
package assertiontest

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"math/big"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/gatehouse-iap/gatehouse/assertion"
)

// Audience is an audience for tests, that of the app in `gatehouse dev`.
const Audience = "/projects/123456789012/global/backendServices/1234567890123456789"

// IAP mints assertions for one audience. It may be used by many goroutines at once; Now is set before that.
type IAP struct {
	// Audience is the aud claim of what it mints.
	Audience string
	// Now tells the time; nil means time.Now.
	Now func() time.Time

	mu      sync.RWMutex
	keys    []key // published, the last one signs
	foreign key   // never published
}

type key struct {
	id      string
	private *ecdsa.PrivateKey
}

// New returns an IAP with a fresh key.
func New(audience string) *IAP {
	return &IAP{Audience: audience, keys: []key{newKey()}, foreign: newKey()}
}

func newKey() key {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err) // the system has no randomness
	}
	id := make([]byte, 4) // six characters, as IAP's
	if _, err := rand.Read(id); err != nil {
		panic(err)
	}
	return key{id: base64.RawURLEncoding.EncodeToString(id), private: private}
}

// Key implements [assertion.KeySet].
func (p *IAP) Key(_ context.Context, keyID string) (*ecdsa.PublicKey, error) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	for _, k := range p.keys {
		if k.id == keyID {
			return &k.private.PublicKey, nil
		}
	}
	return nil, assertion.ErrUnknownKey
}

// Verifier returns a Verifier that accepts what this IAP mints.
func (p *IAP) Verifier() *assertion.Verifier {
	v, err := assertion.NewVerifier(assertion.Config{Audiences: []string{p.Audience}, Keys: p, Now: p.Now})
	if err != nil {
		panic(err) // the audience given to New is none
	}
	return v
}

// KeyID returns the id of the key that signs.
func (p *IAP) KeyID() string { return p.signer().id }

func (p *IAP) signer() key {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.keys[len(p.keys)-1]
}

// Rotate signs with a new key from now on and returns its id. The old ones stay published.
func (p *IAP) Rotate() string {
	next := newKey()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.keys = append(p.keys, next)
	return next.id
}

// Withdraw stops publishing a key, as after a compromise. The last key cannot be withdrawn: Rotate first.
func (p *IAP) Withdraw(keyID string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, k := range p.keys {
		if k.id == keyID && len(p.keys) > 1 {
			p.keys = append(append([]key(nil), p.keys[:i]...), p.keys[i+1:]...)
			return nil
		}
	}
	return errors.New("assertiontest: there is no other key to sign with, or no key " + keyID)
}

// Mint returns a valid assertion for a Google account. The subject is the same each time for the same address.
func (p *IAP) Mint(email string, options ...Option) string {
	d := p.draft()
	d.claims["sub"] = Subject(email)
	d.claims["email"] = email
	d.claims["identity_source"] = assertion.SourceGoogle
	return d.apply(options).sign(p.signer())
}

// MintPublic returns the assertion that IAP sends about nobody, for resources open to allUsers.
func (p *IAP) MintPublic(options ...Option) string {
	return p.draft().apply(options).sign(p.signer())
}

// SignIn puts a valid assertion into a request, in place of any other.
func (p *IAP) SignIn(r *http.Request, email string, options ...Option) {
	r.Header.Set(assertion.Header, p.Mint(email, options...))
}

// Subject returns the sub claim that Mint gives an address: accounts.google.com: and 21 digits.
func Subject(email string) string {
	digest := sha256.Sum256([]byte(email))
	n := new(big.Int).SetBytes(digest[:]).String()
	return "accounts.google.com:1" + (strings.Repeat("0", 20) + n)[len(n):]
}

func (p *IAP) now() time.Time {
	if p.Now != nil {
		return p.Now()
	}
	return time.Now()
}

// draft returns what all assertions have. iat lies a little in the past, for verifiers without any tolerance.
func (p *IAP) draft() *draft {
	d := &draft{header: map[string]any{"typ": "JWT"}, claims: map[string]any{
		"iss": assertion.Issuer, "aud": p.Audience, "azp": p.Audience,
	}}
	d.issue(p.now().Add(-assertion.Skew), assertion.MaxLifetime)
	return d
}
