package directory_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/gatehouse-iap/gatehouse/internal/directory"
	"github.com/gatehouse-iap/gatehouse/internal/principal"
)

// groupsOf names the groups that hold an address.
func groupsOf(v *directory.View, in *principal.Interner, email string, all []string) []string {
	ids := v.AppendGroupsOf(nil, email, in)
	var names []string
	for _, group := range all {
		if id, found := in.Lookup(principal.Member{Kind: principal.MemberGroup, Value: group}); found && slices.Contains(ids, id) {
			names = append(names, group)
		}
	}
	return names
}

// holds is the plain definition: a group holds an address that is its member or a member of a group it holds.
func holds(groups map[string]*directory.Group, group, email string, seen map[string]bool) bool {
	g := groups[group]
	if g == nil || seen[group] {
		return false
	}
	seen[group] = true
	for _, member := range g.Members {
		if member == email || holds(groups, member, email, seen) {
			return true
		}
	}
	return false
}

func TestADirectoryChangedStepByStepAnswersLikeOneBuiltAtOnce(t *testing.T) {
	t.Parallel()
	groupNames := []string{"g0@x.test", "g1@x.test", "g2@x.test", "g3@x.test"}
	addresses := slices.Clone(groupNames)
	for i := range 6 {
		addresses = append(addresses, fmt.Sprintf("u%d@x.test", i))
	}
	rapid.Check(t, func(t *rapid.T) {
		state := map[string]*directory.Group{}
		interner, view := &principal.Interner{}, directory.NewView()
		for range rapid.IntRange(1, 12).Draw(t, "steps") {
			update := directory.Update{Groups: map[string]*directory.Group{}}
			for range rapid.IntRange(1, 2).Draw(t, "changes") {
				name := rapid.SampledFrom(groupNames).Draw(t, "group")
				if rapid.IntRange(0, 4).Draw(t, "delete") == 0 {
					update.Groups[name] = nil
					continue
				}
				members := rapid.SliceOfN(rapid.SampledFrom(addresses), 0, 5).Draw(t, "members")
				update.Groups[name] = &directory.Group{Email: name, Members: members}
			}
			for name, group := range update.Groups {
				if state[name] = group; group == nil {
					delete(state, name)
				}
			}
			edit := interner.Edit()
			view = view.With(update, edit)
			interner = edit.Done()
			for _, email := range addresses {
				var want []string
				for _, group := range groupNames {
					if holds(state, group, email, map[string]bool{}) {
						want = append(want, group)
					}
				}
				if got := groupsOf(view, interner, email, groupNames); !slices.Equal(got, want) {
					t.Fatalf("%s is in %v, not %v; groups %v", email, got, want, state)
				}
			}
		}
	})
}

func TestASuccessorLeavesTheViewBeforeItAsItWas(t *testing.T) {
	t.Parallel()
	edit := (&principal.Interner{}).Edit()
	first := directory.NewView().With(directory.Update{
		Accounts: map[string]*directory.Account{"a@x.test": {Email: "a@x.test"}},
		Groups:   map[string]*directory.Group{"g@x.test": {Email: "g@x.test", Members: []string{"a@x.test"}}},
	}, edit)
	interner := edit.Done()
	edit2 := interner.Edit()
	second := first.With(directory.Update{
		Accounts: map[string]*directory.Account{"a@x.test": nil, "b@x.test": {Email: "b@x.test"}},
		Groups:   map[string]*directory.Group{"g@x.test": nil},
	}, edit2)
	if _, found := first.Account("a@x.test"); !found {
		t.Error("the account is gone from the earlier view")
	}
	if got := groupsOf(first, interner, "a@x.test", []string{"g@x.test"}); len(got) != 1 {
		t.Error("the membership is gone from the earlier view")
	}
	if _, found := second.Account("a@x.test"); found {
		t.Error("the account is still in the later view")
	}
	if got := groupsOf(second, edit2.Done(), "a@x.test", []string{"g@x.test"}); len(got) != 0 {
		t.Error("the membership is still in the later view")
	}
}

func TestAccountsAndGroupsThatCouldMisleadAreRefused(t *testing.T) {
	t.Parallel()
	good := directory.Account{Kind: principal.User, Email: "a@x.test", Subject: directory.NewSubject()}
	if err := good.Validate(); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*directory.Account){
		"an address that is not canonical":     func(a *directory.Account) { a.Email = "A@x.test" },
		"an address with two @":                func(a *directory.Account) { a.Email = "a@y@x.test" },
		"a subject with a leading zero":        func(a *directory.Account) { a.Subject = "0" + a.Subject[1:] },
		"a subject that is too short":          func(a *directory.Account) { a.Subject = "1" },
		"no kind":                              func(a *directory.Account) { a.Kind = "" },
		"a service account with a password":    func(a *directory.Account) { a.Kind, a.PasswordHash = principal.ServiceAccount, "x" },
		"a hosted domain that is not a domain": func(a *directory.Account) { a.HostedDomain = "x test" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			account := good
			change(&account)
			if err := account.Validate(); !errors.Is(err, directory.ErrInvalid) {
				t.Errorf("accepted: %+v, %v", account, err)
			}
		})
	}
	for name, group := range map[string]directory.Group{
		"a group in itself":                 {Email: "g@x.test", Members: []string{"g@x.test"}},
		"a group with a malformed member":   {Email: "g@x.test", Members: []string{"a"}},
		"a group with a member not in form": {Email: "g@x.test", Members: []string{"A@x.test"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if err := group.Validate(); !errors.Is(err, directory.ErrInvalid) {
				t.Errorf("accepted: %v", err)
			}
		})
	}
}

func TestSubjectsAre21DigitsAndDiffer(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for range 1000 {
		s := directory.NewSubject()
		if len(s) != 21 || s[0] == '0' || seen[s] {
			t.Fatalf("drew %q", s)
		}
		seen[s] = true
	}
}

func BenchmarkAMillionMembers(b *testing.B) {
	members := make([]string, 1_000_000)
	for i := range members {
		members[i] = fmt.Sprintf("u%d@x.test", i)
	}
	edit := (&principal.Interner{}).Edit()
	view := directory.NewView().With(directory.Update{Groups: map[string]*directory.Group{
		"all@x.test": {Email: "all@x.test", Members: members},
	}}, edit)
	interner := edit.Done()
	b.Run("lookup", func(b *testing.B) {
		var space [8]uint32
		b.ReportAllocs()
		for b.Loop() {
			if len(view.AppendGroupsOf(space[:0], "u777777@x.test", interner)) != 1 {
				b.Fatal("not a member")
			}
		}
	})
	b.Run("change another group", func(b *testing.B) {
		small := map[string]*directory.Group{"s@x.test": {Email: "s@x.test", Members: members[:3]}}
		for b.Loop() {
			e := interner.Edit()
			view.With(directory.Update{Groups: small}, e)
		}
	})
}
