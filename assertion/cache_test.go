package assertion_test

import (
	"context"
	"crypto/ecdsa"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-iap/gatehouse/assertion"
	"github.com/gatehouse-iap/gatehouse/assertion/assertiontest"
)

// clock is a clock that a test moves.
type clock struct{ nanos atomic.Int64 }

func newClock(t time.Time) *clock {
	c := &clock{}
	c.nanos.Store(t.UnixNano())
	return c
}

func (c *clock) Now() time.Time          { return time.Unix(0, c.nanos.Load()).UTC() }
func (c *clock) Advance(d time.Duration) { c.nanos.Add(int64(d)) }

func TestARememberedAssertionStillExpires(t *testing.T) {
	t.Parallel()
	clock := newClock(noon)
	iap := assertiontest.New(assertiontest.Audience)
	iap.Now = clock.Now
	verifier := iap.Verifier()
	token := iap.Mint("alice@example.com", assertiontest.IssuedAt(noon))
	for _, step := range []struct {
		later time.Duration
		want  error
	}{
		{0, nil}, {0, nil}, {10 * time.Minute, nil}, {30 * time.Second, nil}, {time.Second, assertion.ErrExpired}, {0, assertion.ErrExpired},
		{-11 * time.Minute, nil}, {0, nil}, {-time.Minute, assertion.ErrIssuedInFuture}, // a clock that was set back
	} {
		clock.Advance(step.later)
		if _, err := verifier.Verify(context.Background(), token); !errors.Is(err, step.want) {
			t.Errorf("at %v: got %v, want %v", clock.Now(), err, step.want)
		}
	}
}

func TestARememberedAssertionEndsWithItsKey(t *testing.T) {
	t.Parallel()
	iap := newIAP()
	verifier := iap.Verifier()
	token, leaked := iap.Mint("alice@example.com"), iap.KeyID()
	for range 2 {
		if _, err := verifier.Verify(context.Background(), token); err != nil {
			t.Fatal(err)
		}
	}
	iap.Rotate()
	if _, err := verifier.Verify(context.Background(), token); err != nil {
		t.Errorf("the old key is still published: %v", err)
	}
	if err := iap.Withdraw(leaked); err != nil {
		t.Fatal(err)
	}
	if _, err := verifier.Verify(context.Background(), token); !errors.Is(err, assertion.ErrUnknownKey) {
		t.Errorf("the key is withdrawn: got %v", err)
	}
}

// swapKeys answers with another key under the same id once swapped.
type swapKeys struct {
	first, second *ecdsa.PublicKey
	swapped       atomic.Bool
}

func (s *swapKeys) Key(context.Context, string) (*ecdsa.PublicKey, error) {
	if s.swapped.Load() {
		return s.second, nil
	}
	return s.first, nil
}

func TestARememberedAssertionEndsWhenItsKeyIDNamesAnotherKey(t *testing.T) {
	t.Parallel()
	signer, other := newRawSigner(t), newRawSigner(t)
	same := signer.private.PublicKey // an equal key at another address is the same key
	keys := &swapKeys{first: &signer.private.PublicKey, second: &same}
	verifier, err := assertion.NewVerifier(assertion.Config{Audiences: []string{assertiontest.Audience}, Keys: keys, Now: at(noon)})
	if err != nil {
		t.Fatal(err)
	}
	token := signer.sign(goodHeader, payload(alice))
	for _, swapped := range []bool{false, true} {
		keys.swapped.Store(swapped)
		if _, err := verifier.Verify(context.Background(), token); err != nil {
			t.Fatal(err)
		}
	}
	keys.second = &other.private.PublicKey
	if _, err := verifier.Verify(context.Background(), token); !errors.Is(err, assertion.ErrSignature) {
		t.Errorf("got %v", err)
	}
}

func TestWhatACallerDoesToClaimsReachesNobodyElse(t *testing.T) {
	t.Parallel()
	signer := newRawSigner(t)
	verifier := signer.verifier(t)
	token := signer.sign(goodHeader, payload(alice+`,"google":{"access_levels":["a"]},"additional_claims":{"team":["x"]}`+
		`,"workforce_identity":{"iam_principal":"p"},"gcip":{"firebase":{"identities":{"email":["e"]},"sign_in_attributes":{"g":1}}}`))
	for turn := range 3 {
		c, err := verifier.Verify(context.Background(), token)
		if err != nil {
			t.Fatal(err)
		}
		got := fmt.Sprint(c.Email, c.AccessLevels, c.AdditionalClaims, c.Workforce.Principal, c.GCIP.Identities, string(c.GCIP.SignInAttributes["g"]))
		if want := "alice@example.com[a] map[team:[x]]pmap[email:[e]]1"; got != want {
			t.Errorf("turn %d: got %s", turn, got)
		}
		c.Email, c.AccessLevels[0], c.AdditionalClaims["team"][0], c.Workforce.Principal = "admin", "admin", "admin", "admin"
		c.GCIP.Identities["email"][0], c.GCIP.SignInAttributes["g"][0] = "admin", '9'
	}
}

func TestTheCacheIsBoundedAndRight(t *testing.T) {
	t.Parallel()
	iap := newIAP()
	verifier, err := assertion.NewVerifier(assertion.Config{Audiences: []string{iap.Audience}, Keys: iap, Now: iap.Now, CacheSize: 8})
	if err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	for worker := range 4 {
		group.Add(1)
		go func() {
			defer group.Done()
			for i := range 50 {
				email := fmt.Sprintf("user%d@example.com", (worker*i)%20)
				c, err := verifier.Verify(context.Background(), iap.Mint(email))
				if err != nil || c.Email != email {
					t.Errorf("got %+v, %v", c, err)
				}
			}
		}()
	}
	group.Wait()
}
