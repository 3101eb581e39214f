package policy_test

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gatehouse-iap/gatehouse/internal/directory"
	"github.com/gatehouse-iap/gatehouse/internal/policy"
	"github.com/gatehouse-iap/gatehouse/internal/policy/iam"
	"github.com/gatehouse-iap/gatehouse/internal/principal"
	"github.com/gatehouse-iap/gatehouse/internal/resource"
)

// The golden files under testdata are the policy as a security officer reads it: who is in which group, which
// policy stands where, and for each person the decision. This test carries them out.
func TestGoldenDecisions(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.decisions")
	if err != nil || len(files) == 0 {
		t.Fatalf("no golden decision files: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".decisions"), func(t *testing.T) {
			t.Parallel()
			runGolden(t, file)
		})
	}
}

type golden struct {
	groups   map[string]*directory.Group
	policies map[resource.Name]*iam.Policy
	checks   []string
}

func readGolden(t *testing.T, file string) golden {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	g := golden{groups: map[string]*directory.Group{}, policies: map[resource.Name]*iam.Policy{}}
	scanner := bufio.NewScanner(f)
	var current *iam.Policy
	for below := false; scanner.Scan(); {
		line := strings.TrimSpace(scanner.Text())
		fields := strings.Fields(line)
		switch {
		case line == "" || strings.HasPrefix(line, "#"):
		case strings.HasPrefix(line, "-----"):
			below = true
		case below:
			g.checks = append(g.checks, line)
		case fields[0] == "group":
			g.groups[fields[1]] = &directory.Group{Email: fields[1], Members: fields[3:]} // group X holds A B
		case fields[0] == "on":
			current = &iam.Policy{}
			g.policies[resource.Name(strings.TrimSuffix(fields[1], ":"))] = current
		default: // ROLE to MEMBER MEMBER
			current.Bindings = append(current.Bindings, iam.Binding{Role: fields[0], Members: fields[2:]})
		}
	}
	return g
}

func runGolden(t *testing.T, file string) {
	g := readGolden(t, file)
	edit := (&principal.Interner{}).Edit()
	view := directory.NewView().With(directory.Update{Groups: g.groups}, edit)
	compiled := map[resource.Name]*iam.Compiled{}
	for name, p := range g.policies {
		c, err := iam.Compile(name, *p, edit)
		if err != nil {
			t.Fatal(err)
		}
		compiled[name] = c
	}
	interner := edit.Done()
	if len(g.checks) == 0 {
		t.Fatal("no decisions below the line")
	}
	for _, check := range g.checks {
		question, want, found := strings.Cut(check, "->")
		fields := strings.Fields(question) // WHO [hd=DOMAIN] at RESOURCE
		if !found || len(fields) < 3 {
			t.Fatalf("unreadable line %q", check)
		}
		name := resource.Name(fields[len(fields)-1])
		var levels []*iam.Compiled
		for level, more := name, true; more; level, more = level.Parent() {
			if c, stands := compiled[level]; stands {
				levels = append(levels, c)
			}
		}
		ids, recognised := memberIDs(t, fields[0], fields[1], interner, view)
		if got := policy.Decide(levels, recognised, ids); string(got) != strings.TrimSpace(want) {
			t.Errorf("%s: got %s", check, got)
		}
	}
}

func memberIDs(t *testing.T, who, second string, interner *principal.Interner, view *directory.View) ([]uint32, bool) {
	t.Helper()
	if who == "nobody" {
		return nil, false
	}
	member, err := principal.ParseMember(who)
	if err != nil {
		t.Fatal(err)
	}
	var ids []uint32
	if id, found := interner.Lookup(member); found {
		ids = append(ids, id)
	}
	if domain, has := strings.CutPrefix(second, "hd="); has {
		if id, found := interner.Lookup(principal.Member{Kind: principal.MemberDomain, Value: domain}); found {
			ids = append(ids, id)
		}
	}
	return view.AppendGroupsOf(ids, member.Value, interner), true
}

func TestEveryReasonHasAPublicText(t *testing.T) {
	t.Parallel()
	for _, reason := range policy.Reasons() {
		if d := reason.Describe(); d.Title == "" || d.Text == "" {
			t.Errorf("%s has no text", reason)
		}
	}
}

func BenchmarkDecideDoesNotGrowWithMembers(b *testing.B) {
	for _, n := range []int{1, 1500} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			members := make([]string, n)
			for i := range members {
				members[i] = fmt.Sprintf("user:u%d@example.com", i)
			}
			edit := (&principal.Interner{}).Edit()
			c, err := iam.Compile("projects/1", iam.Policy{Bindings: []iam.Binding{{Role: iam.RoleHTTPSResourceAccessor, Members: members}}}, edit)
			if err != nil {
				b.Fatal(err)
			}
			levels, ids := []*iam.Compiled{c}, []uint32{uint32(n)}
			b.ReportAllocs()
			for b.Loop() {
				if policy.Decide(levels, true, ids) != policy.Granted {
					b.Fatal("refused")
				}
			}
		})
	}
}
