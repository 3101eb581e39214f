package assertion_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/sha256"
	"encoding/base64"
	"math/big"
	"strings"
	"testing"

	"github.com/gatehouse-iap/gatehouse/assertion"
	"github.com/gatehouse-iap/gatehouse/assertion/assertiontest"
)

// FuzzVerify looks for a token that passes although the key did not sign it as it stands.
func FuzzVerify(f *testing.F) {
	signer := newRawSigner(f)
	verifier := signer.verifier(f)
	iap := newIAP()
	f.Add(signer.sign(goodHeader, payload(alice)))
	f.Add(iap.Mint("alice@example.com"))
	for _, fault := range assertiontest.Faults() {
		if fault != assertiontest.TooLarge {
			f.Add(iap.Broken(fault))
		}
	}
	f.Add("..")
	f.Fuzz(func(t *testing.T, token string) {
		claims, err := verifier.Verify(context.Background(), token)
		if (err == nil) != (claims != nil) {
			t.Fatalf("claims %v and error %v", claims, err)
		}
		if err != nil {
			return
		}
		end := strings.LastIndexByte(token, '.')
		digest := sha256.Sum256([]byte(token[:end]))
		raw, err := base64.RawURLEncoding.DecodeString(token[end+1:])
		if err != nil || len(raw) != 64 || !ecdsa.Verify(&signer.private.PublicKey, digest[:], new(big.Int).SetBytes(raw[:32]), new(big.Int).SetBytes(raw[32:])) {
			t.Errorf("passes unsigned: %q", token)
		}
	})
}

// FuzzClaims signs whatever the fuzzer writes: what passes must be for us, in time, and about one person or nobody.
func FuzzClaims(f *testing.F) {
	signer := newRawSigner(f)
	verifier := signer.verifier(f)
	f.Add(goodHeader, payload(alice))
	f.Add(goodHeader, payload(alice+`,"gcip":`+gcipObject))
	f.Add(goodHeader, payload(`,"google":{"access_levels":["a"]}`))
	f.Add(`{"alg":"none","kid":"rawkey"}`, `{"iss":1}`)
	f.Fuzz(func(t *testing.T, header, claims string) {
		c, err := verifier.Verify(context.Background(), signer.sign(header, claims))
		if err != nil {
			return
		}
		lifetime := c.Expires.Sub(c.IssuedAt)
		switch {
		case c.Issuer != assertion.Issuer, c.Audience != assertiontest.Audience, c.KeyID != rawKeyID:
			t.Errorf("passes for others: %+v", c)
		case lifetime <= 0, lifetime > assertion.MaxLifetime+2*assertion.Skew, c.IssuedAt.After(noon.Add(assertion.Skew)), noon.After(c.Expires.Add(assertion.Skew)):
			t.Errorf("passes out of time: %+v", c)
		case c.Subject == "" && c.Email != "":
			t.Errorf("an address of nobody: %+v", c)
		}
	})
}
