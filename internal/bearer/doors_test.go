package bearer

import (
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/gatehouse-iap/gatehouse/internal/issuer"
)

// Every token that the issuer mints, tried at every place that verifies one.
func TestATokenOpensOnlyItsOwnDoor(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	tokens := map[string]string{"assertion": f.assertion(t), "ID token": f.mint(t, "alice@example.com")}
	verifyWith := func(p issuer.Purpose, algorithms ...jose.SignatureAlgorithm) func(token string) bool {
		return func(token string) bool {
			signed, err := jose.ParseSignedCompact(token, algorithms)
			if err != nil {
				return false
			}
			for _, key := range f.set.Published(p, start) {
				if _, err := signed.Verify(key.Key); err == nil {
					return true
				}
			}
			return false
		}
	}
	doors := map[string]struct {
		opens  func(token string) bool
		opened string
	}{
		"bearer": {func(token string) bool {
			_, err := f.verifier(at(start)).Verify(t.Context(), token, forApp)
			return err == nil
		}, "ID token"},
		"keys at /iap/verify/public_key-jwk":              {verifyWith(issuer.Assertion, jose.ES256), "assertion"},
		"the same by a verifier that takes any algorithm": {verifyWith(issuer.Assertion, jose.ES256, jose.RS256), "assertion"},
		"keys at /oauth2/v3/certs":                        {verifyWith(issuer.IDToken, jose.RS256), "ID token"},
		"those by a verifier that takes any algorithm":    {verifyWith(issuer.IDToken, jose.ES256, jose.RS256), "ID token"},
	}
	for door, d := range doors {
		for name, token := range tokens {
			if got := d.opens(token); got != (name == d.opened) {
				t.Errorf("%s at %s: accepted = %v", name, door, got)
			}
		}
	}
}

// Whatever arrives: nothing panics, and only what we minted is accepted.
func FuzzVerify(f *testing.F) {
	fixture := newFixture(f)
	minted := fixture.mint(f, "alice@example.com")
	for _, seed := range []string{minted, fixture.assertion(f), minted[:len(minted)-1], "", "..", "a.b.c", "e30.e30.", "x." + encode(`{"iss":{}}`) + ".x"} {
		f.Add(seed)
	}
	verifier := fixture.verifier(at(start))
	f.Fuzz(func(t *testing.T, token string) {
		recognised := verifier.Recognises(token)
		if _, err := verifier.Verify(t.Context(), token, forApp); err == nil && (token != minted || !recognised) {
			t.Errorf("accepted %q (recognised: %v)", token, recognised)
		}
	})
}

func BenchmarkVerifyHit(b *testing.B) {
	f := newFixture(b)
	verifier, token := f.verifier(at(start)), f.mint(b, "alice@example.com")
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := verifier.Verify(b.Context(), token, forApp); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkVerifyMiss(b *testing.B) {
	f := newFixture(b)
	token := f.mint(b, "alice@example.com")
	now := start
	verifier := f.verifier(func() time.Time { return now })
	b.ReportAllocs()
	for b.Loop() {
		verifier.cache.sets = make([]set, 1)
		if _, err := verifier.Verify(b.Context(), token, forApp); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRecognisesForeign(b *testing.B) {
	f := newFixture(b)
	token := "x." + encode(payload(b, map[string]string{"iss": `"https://accounts.google.com"`})) + ".x"
	verifier := f.verifier(at(start))
	b.ReportAllocs()
	for b.Loop() {
		if verifier.Recognises(token) {
			b.Fatal("recognised")
		}
	}
}
