package issuer

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/sealing"
)

// start is a moment that every test counts from.
var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

var testSealer = sync.OnceValue(func() *sealing.Sealer {
	ring, err := sealing.NewRing([]byte("0123456789abcdef0123456789abcdef"))
	if err != nil {
		panic(err)
	}
	return ring.Sealer(SealingPurpose)
})

// idTokenKey is made once: finding an RSA key takes long. It signs from start on.
var idTokenKey = sync.OnceValues(func() (Key, error) { return NewKey(IDToken, testSealer(), start, start) })

// memoryStore keeps keys as a real store does: by id, oldest first.
type memoryStore struct{ keys []Key }

func (s *memoryStore) Keys(context.Context) ([]Key, error) { return slices.Clone(s.keys), nil }

func (s *memoryStore) PutKey(_ context.Context, key Key) error {
	if i := slices.IndexFunc(s.keys, func(k Key) bool { return k.ID == key.ID }); i >= 0 {
		s.keys[i] = key
		return nil
	}
	s.keys = append(s.keys, key)
	return nil
}

func (s *memoryStore) compile(t testing.TB, previous *KeySet) *KeySet {
	t.Helper()
	set, err := Compile(s.keys, testSealer(), previous)
	if err != nil {
		t.Fatalf("Compile: %v", err)
	}
	return set
}

func (s *memoryStore) find(t testing.TB, id string) Key {
	t.Helper()
	for _, key := range s.keys {
		if key.ID == id {
			return key
		}
	}
	t.Fatalf("no key %s", id)
	return Key{}
}

// newStore returns a store with one assertion key and the ID-token key, both active from start.
func newStore(t testing.TB) *memoryStore {
	t.Helper()
	store := &memoryStore{}
	if created, err := Ensure(t.Context(), store, testSealer(), Assertion, start); err != nil || !created {
		t.Fatalf("Ensure = %v, %v", created, err)
	}
	key, err := idTokenKey()
	if err != nil {
		t.Fatal(err)
	}
	store.keys = append(store.keys, key)
	return store
}

func mustSigner(t testing.TB, set *KeySet, p Purpose, now time.Time) string {
	t.Helper()
	signer, err := set.Signer(p, now)
	if err != nil {
		t.Fatalf("Signer at %v: %v", now, err)
	}
	return signer.KeyID()
}

// split decodes a compact JWT without verifying it.
func split(t testing.TB, token string) (header, payload string, signature []byte) {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("%q has %d parts", token, len(parts))
	}
	var decoded [3][]byte
	for i, part := range parts {
		var err error
		if decoded[i], err = base64.RawURLEncoding.Strict().DecodeString(part); err != nil {
			t.Fatalf("part %d: %v", i, err)
		}
	}
	return string(decoded[0]), string(decoded[1]), decoded[2]
}

func claimsOf(t testing.TB, token string) map[string]any {
	t.Helper()
	_, payload, _ := split(t, token)
	var claims map[string]any
	if err := json.Unmarshal([]byte(payload), &claims); err != nil {
		t.Fatalf("payload %s: %v", payload, err)
	}
	return claims
}
