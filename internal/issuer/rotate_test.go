package issuer

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestEnsureMakesAKeyOnlyWhereNoneSigns(t *testing.T) {
	t.Parallel()
	store := newStore(t)
	created, err := Ensure(t.Context(), store, testSealer(), Assertion, start.Add(time.Hour))
	if err != nil || created || len(store.keys) != 2 {
		t.Fatalf("second Ensure = %v, %v; %d keys", created, err, len(store.keys))
	}
	mustSigner(t, store.compile(t, nil), Assertion, start)
}

func TestEnsureLetsAWaitingKeySignWhenTheClockWasAhead(t *testing.T) {
	t.Parallel()
	store := newStore(t)
	earlier := start.AddDate(-4, 0, 0)
	created, err := Ensure(t.Context(), store, testSealer(), Assertion, earlier)
	if err != nil || created {
		t.Fatalf("Ensure = %v, %v", created, err)
	}
	mustSigner(t, store.compile(t, nil), Assertion, earlier)
}

func TestRotateSaysWhenAWaitingKeySigns(t *testing.T) {
	t.Parallel()
	store := newStore(t)
	rotation, err := Rotate(t.Context(), store, testSealer(), Assertion, start, false)
	if err != nil {
		t.Fatal(err)
	}
	if !rotation.Key.SignFrom.Equal(start.Add(Overlap)) || !rotation.FailUntil.IsZero() || len(rotation.Warnings) != 0 {
		t.Errorf("a planned rotation fails nobody: %+v", rotation)
	}
	_, err = Rotate(t.Context(), store, testSealer(), Assertion, start.Add(time.Hour), false)
	if !errors.Is(err, ErrWaiting) || !strings.Contains(err.Error(), rotation.Key.ID) || !strings.Contains(err.Error(), "2026-03-02T12:00:00Z") {
		t.Errorf("second rotation: %v", err)
	}
	if len(store.keys) != 3 {
		t.Errorf("a refused rotation left %d keys", len(store.keys))
	}
}

func TestNoMoreKeysArePublishedThanVerifiersTake(t *testing.T) {
	t.Parallel()
	store := newStore(t)
	published := func(at time.Time) int { return len(store.compile(t, nil).Published(Assertion, at)) }
	for published(start) < MostPublished {
		if _, err := Rotate(t.Context(), store, testSealer(), Assertion, start, true); err != nil {
			t.Fatalf("with %d keys: %v", published(start), err)
		}
	}
	before := len(store.keys)
	if _, err := Rotate(t.Context(), store, testSealer(), Assertion, start, true); !errors.Is(err, ErrTooMany) || !strings.Contains(err.Error(), "keys revoke") {
		t.Errorf("one more: %v", err)
	}
	if len(store.keys) != before {
		t.Error("a rotation that was refused left a key")
	}
	mustSigner(t, store.compile(t, nil), Assertion, start)
	if _, err := Rotate(t.Context(), store, testSealer(), Assertion, start.Add(Overlap), false); err != nil || published(start.Add(Overlap)) > MostPublished {
		t.Errorf("when the old ones have left the list: %v, and %d are published", err, published(start.Add(Overlap)))
	}
	for _, key := range store.keys[1:3] {
		if _, err := Revoke(t.Context(), store, testSealer(), key.ID, start); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := Rotate(t.Context(), store, testSealer(), Assertion, start, true); err != nil {
		t.Errorf("when some were revoked: %v", err)
	}
}

func TestRotateImmediately(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name      string
		waiting   time.Duration // since a next key was published; 0 means there is none
		failUntil time.Time
		keys      int
	}{
		{"without a waiting key a new one signs, and copies up to an hour old fail", 0, start.Add(MaxAge), 3},
		{"a key that waits for a minute signs, and older copies fail", time.Minute, start.Add(-time.Minute + MaxAge), 3},
		{"a key that waits for more than an hour is known to all", 2 * time.Hour, time.Time{}, 3},
	}
	for _, test := range tests {
		store := newStore(t)
		store.keys[0].SignFrom = start.Add(-100 * time.Hour)
		if test.waiting > 0 {
			if _, err := Rotate(t.Context(), store, testSealer(), Assertion, start.Add(-test.waiting), false); err != nil {
				t.Fatal(err)
			}
		}
		old := store.keys[0].ID
		rotation, err := Rotate(t.Context(), store, testSealer(), Assertion, start, true)
		if err != nil {
			t.Fatalf("%s: %v", test.name, err)
		}
		set := store.compile(t, nil)
		if got := mustSigner(t, set, Assertion, start); got != rotation.Key.ID || got == old {
			t.Errorf("%s: %s signs", test.name, got)
		}
		if !rotation.FailUntil.Equal(test.failUntil) || (len(rotation.Warnings) > 0) != !test.failUntil.IsZero() {
			t.Errorf("%s: FailUntil %v, warnings %q", test.name, rotation.FailUntil, rotation.Warnings)
		}
		if len(store.keys) != test.keys {
			t.Errorf("%s: %d keys", test.name, len(store.keys))
		}
		if _, found := set.Verifiable(Assertion, old, start.Add(Overlap-1)); !found {
			t.Errorf("%s: the old key is not published for a day after its last signature", test.name)
		}
		if _, found := set.Verifiable(Assertion, old, start.Add(Overlap)); found {
			t.Errorf("%s: the old key is published for ever", test.name)
		}
	}
}

func TestRevoke(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	t.Run("the key that signs is replaced at once", func(t *testing.T) {
		store := newStore(t)
		old := store.keys[0].ID
		rotation, err := Revoke(ctx, store, testSealer(), old, start)
		if err != nil {
			t.Fatal(err)
		}
		set := store.compile(t, nil)
		if got := mustSigner(t, set, Assertion, start); got == old || got != rotation.Key.ID || rotation.Revoked != old {
			t.Errorf("%s signs after %+v", got, rotation)
		}
		if _, found := set.Verifiable(Assertion, old, start); found || len(set.Published(Assertion, start)) != 1 {
			t.Error("a withdrawn key is still published")
		}
		if len(rotation.Warnings) != 2 || !rotation.FailUntil.Equal(start.Add(MaxAge)) {
			t.Errorf("which verifiers fail is not said: %+v", rotation)
		}
	})
	t.Run("a waiting key takes the place of the one that signs", func(t *testing.T) {
		store := newStore(t)
		store.keys[0].SignFrom = start.Add(-3 * time.Hour)
		next, err := Rotate(ctx, store, testSealer(), Assertion, start.Add(-2*time.Hour), false)
		if err != nil {
			t.Fatal(err)
		}
		rotation, err := Revoke(ctx, store, testSealer(), store.keys[0].ID, start)
		if err != nil || rotation.Key.ID != next.Key.ID || !rotation.FailUntil.IsZero() {
			t.Errorf("Revoke = %+v, %v", rotation, err)
		}
		mustSigner(t, store.compile(t, nil), Assertion, start)
	})
	t.Run("without its successor the key that signs goes on", func(t *testing.T) {
		store := newStore(t)
		next, err := Rotate(ctx, store, testSealer(), Assertion, start, false)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Revoke(ctx, store, testSealer(), next.Key.ID, start.Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		if got := mustSigner(t, store.compile(t, nil), Assertion, start.Add(10*Overlap)); got != store.keys[0].ID {
			t.Errorf("%s signs", got)
		}
	})
	t.Run("a retired key goes without a successor", func(t *testing.T) {
		store := newStore(t)
		if _, err := Rotate(ctx, store, testSealer(), Assertion, start, true); err != nil {
			t.Fatal(err)
		}
		rotation, err := Revoke(ctx, store, testSealer(), store.keys[0].ID, start.Add(2*time.Hour))
		if err != nil || len(store.keys) != 3 || !rotation.FailUntil.IsZero() {
			t.Errorf("Revoke = %+v, %v; %d keys", rotation, err, len(store.keys))
		}
	})
	t.Run("twice is said, unknown is said, and neither writes", func(t *testing.T) {
		store := newStore(t)
		old := store.keys[0].ID
		if _, err := Revoke(ctx, store, testSealer(), old, start); err != nil {
			t.Fatal(err)
		}
		count := len(store.keys)
		if _, err := Revoke(ctx, store, testSealer(), old, start.Add(time.Hour)); !errors.Is(err, ErrRevoked) {
			t.Errorf("twice: %v", err)
		}
		if _, err := Revoke(ctx, store, testSealer(), "../../etc/passwd", start); !errors.Is(err, ErrNotFound) {
			t.Errorf("unknown: %v", err)
		}
		if key := store.find(t, old); len(store.keys) != count || !key.Revoked.Equal(start) {
			t.Errorf("the store changed: %+v", key)
		}
	})
}

// Whatever is rotated and withdrawn in whatever order: some key signs from now on for ever, it was published
// before unless somebody asked for haste, and nothing that signed vanishes within a day unless withdrawn.
func TestNoSuccessionLeavesAGap(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		ctx := context.Background()
		store := &memoryStore{}
		now := start
		var hasty bool
		if _, err := Ensure(ctx, store, testSealer(), Assertion, now); err != nil {
			t.Fatal(err)
		}
		var last *KeySet
		steps := rapid.IntRange(1, 8).Draw(t, "steps")
		for range steps {
			before := now
			now = now.Add(time.Duration(rapid.IntRange(0, 60).Draw(t, "hours")) * time.Hour)
			hasty = false
			var err error
			switch rapid.SampledFrom([]string{"rotate", "now", "revoke", "ensure"}).Draw(t, "step") {
			case "rotate":
				_, err = Rotate(ctx, store, testSealer(), Assertion, now, false)
			case "now":
				hasty = true
				_, err = Rotate(ctx, store, testSealer(), Assertion, now, true)
			case "revoke":
				hasty = true
				key := rapid.SampledFrom(store.keys).Draw(t, "key")
				_, err = Revoke(ctx, store, testSealer(), key.ID, now)
			case "ensure":
				var created bool
				if created, err = Ensure(ctx, store, testSealer(), Assertion, now); created {
					t.Fatal("a key was missing")
				}
			}
			if err != nil && !errors.Is(err, ErrWaiting) && !errors.Is(err, ErrRevoked) {
				t.Fatal(err)
			}
			set, err := Compile(store.keys, testSealer(), last)
			if err != nil {
				t.Fatal(err)
			}
			for at := now; at.Before(now.Add(4 * Overlap)); at = at.Add(time.Hour) {
				signer, err := set.Signer(Assertion, at)
				if err != nil {
					t.Fatalf("at %v: %v", at, err)
				}
				if _, found := set.Verifiable(Assertion, signer.KeyID(), at.Add(Overlap-1)); !found {
					t.Fatalf("%s signs at %v and is gone within a day", signer.KeyID(), at)
				}
				if last != nil && !hasty && at.Before(now.Add(Overlap)) {
					if _, found := last.Verifiable(Assertion, signer.KeyID(), before); !found {
						t.Fatalf("%s signs at %v without having been published", signer.KeyID(), at)
					}
				}
			}
			last = set
		}
	})
}
