package issuer

import (
	"crypto/ecdsa"
	"errors"
	"regexp"
	"testing"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/sealing"
)

func TestNewKeyHasTheShapeOfGooglesKeys(t *testing.T) {
	t.Parallel()
	store := newStore(t)
	if id := store.keys[0].ID; !regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_-]{5}$`).MatchString(id) {
		t.Errorf("assertion key id %q is not six base64url characters, or starts like a flag", id)
	}
	if id := store.keys[1].ID; !regexp.MustCompile(`^[0-9a-f]{40}$`).MatchString(id) {
		t.Errorf("ID-token key id %q is not 40 hexadecimal digits", id)
	}
	if _, err := NewKey("other", testSealer(), start, start); err == nil {
		t.Error("a purpose nobody knows got a key")
	}
}

func TestCompileRefusesAKeyThatIsNotWhatItSays(t *testing.T) {
	t.Parallel()
	foreign, err := sealing.NewRing([]byte("fedcba9876543210fedcba9876543210"))
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]func(keys []Key) []Key{
		"sealed under another root key": func(keys []Key) []Key {
			key, err := NewKey(Assertion, foreign.Sealer(SealingPurpose), start, start)
			if err != nil {
				t.Fatal(err)
			}
			return append(keys, key)
		},
		"moved to another id":            func(keys []Key) []Key { keys[0].ID = "moved1"; return keys },
		"moved to another purpose":       func(keys []Key) []Key { keys[0].Purpose = IDToken; return keys },
		"a purpose nobody knows":         func(keys []Key) []Key { keys[0].Purpose = "other"; return keys },
		"the public half of another key": func(keys []Key) []Key { keys[0].Public = keys[1].Public; return keys },
		"an id that is used twice":       func(keys []Key) []Key { return append(keys, keys[0]) },
		"no time from which it signs":    func(keys []Key) []Key { keys[0].SignFrom = time.Time{}; return keys },
		"no id":                          func(keys []Key) []Key { keys[0].ID = ""; return keys },
		"sealed bytes that were cut off": func(keys []Key) []Key { keys[0].Sealed = keys[0].Sealed[:20]; return keys },
		"an RSA key that signs assertions": func(keys []Key) []Key {
			plain, err := testSealer().Open(keys[1].Sealed, associated(IDToken, keys[1].ID))
			if err != nil {
				t.Fatal(err)
			}
			keys[1].Purpose, keys[1].Sealed = Assertion, testSealer().Seal(plain, associated(Assertion, keys[1].ID))
			return keys
		},
	}
	for name, spoil := range tests {
		if _, err := Compile(spoil(newStore(t).keys), testSealer(), nil); err == nil {
			t.Errorf("%s: compiled", name)
		}
	}
}

func TestCompileTakesOverWhatDidNotChange(t *testing.T) {
	t.Parallel()
	store := newStore(t)
	first := store.compile(t, nil)
	if again := store.compile(t, first); again != first {
		t.Error("nothing changed, yet the set is another one")
	}
	rotation, err := Rotate(t.Context(), store, testSealer(), Assertion, start, false)
	if err != nil {
		t.Fatal(err)
	}
	second := store.compile(t, first)
	old := rotation.Replaced[0]
	if second == first {
		t.Fatal("a rotation did not change the set")
	}
	if first.byID[old].signer.private != second.byID[old].signer.private {
		t.Error("a key whose times alone changed was parsed again")
	}
	if first.byID[old].signer.until.Equal(second.byID[old].signer.until) {
		t.Error("the new end of a key was not taken over")
	}
}

func TestAnEmptySetSignsAndPublishesNothing(t *testing.T) {
	t.Parallel()
	empty, err := Compile(nil, testSealer(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, set := range []*KeySet{nil, empty} {
		if _, err := set.Signer(Assertion, start); !errors.Is(err, ErrNoSigner) {
			t.Errorf("Signer: %v", err)
		}
		if _, found := set.Verifiable(Assertion, "", start); found {
			t.Error("an empty id verifies")
		}
		if keys := set.Published(Assertion, start); len(keys) != 0 {
			t.Errorf("Published = %v", keys)
		}
	}
}

func TestKeyLifeFollowsFromItsTimes(t *testing.T) {
	t.Parallel()
	store := newStore(t)
	first := store.keys[0].ID
	rotation, err := Rotate(t.Context(), store, testSealer(), Assertion, start, false)
	if err != nil {
		t.Fatal(err)
	}
	second := rotation.Key.ID
	set := store.compile(t, nil)
	tests := []struct {
		name      string
		at        time.Time
		signs     string
		published []string
	}{
		{"at once the new key is published and the old one signs", start, first, []string{second, first}},
		{"to the last moment before its time the new key waits", start.Add(Overlap - 1), first, []string{second, first}},
		{"at its time the new key takes over", start.Add(Overlap), second, []string{second, first}},
		{"to the last moment of the overlap the old key is published", start.Add(2*Overlap - 1), second, []string{second, first}},
		{"after it the old key is gone", start.Add(2 * Overlap), second, []string{second}},
		{"and stays gone", start.Add(1000 * Overlap), second, []string{second}},
	}
	for _, test := range tests {
		if got := mustSigner(t, set, Assertion, test.at); got != test.signs {
			t.Errorf("%s: %s signs", test.name, got)
		}
		var ids []string
		for _, key := range set.Published(Assertion, test.at) {
			ids = append(ids, key.ID)
			if verifiable, found := set.Verifiable(Assertion, key.ID, test.at); !found || !key.Key.(*ecdsa.PublicKey).Equal(verifiable) {
				t.Errorf("%s: %s is published but does not verify", test.name, key.ID)
			}
		}
		if len(ids) != len(test.published) || ids[0] != test.published[0] || ids[len(ids)-1] != test.published[len(ids)-1] {
			t.Errorf("%s: published %v, want %v", test.name, ids, test.published)
		}
		if _, found := set.Verifiable(Assertion, first, test.at); found != (len(test.published) == 2) {
			t.Errorf("%s: the first key verifies: %v", test.name, found)
		}
	}
	if _, found := set.Verifiable(IDToken, first, start); found {
		t.Error("an assertion key verifies ID tokens")
	}
	if _, err := set.Signer(Assertion, start.Add(-time.Second)); !errors.Is(err, ErrNoSigner) {
		t.Errorf("a key signs before its time: %v", err)
	}
}
