package storagetest

import (
	"context"
	"reflect"
	"testing"

	"github.com/gatehouse-iap/gatehouse/internal/admin"
	"github.com/gatehouse-iap/gatehouse/internal/audit"
	"github.com/gatehouse-iap/gatehouse/internal/policy/iam"
)

func ownerSentences() []sentence {
	return []sentence{
		{"owners come back as they were put, ordered by kind and key", ownersComeBack},
		{"putting an owner again replaces it", ownerReplaced},
		{"what has no owner says so, and losing an owner twice is no error", ownerLost},
		{"owners add nothing to the change feed", ownersUnfed},
		{"a transaction keeps the entries of its changes, each at its own position, and then its own", entriesWithin},
	}
}

func ownersComeBack(t *testing.T, s store) {
	ctx := t.Context()
	want := []admin.Owner{
		{Kind: admin.KindGroup, Key: "team@example.com", Source: "/etc/b.yaml", Name: "team@example.com"},
		{Kind: admin.KindIamPolicy, Key: "projects/1", Source: "/etc/a.yaml", Name: "project"},
		{Kind: admin.KindUser, Key: "a@example.com", Source: "/etc/a.yaml", Name: "a@example.com", Declares: []string{"disabled", "passwordHash"}},
		{Kind: admin.KindUser, Key: "b@example.com", Source: "/etc/a.yaml", Name: "b@example.com"},
	}
	s.do(func(tx admin.Tx) error {
		for _, i := range []int{2, 0, 3, 1} {
			must(t, tx.Owners().PutOwner(ctx, want[i]))
		}
		return nil
	})
	s.view(func(ctx context.Context, tx admin.Tx) error {
		if got, err := tx.Owners().Owners(ctx); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%v, %v", got, err)
		}
		for _, one := range want {
			if got, found, err := tx.Owners().Owner(ctx, one.Kind, one.Key); err != nil || !found || !reflect.DeepEqual(got, one) {
				t.Errorf("%v, %v, %v", got, found, err)
			}
		}
		return nil
	})
}

func ownerReplaced(t *testing.T, s store) {
	ctx := t.Context()
	first := admin.Owner{Kind: admin.KindUser, Key: "a@example.com", Source: "one", Name: "a", Declares: []string{"disabled"}}
	second := admin.Owner{Kind: admin.KindUser, Key: "a@example.com", Source: "two", Name: "b"}
	s.do(func(tx admin.Tx) error { return tx.Owners().PutOwner(ctx, first) })
	s.do(func(tx admin.Tx) error { return tx.Owners().PutOwner(ctx, second) })
	s.view(func(ctx context.Context, tx admin.Tx) error {
		if got, err := tx.Owners().Owners(ctx); err != nil || !reflect.DeepEqual(got, []admin.Owner{second}) {
			t.Errorf("%v, %v", got, err)
		}
		return nil
	})
}

func ownerLost(t *testing.T, s store) {
	ctx := t.Context()
	s.do(func(tx admin.Tx) error {
		return tx.Owners().PutOwner(ctx, admin.Owner{Kind: admin.KindGroup, Key: "a@example.com", Source: "one"})
	})
	for range 2 {
		s.do(func(tx admin.Tx) error { return tx.Owners().DeleteOwner(ctx, admin.KindGroup, "a@example.com") })
	}
	s.view(func(ctx context.Context, tx admin.Tx) error {
		if _, found, err := tx.Owners().Owner(ctx, admin.KindGroup, "a@example.com"); err != nil || found {
			t.Errorf("%v, %v", found, err)
		}
		return nil
	})
}

func ownersUnfed(t *testing.T, s store) {
	before := s.position()
	s.do(func(tx admin.Tx) error {
		return tx.Owners().PutOwner(t.Context(), admin.Owner{Kind: admin.KindGroup, Key: "a@example.com", Source: "one"})
	})
	if got := s.changes(before); !reflect.DeepEqual(got, []string{"entry target"}) {
		t.Errorf("the feed has %v", got)
	}
}

func entriesWithin(t *testing.T, s store) {
	ctx := t.Context()
	s.do(func(tx admin.Tx) error {
		for _, target := range []string{"projects/1", "projects/2"} {
			if _, err := tx.Policies().PutPolicy(ctx, "projects/1", iam.Policy{}, ""); err != nil {
				return err
			}
			e := *entry("one")
			e.Target = target
			if err := tx.Record(ctx, e); err != nil {
				return err
			}
		}
		return nil
	})
	got, err := s.Entries(ctx, 10)
	must(t, err)
	var targets []string
	seen := map[int64]bool{}
	for _, e := range got {
		targets = append(targets, e.Target)
		seen[e.Seq] = true
	}
	if want := []string{"target", "projects/2", "projects/1"}; !reflect.DeepEqual(targets, want) || len(seen) != 3 {
		t.Errorf("the entries are %v at %d positions", targets, len(seen))
	}
	s.view(func(ctx context.Context, tx admin.Tx) error {
		if err := tx.Record(ctx, audit.Entry{Time: epoch, Actor: audit.Actor{Kind: "uid"}, Action: "a"}); err == nil {
			t.Error("a reading wrote an entry")
		}
		return nil
	})
}
