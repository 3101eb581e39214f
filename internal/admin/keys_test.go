package admin_test

import (
	"errors"
	"testing"

	"github.com/gatehouse-iap/gatehouse/internal/admin"
	"github.com/gatehouse-iap/gatehouse/internal/issuer"
)

func TestEnsureKeysWritesOnlyWhatIsMissing(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ctx := t.Context()
	if err := f.EnsureKeys(ctx, admin.System("bootstrap"), admin.Purposes()...); err != nil {
		t.Fatal(err)
	}
	keys, err := f.SigningKeys(ctx)
	if err != nil || len(keys) != len(admin.Purposes()) {
		t.Fatalf("the keys are %+v, %v", keys, err)
	}
	for _, k := range keys {
		if k.State != issuer.Active {
			t.Errorf("key %s for %s is %s", k.ID, k.Purpose, k.State)
		}
	}
	before := f.lastEntry(t)
	if err := f.EnsureKeys(ctx, admin.System("bootstrap"), admin.Purposes()...); err != nil {
		t.Fatal(err)
	}
	if after := f.lastEntry(t); after.Seq != before.Seq {
		t.Errorf("a start with all keys in place left the entry %+v", after)
	}
}

func TestKeysAreRotatedAndRevoked(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ctx := t.Context()
	if err := f.EnsureKeys(ctx, admin.System("bootstrap"), admin.Purposes()...); err != nil {
		t.Fatal(err)
	}
	planned, err := f.RotateKey(ctx, peer, issuer.Assertion, false)
	if err != nil || planned.Key.State != issuer.Next || !planned.Key.SignFrom.Equal(now.Add(issuer.Overlap)) {
		t.Fatalf("planned is %+v, %v", planned, err)
	}
	if _, err := f.RotateKey(ctx, peer, issuer.Assertion, false); !errors.Is(err, issuer.ErrWaiting) {
		t.Errorf("a second rotation while one waits: %v", err)
	}
	revoked, err := f.RevokeKey(ctx, peer, planned.Replaced[0])
	if err != nil || revoked.Revoked != planned.Replaced[0] || revoked.Key.State != issuer.Active || len(revoked.Warnings) == 0 {
		t.Errorf("revoking gave %+v, %v", revoked, err)
	}
	if _, err := f.RevokeKey(ctx, peer, "nokey1"); !errors.Is(err, issuer.ErrNotFound) {
		t.Errorf("revoking an unknown key: %v", err)
	}
	if _, err := f.RotateKey(ctx, peer, "cookies", false); !errors.Is(err, admin.ErrInvalid) {
		t.Errorf("rotating keys of a purpose that does not exist: %v", err)
	}
}
