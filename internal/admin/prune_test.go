package admin_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse-iap/gatehouse/internal/admin"
	"github.com/gatehouse-iap/gatehouse/internal/directory"
	"github.com/gatehouse-iap/gatehouse/internal/policy/iam"
	"github.com/gatehouse-iap/gatehouse/internal/resource"
)

func TestPruneRemovesWhatItsSourceOwnsAndNothingElse(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.apply(t, admin.ApplyOptions{}, everything()...)
	theirs := group("theirs@example.com", "carol@example.com")
	f.apply(t, admin.ApplyOptions{Source: other}, theirs)
	if _, err := f.CreateGroup(t.Context(), peer, directory.Group{Email: "free@example.com"}); err != nil {
		t.Fatal(err)
	}
	keep := everything()[5:6] // the project
	if plan := f.apply(t, admin.ApplyOptions{}, keep...); len(plan.Changes) != 0 {
		t.Errorf("removed without --prune: %v", changes(plan))
	}
	plan := f.apply(t, admin.ApplyOptions{Prune: true}, keep...)
	want := []string{
		"AppEngineApp engine deleted", "BackendService wiki deleted", "CloudRunService run deleted", "Group team@example.com deleted",
		"IamPolicy wiki deleted", "IdentityProvider corp deleted", "User carol@example.com deleted",
	}
	if got := changes(plan); !slices.Equal(got, want) {
		t.Errorf("removed %v", got)
	}
	if len(plan.Notes) != 1 || !strings.Contains(plan.Notes[0], "theirs@example.com still names carol@example.com") {
		t.Errorf("the notes are %q", plan.Notes)
	}
	if owners := f.owners(t); len(owners) != 1 || owners[0].Source != other {
		t.Errorf("owned is %v", owners)
	}
	documents, err := f.Export(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var left []string
	for _, d := range documents {
		left = append(left, d.Name)
	}
	if want := []string{"dev-project", "app", "alice@example.com", "free@example.com", "theirs@example.com"}; !slices.Equal(left, want) {
		t.Errorf("left is %v", left)
	}
}

func TestPruningWithoutAnyDocumentIsRefused(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.apply(t, admin.ApplyOptions{}, everything()...)
	if _, err := f.Apply(t.Context(), peer, nil, admin.ApplyOptions{Prune: true, Source: apps}); !errors.Is(err, admin.ErrPrecondition) {
		t.Errorf("a file that is empty by mistake: %v", err)
	}
	if len(f.owners(t)) == 0 {
		t.Error("everything is gone")
	}
}

func TestAServiceIsRemovedWithItsPolicy(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	wiki, project := backend("wiki"), everything()[5]
	f.apply(t, admin.ApplyOptions{}, wiki, project)
	name := resource.Service{Kind: resource.BackendService, ProjectNumber: 123456789012, ID: admin.BackendServiceID(123456789012, "wiki")}.Name()
	if _, err := f.SetIamPolicy(t.Context(), peer, name, granting("allUsers")); err != nil {
		t.Fatal(err)
	}
	f.apply(t, admin.ApplyOptions{Prune: true}, project)
	f.apply(t, admin.ApplyOptions{}, wiki)
	if policy, err := f.IamPolicy(t.Context(), name); err != nil || len(policy.Bindings) != 0 || policy.Etag == iam.EmptyEtag {
		t.Errorf("the next service of that name has the policy %+v, %v", policy, err)
	}

	theirs := policyOf("wiki", "allUsers")
	f.apply(t, admin.ApplyOptions{Source: other}, theirs)
	if faults := f.refuse(t, admin.ApplyOptions{Prune: true}, project); !errors.Is(faults, admin.ErrOwned) || !strings.Contains(faults.Error(), other) {
		t.Errorf("its policy belongs to another manifest: %v", faults)
	}
	if faults := f.refuse(t, admin.ApplyOptions{Prune: true}, project, policyOf("wiki", "allUsers")); !strings.Contains(faults.Error(), "there is no service") {
		t.Errorf("its policy is still declared: %v", faults)
	}
}
