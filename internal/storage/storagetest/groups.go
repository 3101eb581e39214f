package storagetest

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"testing"

	"github.com/gatehouse-iap/gatehouse/internal/admin"
	"github.com/gatehouse-iap/gatehouse/internal/directory"
)

func groupSentences() []sentence {
	return []sentence{
		{"groups come back as they were put, ordered by address, as do their members", groupsComeBack},
		{"putting a group again replaces its members and its description", groupReplaced},
		{"a member that is named twice is in the group once", memberOnce},
		{"a group of many members comes and goes whole", manyMembers},
		{"a group of too many members is refused", tooManyMembers},
		{"a deleted group is gone with its members, and deleting needs one that is there", groupDeleted},
	}
}

// addresses returns addresses in order.
func addresses(count int) []string {
	list := make([]string, count)
	for i := range list {
		list[i] = fmt.Sprintf("m%06d@example.com", i)
	}
	return list
}

func (s store) putGroup(email string, members ...string) {
	s.t.Helper()
	s.do(func(tx admin.Tx) error {
		return tx.Directory().PutGroup(s.t.Context(), directory.Group{Email: email, Description: "about " + email, Members: members})
	})
}

// wantGroups checks Groups, and Group of each.
func (s store) wantGroups(want ...directory.Group) {
	s.t.Helper()
	s.view(func(ctx context.Context, tx admin.Tx) error {
		got, err := tx.Directory().Groups(ctx)
		if err != nil || len(got) != len(want) {
			s.t.Fatalf("%d groups, %v; want %d", len(got), err, len(want))
		}
		for i, group := range want {
			if !reflect.DeepEqual(got[i], group) {
				s.t.Errorf("Groups has %.200v, want %.200v", got[i], group)
			}
			if one, err := tx.Directory().Group(ctx, group.Email); err != nil || !reflect.DeepEqual(one, group) {
				s.t.Errorf("Group: %.200v, %v; want %.200v", one, err, group)
			}
		}
		if _, err := tx.Directory().Group(ctx, "nobody@example.com"); err != directory.ErrNotFound {
			s.t.Errorf("Group: %v", err)
		}
		return nil
	})
}

func group(email string, members ...string) directory.Group {
	return directory.Group{Email: email, Description: "about " + email, Members: append([]string{}, members...)}
}

func groupsComeBack(t *testing.T, s store) {
	s.wantGroups()
	s.putGroup("b@example.com", "y@example.com", "x@example.com", "a@example.com")
	s.putGroup("c@example.com")
	s.putGroup("a@example.com", "x@example.com")
	s.wantGroups(
		group("a@example.com", "x@example.com"),
		group("b@example.com", "a@example.com", "x@example.com", "y@example.com"),
		group("c@example.com"))
}

func groupReplaced(t *testing.T, s store) {
	s.putGroup("other@example.com", addresses(3)...)
	s.putGroup("a@example.com", addresses(5)...)
	want := directory.Group{Email: "a@example.com", Description: "new", Members: []string{"m000001@example.com", "z@example.com"}}
	s.do(func(tx admin.Tx) error { return tx.Directory().PutGroup(t.Context(), want) })
	s.wantGroups(want, group("other@example.com", addresses(3)...))
}

func memberOnce(t *testing.T, s store) {
	given := []string{"y@example.com", "x@example.com", "y@example.com"}
	s.putGroup("a@example.com", given...)
	if given[0] != "y@example.com" {
		t.Error("the caller's list was sorted")
	}
	s.putGroup("a@example.com", given...)
	s.wantGroups(group("a@example.com", "x@example.com", "y@example.com"))
}

func manyMembers(t *testing.T, s store) {
	many := addresses(300) // several batches and a rest
	s.putGroup("a@example.com", many...)
	s.wantGroups(group("a@example.com", many...))
	odd := slices.DeleteFunc(slices.Clone(many), func(m string) bool { return m[6]%2 == 0 })
	s.putGroup("a@example.com", odd...)
	s.wantGroups(group("a@example.com", odd...))
	s.putGroup("a@example.com", many...)
	s.wantGroups(group("a@example.com", many...))
	s.putGroup("a@example.com")
	s.wantGroups(group("a@example.com"))
}

func tooManyMembers(t *testing.T, s store) {
	s.refused(directory.ErrInvalid, func(tx admin.Tx) error {
		crowd := make([]string, directory.MaxGroupMembers+1)
		return tx.Directory().PutGroup(t.Context(), directory.Group{Email: "a@example.com", Members: crowd})
	})
	s.wantGroups()
}

func groupDeleted(t *testing.T, s store) {
	remove := func(tx admin.Tx) error { return tx.Directory().DeleteGroup(t.Context(), "a@example.com") }
	s.refused(directory.ErrNotFound, remove)
	s.putGroup("a@example.com", addresses(3)...)
	s.putGroup("b@example.com", addresses(3)...)
	s.do(remove)
	s.refused(directory.ErrNotFound, remove)
	s.wantGroups(group("b@example.com", addresses(3)...))
	s.putGroup("a@example.com")
	s.wantGroups(group("a@example.com"), group("b@example.com", addresses(3)...))
}
