package admin_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse-iap/gatehouse/internal/admin"
	"github.com/gatehouse-iap/gatehouse/internal/catalog"
	"github.com/gatehouse-iap/gatehouse/internal/identityprovider"
	"github.com/gatehouse-iap/gatehouse/internal/principal"
	"github.com/gatehouse-iap/gatehouse/internal/resource"
)

func (f *fixture) owners(t *testing.T) (owners []admin.Owner) {
	t.Helper()
	err := f.Store.View(t.Context(), func(tx admin.Tx) (err error) {
		owners, err = tx.Owners().Owners(t.Context())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return owners
}

func TestEveryOtherWriterOfWhatAManifestOwnsIsRefused(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	off := false
	documents := everything()
	documents[2].User.Disabled = &off
	documents[2].User.PasswordHash = &identityprovider.Secret{File: hashFile(t, "hash of first")}
	f.apply(t, admin.ApplyOptions{}, documents...)
	wiki := resource.Service{Kind: resource.BackendService, ProjectNumber: 123456789012, ID: admin.BackendServiceID(123456789012, "wiki")}.Name()
	services, err := f.Services(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	stored := services[slices.IndexFunc(services, func(s catalog.Service) bool { return s.Name == "wiki" })]
	ctx := t.Context()
	for says, do := range map[string]func() error{
		"putting the service":  func() error { return f.PutService(ctx, peer, stored) },
		"turning the gate off": func() error { _, err := f.SetIAPEnabled(ctx, peer, wiki, false); return err },
		"setting the policy":   func() error { _, err := f.SetIamPolicy(ctx, peer, wiki, granting("allUsers")); return err },
		"setting the password": func() error { _, err := f.SetPassword(ctx, peer, "carol@example.com", "new password"); return err },
		"suspending the user":  func() error { return f.SetDisabled(ctx, peer, principal.User, "carol@example.com", true) },
		"relinking the user": func() error {
			_, err := f.Relink(ctx, peer, "carol@example.com", admin.Relinking{From: "local", To: "corp", Subject: "x"})
			return err
		},
		"deleting the user": func() error { _, err := f.DeleteAccount(ctx, peer, principal.User, "carol@example.com"); return err },
		"adding a member": func() error {
			_, err := f.AddGroupMembers(ctx, peer, "team@example.com", []string{"bob@example.com"})
			return err
		},
		"removing a member": func() error {
			_, err := f.RemoveGroupMembers(ctx, peer, "team@example.com", []string{"alice@example.com"})
			return err
		},
		"deleting the group": func() error { _, err := f.DeleteGroup(ctx, peer, "team@example.com"); return err },
		"putting the provider": func() error {
			p := *provider("corp", "corp.example").Provider
			p.Name = "corp"
			return f.PutProvider(ctx, peer, p)
		},
		"deleting the provider": func() error { return f.DeleteProvider(ctx, peer, "corp") },
		"another manifest": func() error {
			_, err := f.Apply(ctx, peer, []admin.Document{group("team@example.com", "mallory@example.com")}, admin.ApplyOptions{Source: other})
			return err
		},
		"stdin": func() error {
			d := group("team@example.com", "mallory@example.com")
			d.Source = ""
			_, err := f.Apply(ctx, peer, []admin.Document{d}, admin.ApplyOptions{})
			return err
		},
	} {
		if err := do(); !errors.Is(err, admin.ErrOwned) || !strings.Contains(err.Error(), apps) {
			t.Errorf("%s: %v", says, err)
		}
	}
	w := f.ask(t, "POST", "/gatehouse/v1/groups/team@example.com:addMembers", `{"members":["bob@example.com"]}`)
	if body := w.Body.String(); w.Code != 400 || !strings.Contains(body, "FAILED_PRECONDITION") || !strings.Contains(body, admin.ReasonOwned) || !strings.Contains(body, apps) {
		t.Errorf("over the socket: %d %s", w.Code, body)
	}
}

func TestWhatADocumentLeavesOpenIsLeftToCommands(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.apply(t, admin.ApplyOptions{}, everything()...)
	ctx := t.Context()
	if _, err := f.SetPassword(ctx, peer, "carol@example.com", "a new password"); err != nil {
		t.Errorf("the password of a user whose document has none: %v", err)
	}
	if err := f.SetDisabled(ctx, peer, principal.User, "carol@example.com", true); err != nil {
		t.Errorf("suspending a user whose document does not say: %v", err)
	}
	// The document of a service does not own its policy.
	if _, err := f.SetIamPolicy(ctx, peer, "projects/123456789012/iap_web/appengine-dev-project/services/default", granting("user:alice@example.com")); err != nil {
		t.Errorf("the policy of a service that a manifest owns: %v", err)
	}
	if plan := f.apply(t, admin.ApplyOptions{}, everything()...); len(plan.Changes) != 0 {
		t.Errorf("applying again undoes it: %v", changes(plan))
	}
	account, err := f.Account(ctx, principal.User, "carol@example.com")
	if err != nil || !account.Disabled || !account.HasPassword {
		t.Errorf("%+v, %v", account, err)
	}
}

func TestManyDocumentsOfAnotherManifestAreOneNote(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.apply(t, admin.ApplyOptions{}, group("first@example.com"), group("second@example.com"))
	both := f.apply(t, admin.ApplyOptions{Source: other}, group("first@example.com"), group("second@example.com"))
	if len(both.Notes) != 1 || !strings.Contains(both.Notes[0], "2 documents are as declared") {
		t.Errorf("the notes are %q", both.Notes)
	}
}

func TestAManifestTakesOverWhatItIsToldTo(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.apply(t, admin.ApplyOptions{}, group("team@example.com"))
	same := f.apply(t, admin.ApplyOptions{Source: other}, group("team@example.com"))
	if len(same.Notes) != 1 || same.Adopted != 0 || f.owners(t)[0].Source != apps {
		t.Errorf("what another manifest declares alike is taken: %+v", same)
	}
	changed := group("team@example.com", "alice@example.com")
	f.refuse(t, admin.ApplyOptions{Source: other}, changed)
	f.apply(t, admin.ApplyOptions{Source: other, TakeOver: true}, changed)
	if owners := f.owners(t); len(owners) != 1 || owners[0].Source != other {
		t.Errorf("owned is %v", owners)
	}
	f.refuse(t, admin.ApplyOptions{}, group("team@example.com"))
	nobody := changed
	nobody.Source = ""
	f.apply(t, admin.ApplyOptions{TakeOver: true}, nobody)
	if owners := f.owners(t); len(owners) != 0 {
		t.Errorf("taken over by nobody, and still owned: %v", owners)
	}
}

func TestADocumentMovesBetweenFilesThatAreAppliedTogether(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	one, two := group("one@example.com"), group("two@example.com")
	two.Source = other
	f.apply(t, admin.ApplyOptions{}, one, two)
	moved := group("one@example.com", "alice@example.com")
	moved.Source = other
	stay := group("three@example.com")
	plan := f.apply(t, admin.ApplyOptions{Prune: true}, moved, two, stay)
	if got := changes(plan); !slices.Equal(got, []string{"Group one@example.com updated", "Group three@example.com created"}) {
		t.Errorf("%v", got)
	}
	for _, owner := range f.owners(t) {
		if want := map[bool]string{true: apps, false: other}[owner.Key == "three@example.com"]; owner.Source != want {
			t.Errorf("%s belongs to %s", owner.Key, owner.Source)
		}
	}
}

func TestWhatIsThereAlreadyIsAdopted(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	documents, err := f.Export(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if plan := f.apply(t, admin.ApplyOptions{}, documents...); !emptyPlan(plan) || len(f.owners(t)) != 0 {
		t.Errorf("without a source: %+v", plan)
	}
	plan := f.apply(t, admin.ApplyOptions{Source: apps}, documents...)
	if len(plan.Changes) != 0 || plan.Adopted != len(documents)-1 || len(f.owners(t)) != len(documents)-1 {
		t.Errorf("%+v", plan)
	}
}

func emptyPlan(p admin.Plan) bool { return len(p.Changes)+p.Adopted+len(p.Notes) == 0 }
