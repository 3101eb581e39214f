package issuer

import (
	"context"
	"crypto/ecdsa"
	"errors"
	"testing"
	"time"

	"github.com/gatehouse-iap/gatehouse/assertion"
	"github.com/gatehouse-iap/gatehouse/internal/resource"
	"github.com/gatehouse-iap/gatehouse/internal/specialurl"
)

// verifierAt is an application for alice's audience at a moment.
func verifierAt(t testing.TB, set *KeySet, now time.Time) *assertion.Verifier {
	t.Helper()
	keys := assertion.StaticKeySet{}
	for _, key := range set.Published(Assertion, start) {
		keys[key.ID] = key.Key.(*ecdsa.PublicKey)
	}
	v, err := assertion.NewVerifier(assertion.Config{Audiences: []string{alice.Audience}, Keys: keys, Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// what each test is refused for, by an application that looks at everything.
var caught = map[specialurl.Test]error{
	specialurl.FutureIssue:    assertion.ErrIssuedInFuture,
	specialurl.PastExpiration: assertion.ErrExpired,
	specialurl.Issuer:         assertion.ErrIssuer,
	specialurl.Audience:       assertion.ErrAudience,
	specialurl.Signature:      assertion.ErrSignature,
}

func TestAFlawedAssertionHasItsOneFlaw(t *testing.T) {
	t.Parallel()
	set := newStore(t).compile(t, nil)
	asserter := newAsserter(set, func() time.Time { return start })
	good := claimsOf(t, mustAssert(t, asserter, alice).Assertion[0])
	for _, test := range specialurl.Tests() {
		prepared, err := asserter.AssertFlawed(alice, test)
		if err != nil {
			t.Fatalf("%s: %v", test, err)
		}
		token := prepared.Assertion[0]
		if _, err := verifierAt(t, set, start).Verify(context.Background(), token); !errors.Is(err, caught[test]) || test == specialurl.NotSet && err != nil {
			t.Errorf("%s: an application answers %v, want %v", test, err, caught[test])
		}
		if prepared.Email[0] != "accounts.google.com:alice@example.com" || prepared.UserID[0] != "accounts.google.com:"+alice.Subject {
			t.Errorf("%s: plain headers %q, %q", test, prepared.Email, prepared.UserID)
		}
		changed := map[string]bool{}
		claims := claimsOf(t, token)
		for name, value := range good {
			if claims[name] != value {
				changed[name] = true
			}
		}
		allowed := map[specialurl.Test][]string{
			specialurl.FutureIssue: {"iat", "exp"}, specialurl.PastExpiration: {"iat", "exp"}, specialurl.Issuer: {"iss", "exp"},
			specialurl.Audience: {"aud", "azp", "exp"}, specialurl.Signature: {"exp"},
		}[test]
		for _, name := range allowed {
			delete(changed, name)
		}
		if len(changed) > 0 || len(claims) != len(good) {
			t.Errorf("%s also differs in %v: %v", test, changed, claims)
		}
		if kid := mustSigner(t, set, Assertion, start); test == specialurl.Signature && prepared.KeyID != "" || test != specialurl.Signature && prepared.KeyID != kid {
			t.Errorf("%s: signed by %q", test, prepared.KeyID)
		}
	}
	if _, err := asserter.AssertFlawed(alice, "NONE"); !errors.Is(err, ErrClaims) {
		t.Errorf("a test that does not exist: %v", err)
	}
}

// A flawed assertion must be good for nothing at any time: the one from the future too, once its time has come.
func TestAFlawedAssertionIsNeverGood(t *testing.T) {
	t.Parallel()
	set := newStore(t).compile(t, nil)
	asserter := newAsserter(set, func() time.Time { return start })
	for test := range caught {
		prepared, err := asserter.AssertFlawed(alice, test)
		if err != nil {
			t.Fatal(err)
		}
		token := prepared.Assertion[0]
		for now := start.Add(-3 * time.Hour); now.Before(start.Add(3 * time.Hour)); now = now.Add(20 * time.Second) {
			_, err := verifierAt(t, set, now).Verify(context.Background(), token)
			inThePast := test == specialurl.PastExpiration && now.Before(start.Add(-flawedDistance+assertion.Skew+time.Second)) // it was made now
			if err == nil && !inThePast {
				t.Fatalf("%s is accepted %v from now", test, now.Sub(start))
			}
		}
		if exp := int64(claimsOf(t, token)["exp"].(float64)); exp > start.Add(flawedLifetime).Unix() {
			t.Errorf("%s outlives its test: a program that overlooks the flaw accepts it until %v", test, time.Unix(exp, 0))
		}
	}
}

func TestAFlawedAssertionIsNotHandedOutToAnybodyElse(t *testing.T) {
	t.Parallel()
	set := newStore(t).compile(t, nil)
	asserter := newAsserter(set, func() time.Time { return start })
	for test := range caught {
		flawed, err := asserter.AssertFlawed(alice, test)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := asserter.AssertFlawed(alice, test); err != nil || again.Assertion[0] == flawed.Assertion[0] {
			t.Errorf("%s is handed out twice (%v)", test, err)
		}
		if next := mustAssert(t, asserter, alice); next.Assertion[0] == flawed.Assertion[0] {
			t.Errorf("%s is handed out for an ordinary request", test)
		} else if _, err := verifierAt(t, set, start).Verify(context.Background(), next.Assertion[0]); err != nil {
			t.Errorf("after %s an ordinary request gets an assertion that is refused: %v", test, err)
		}
	}
}

func TestNoResourceCanHaveTheAudienceOfTheTest(t *testing.T) {
	t.Parallel()
	if service, err := resource.ParseAudience(TestAudience, "some-project"); err == nil {
		t.Errorf("%s is the audience of %+v", TestAudience, service)
	}
	impossible := resource.Service{Kind: resource.BackendService, ProjectID: "some-project", ID: "0"}
	if impossible.Audience() != TestAudience {
		t.Fatalf("%s does not have the form of an audience", TestAudience)
	}
	if impossible.Validate() == nil {
		t.Errorf("%+v is valid", impossible)
	}
}

func TestAFlawedAssertionOfNobodyNamesNobody(t *testing.T) {
	t.Parallel()
	set := newStore(t).compile(t, nil)
	asserter := newAsserter(set, func() time.Time { return start })
	claims := alice
	claims.Public = true
	for test := range caught {
		prepared, err := asserter.AssertFlawed(claims, test)
		if err != nil {
			t.Fatal(err)
		}
		said := claimsOf(t, prepared.Assertion[0])
		if prepared.Email != nil || prepared.UserID != nil || said["sub"] != nil || said["email"] != nil {
			t.Errorf("%s: %v, %v, %v", test, prepared.Email, prepared.UserID, said)
		}
	}
}
