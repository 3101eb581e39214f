package issuer

import (
	"crypto/ecdsa"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

var alice = Claims{
	Audience: "/projects/123/global/backendServices/456",
	Subject:  "110000000000000000001", Email: "alice@example.com", HostedDomain: "example.com",
}

// clock is a time that a test moves.
type clock struct{ nanoseconds atomic.Int64 }

func newClock(t time.Time) *clock {
	c := &clock{}
	c.set(t)
	return c
}

func (c *clock) set(t time.Time) { c.nanoseconds.Store(t.UnixNano()) }
func (c *clock) now() time.Time  { return time.Unix(0, c.nanoseconds.Load()).UTC() }

func newAsserter(set *KeySet, now func() time.Time) *Asserter {
	return &Asserter{Keys: func() *KeySet { return set }, Now: now}
}

func mustAssert(t testing.TB, a *Asserter, c Claims) *Prepared {
	t.Helper()
	prepared, err := a.Assert(c)
	if err != nil {
		t.Fatalf("Assert(%+v): %v", c, err)
	}
	return prepared
}

func verifyES256(t testing.TB, set *KeySet, token, kid string, now time.Time) {
	t.Helper()
	public, found := set.Verifiable(Assertion, kid, now)
	if !found {
		t.Fatalf("key %s does not verify", kid)
	}
	_, _, signature := split(t, token)
	if len(signature) != 64 {
		t.Fatalf("signature of %d bytes", len(signature))
	}
	digest := sha256.Sum256([]byte(token[:strings.LastIndexByte(token, '.')]))
	r, s := new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])
	if !ecdsa.Verify(public.(*ecdsa.PublicKey), digest[:], r, s) {
		t.Fatal("the signature does not verify")
	}
}

func TestAssertionIsByteCompatibleWithGoogles(t *testing.T) {
	t.Parallel()
	set := newStore(t).compile(t, nil)
	kid := mustSigner(t, set, Assertion, start)
	iat := start.Unix() - 30
	tests := []struct {
		name    string
		claims  Claims
		payload string
	}{
		{
			"a person of an organisation", alice,
			`{"aud":"/projects/123/global/backendServices/456","azp":"/projects/123/global/backendServices/456","email":"alice@example.com",` +
				`"exp":%d,"hd":"example.com","iat":%d,"identity_source":"GOOGLE","iss":"https://cloud.google.com/iap","sub":"accounts.google.com:110000000000000000001"}`,
		}, {
			"a person whom no organisation manages", Claims{Audience: "/projects/1/apps/app-id", Subject: "1", Email: "bob@gmail.com"},
			`{"aud":"/projects/1/apps/app-id","azp":"/projects/1/apps/app-id","email":"bob@gmail.com",` +
				`"exp":%d,"iat":%d,"identity_source":"GOOGLE","iss":"https://cloud.google.com/iap","sub":"accounts.google.com:1"}`,
		}, {
			"nobody, let in by allUsers, even where a name is given",
			Claims{Audience: "/projects/1/locations/us-east4/services/app", Public: true, Subject: "1", Email: "x@y.z", HostedDomain: "y.z"},
			`{"aud":"/projects/1/locations/us-east4/services/app","azp":"/projects/1/locations/us-east4/services/app",` +
				`"exp":%d,"iat":%d,"identity_source":"GOOGLE","iss":"https://cloud.google.com/iap"}`,
		}, {
			"characters that JSON escapes stay one string",
			Claims{Audience: `/a"b\c`, Subject: `1","sub":"2`, Email: `o'neil&<é>"@example.com`},
			`{"aud":"/a\"b\\c","azp":"/a\"b\\c","email":"o'neil\u0026\u003cé\u003e\"@example.com",` +
				`"exp":%d,"iat":%d,"identity_source":"GOOGLE","iss":"https://cloud.google.com/iap","sub":"accounts.google.com:1\",\"sub\":\"2"}`,
		},
	}
	for _, test := range tests {
		prepared := mustAssert(t, newAsserter(set, func() time.Time { return start }), test.claims)
		header, payload, _ := split(t, prepared.Assertion[0])
		if want := `{"alg":"ES256","typ":"JWT","kid":"` + kid + `"}`; header != want {
			t.Errorf("%s: header %s, want %s", test.name, header, want)
		}
		if want := fmt.Sprintf(test.payload, iat+600, iat); payload != want {
			t.Errorf("%s: payload\n%s, want\n%s", test.name, payload, want)
		}
		if !json.Valid([]byte(payload)) {
			t.Errorf("%s: not JSON", test.name)
		}
		verifyES256(t, set, prepared.Assertion[0], kid, start)
		if prepared.KeyID != kid {
			t.Errorf("%s: KeyID %s", test.name, prepared.KeyID)
		}
		if test.claims.Public {
			if prepared.Email != nil || prepared.UserID != nil {
				t.Errorf("%s: plain headers name somebody", test.name)
			}
		} else if prepared.Email[0] != "accounts.google.com:"+test.claims.Email || prepared.UserID[0] != "accounts.google.com:"+test.claims.Subject {
			t.Errorf("%s: plain headers %q, %q", test.name, prepared.Email, prepared.UserID)
		}
	}
}

func TestClaimsThatMustNotBeSigned(t *testing.T) {
	t.Parallel()
	set := newStore(t).compile(t, nil)
	tests := map[string]func(c *Claims){
		"no audience":                      func(c *Claims) { c.Audience = "" },
		"no subject":                       func(c *Claims) { c.Subject = "" },
		"no address":                       func(c *Claims) { c.Email = "" },
		"a line break in the address":      func(c *Claims) { c.Email = "alice@example.com\r\nX-Goog-Iap-Attr-Role: admin" },
		"a space in the subject":           func(c *Claims) { c.Subject = "1 2" },
		"a NUL in the subject":             func(c *Claims) { c.Subject = "1\x002" },
		"an address that is not UTF-8":     func(c *Claims) { c.Email = "al\xffice@example.com" },
		"an audience that is not UTF-8":    func(c *Claims) { c.Audience = "/projects/\xff" },
		"an organisation that isn't UTF-8": func(c *Claims) { c.HostedDomain = "\xff" },
	}
	asserter := newAsserter(set, func() time.Time { return start })
	for name, spoil := range tests {
		claims := alice
		spoil(&claims)
		for range 2 { // a refusal is not kept as something else
			if prepared, err := asserter.Assert(claims); !errors.Is(err, ErrClaims) || prepared != nil {
				t.Errorf("%s: %v, %v", name, prepared, err)
			}
		}
	}
}

func TestAssertionIsHandedOutAgainForAMinuteAtMost(t *testing.T) {
	t.Parallel()
	set := newStore(t).compile(t, nil)
	noon := start.Add(24 * time.Hour)
	now := newClock(noon)
	asserter := newAsserter(set, now.now)
	first := mustAssert(t, asserter, alice)
	tests := []struct {
		name string
		at   time.Time
		same bool
	}{
		{"at once", noon, true},
		{"by a request that took its time a little earlier", noon.Add(-time.Millisecond), true},
		{"after 59.999999999 s", noon.Add(time.Minute - 1), true},
		{"after a minute", noon.Add(time.Minute), false},
	}
	for _, test := range tests {
		now.set(test.at)
		if got := mustAssert(t, asserter, alice); (got == first) != test.same {
			t.Errorf("%s: same = %v", test.name, got == first)
		}
	}
	if signed, reused := asserter.Counts(); signed != 2 || reused != 3 {
		t.Errorf("%d signed, %d handed out again", signed, reused)
	}
	now.set(start.Add(-1))
	if _, err := asserter.Assert(alice); !errors.Is(err, ErrNoSigner) {
		t.Errorf("a clock set back before the key's time: %v", err)
	}
	now.set(noon.Add(time.Hour))
	later := mustAssert(t, asserter, alice)
	now.set(noon.Add(30 * time.Minute))
	if mustAssert(t, asserter, alice) == later {
		t.Error("after the clock was set back, an assertion with an iat in the future is handed out")
	}
}

func TestAssertionIsKeyedByEveryClaim(t *testing.T) {
	t.Parallel()
	set := newStore(t).compile(t, nil)
	asserter := newAsserter(set, func() time.Time { return start })
	changes := map[string]func(c *Claims){
		"audience":     func(c *Claims) { c.Audience += "7" },
		"subject":      func(c *Claims) { c.Subject = "110000000000000000002" },
		"address":      func(c *Claims) { c.Email = "alice@example.net" },
		"organisation": func(c *Claims) { c.HostedDomain = "" },
		"public":       func(c *Claims) { c.Public = true },
		"a border between two claims": func(c *Claims) {
			c.Subject, c.Email = c.Subject+"a", strings.TrimPrefix(c.Email, "a")
		},
	}
	first := mustAssert(t, asserter, alice)
	for name, change := range changes {
		claims := alice
		change(&claims)
		got := mustAssert(t, asserter, claims)
		if got == first {
			t.Errorf("another %s gets the same assertion", name)
		}
		if again := mustAssert(t, asserter, claims); again != got {
			t.Errorf("%s: not kept", name)
		}
	}
}

func TestAssertionNeverOutlivesItsKey(t *testing.T) {
	t.Parallel()
	store := newStore(t)
	now := newClock(start)
	var keys atomic.Pointer[KeySet]
	keys.Store(store.compile(t, nil))
	asserter := &Asserter{Keys: keys.Load, Now: now.now}

	first := mustAssert(t, asserter, alice)
	if _, err := Revoke(t.Context(), store, testSealer(), first.KeyID, start); err != nil {
		t.Fatal(err)
	}
	keys.Store(store.compile(t, keys.Load()))
	second := mustAssert(t, asserter, alice)
	if second.KeyID == first.KeyID {
		t.Fatal("the assertion of a withdrawn key is handed out")
	}

	rotation, err := Rotate(t.Context(), store, testSealer(), Assertion, start, false)
	if err != nil {
		t.Fatal(err)
	}
	keys.Store(store.compile(t, keys.Load()))
	end := rotation.Key.SignFrom
	now.set(end.Add(-time.Second))
	if last := mustAssert(t, asserter, alice); last.KeyID != second.KeyID {
		t.Fatalf("%s signs before its time", last.KeyID)
	}
	now.set(end)
	if got := mustAssert(t, asserter, alice); got.KeyID != rotation.Key.ID {
		t.Errorf("after its last moment %s is still handed out", got.KeyID)
	}
	entry := signing{from: end.Add(-time.Second), until: signingJob{signer: &Signer{until: end}, now: end.Add(-time.Second)}.until()}
	if entry.fresh(end) || !entry.fresh(end.Add(-1)) {
		t.Error("an entry outlives the end of its key")
	}
}

func TestConcurrentMissesShareOneSigning(t *testing.T) {
	t.Parallel()
	set := newStore(t).compile(t, nil)
	asserter := newAsserter(set, func() time.Time { return start })
	const requests = 32
	var results [requests]*Prepared
	var wait sync.WaitGroup
	for i := range requests {
		wait.Go(func() { results[i], _ = asserter.Assert(alice) })
	}
	wait.Wait()
	for i, result := range results {
		if result == nil || result != results[0] {
			t.Fatalf("request %d got an assertion of its own", i)
		}
	}
}

func TestASigningThatFailsOrPanicsIsForgotten(t *testing.T) {
	t.Parallel()
	cache := newAssertionCache(128)
	digest := alice.digest("k")
	if _, err := cache.get(digest, signingJob{claims: alice, now: start, signer: &Signer{}}); err == nil {
		t.Fatal("signed without a key")
	}
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the test's key did not panic")
			}
		}()
		cache.get(digest, signingJob{claims: alice, now: start, signer: &Signer{private: (*ecdsa.PrivateKey)(nil)}})
	}()
	if shard := &cache.shards[digest[0]%assertionShards]; len(shard.young)+len(shard.old) != 0 {
		t.Error("a failed signing stays in the cache")
	}
}

func TestAssertionCacheIsBounded(t *testing.T) {
	t.Parallel()
	cache := newAssertionCache(2 * assertionShards) // one entry a generation
	shard := &cache.shards[0]
	job := signingJob{now: start, signer: &Signer{}}
	var digest [sha256.Size]byte
	for i := range 1000 {
		digest[1], digest[2] = byte(i), byte(i>>8)
		shard.claim(digest, job)
		if kept := len(shard.young) + len(shard.old); kept > 2 {
			t.Fatalf("%d entries kept", kept)
		}
	}
	if _, mine := shard.claim(digest, job); mine {
		t.Error("the newest entry was not kept")
	}
}

func BenchmarkAssertHit(b *testing.B) {
	asserter := newAsserter(newStore(b).compile(b, nil), func() time.Time { return start })
	mustAssert(b, asserter, alice)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := asserter.Assert(alice); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkAssertMiss(b *testing.B) {
	now := newClock(start)
	asserter := newAsserter(newStore(b).compile(b, nil), now.now)
	b.ReportAllocs()
	for b.Loop() {
		now.set(now.now().Add(time.Minute))
		mustAssert(b, asserter, alice)
	}
}
