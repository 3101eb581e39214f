package sqlite

import (
	"context"
	"math/rand/v2"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/gatehouse-iap/gatehouse/internal/admin"
	"github.com/gatehouse-iap/gatehouse/internal/snapshot"
	"github.com/gatehouse-iap/gatehouse/internal/storage"
)

func TestAfterKill9EveryAcknowledgedWriteIsThereAndNothingIsHalfDone(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	positions := map[int]int64{}
	for range 5 {
		c := startChild(t, dir)
		c.acknowledged(1+rand.IntN(25), positions)
		c.kill(positions)

		db := openDir(t, dir)
		checkWhole(t, db, positions)
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestAfterKill9WhileOpeningTheStoreOpens(t *testing.T) {
	t.Parallel()
	for range 5 {
		dir, positions := filepath.Join(t.TempDir(), "data"), map[int]int64{}
		startChild(t, dir).kill(positions)

		db := openDir(t, dir)
		whole := checkWhole(t, db, positions)
		if db.Created() != (whole == 0) {
			t.Errorf("created: %v, with %d writes", db.Created(), whole)
		}
	}
}

// checkWhole checks that the store holds the writes 0 to n-1 with all their parts and nothing else, the
// acknowledged ones among them at their positions. It returns n.
func checkWhole(t *testing.T, db *storage.DB, acknowledged map[int]int64) int {
	t.Helper()
	ctx := t.Context()
	entries, err := db.Entries(ctx, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	for i, entry := range entries {
		number := len(entries) - 1 - i
		if entry.Action != strconv.Itoa(number) {
			t.Errorf("entry %d is of write %s", number, entry.Action)
		}
		if position, found := acknowledged[number]; found && position != entry.Seq {
			t.Errorf("write %d is at %d and was acknowledged at %d", number, entry.Seq, position)
		}
	}
	for number := range acknowledged {
		if number >= len(entries) {
			t.Errorf("write %d was acknowledged and is lost", number)
		}
	}
	if err := db.View(ctx, func(tx admin.Tx) error {
		checkParts(t, ctx, tx, len(entries))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	checkFeed(t, db, len(entries))
	return len(entries)
}

func checkParts(t *testing.T, ctx context.Context, tx admin.Tx, writes int) {
	t.Helper()
	services, serviceErr := tx.Catalog().Services(ctx)
	accounts, accountErr := tx.Directory().Accounts(ctx)
	groups, groupErr := tx.Directory().Groups(ctx)
	keys, keyErr := tx.Keys().Keys(ctx)
	policy, policyErr := tx.Policies().Policy(ctx, "projects/1")
	for _, err := range []error{serviceErr, accountErr, groupErr, keyErr, policyErr} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(services) != writes || len(accounts) != writes || len(groups) != writes || len(keys) != writes {
		t.Errorf("%d writes left %d services, %d accounts, %d groups, %d keys",
			writes, len(services), len(accounts), len(groups), len(keys))
	}
	for _, group := range groups {
		if len(group.Members) != membersEach {
			t.Errorf("group %s has %d members", group.Email, len(group.Members))
		}
	}
	for i, key := range keys {
		if last := i == len(keys)-1; key.SignUntil.IsZero() != last {
			t.Errorf("key %s of %d signs until %v", key.ID, len(keys), key.SignUntil)
		}
	}
	if writes > 0 && policy.Bindings[0].Members[0] != strconv.Itoa(writes-1) {
		t.Errorf("the policy is of write %s, the last one was %d", policy.Bindings[0].Members[0], writes-1)
	}
}

// checkFeed checks that the feed has every change of the writes and ends at its position.
func checkFeed(t *testing.T, db *storage.DB, writes int) {
	t.Helper()
	ctx := t.Context()
	if err := db.Read(ctx, func(v snapshot.View) error {
		position, err := v.Position(ctx)
		if err != nil {
			return err
		}
		changes, err := v.Changes(ctx, 0)
		// Policy, service, account, group, key; from the second write on also the key before.
		if want := max(6*writes-1, 0); len(changes) != want || position != int64(want) {
			t.Errorf("%d changes, position %d; want %d", len(changes), position, want)
		}
		for i, change := range changes {
			if change.Seq != int64(i+1) {
				t.Errorf("change %d stands in place %d", change.Seq, i+1)
			}
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
}
