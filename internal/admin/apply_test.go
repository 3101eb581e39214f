package admin_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse-iap/gatehouse/internal/admin"
	"github.com/gatehouse-iap/gatehouse/internal/audit"
	"github.com/gatehouse-iap/gatehouse/internal/catalog"
	"github.com/gatehouse-iap/gatehouse/internal/directory"
	"github.com/gatehouse-iap/gatehouse/internal/identityprovider"
	"github.com/gatehouse-iap/gatehouse/internal/policy/iam"
	"github.com/gatehouse-iap/gatehouse/internal/principal"
	"github.com/gatehouse-iap/gatehouse/internal/resource"
	"github.com/gatehouse-iap/gatehouse/internal/session"
)

const (
	apps  = "/etc/gatehouse/apps.yaml"
	other = "/etc/gatehouse/other.yaml"
)

func backend(name string) admin.Document {
	return admin.Document{Kind: admin.KindBackendService, Name: name, Source: apps, Service: &catalog.Service{
		Service: resource.Service{Kind: resource.BackendService}, Hosts: []string{name + ".example.com"}, Upstream: "http://127.0.0.1:9",
	}}
}

func policyOf(service string, members ...string) admin.Document {
	return admin.Document{Kind: admin.KindIamPolicy, Name: service, Source: apps, Policy: &admin.DeclaredPolicy{
		Resource: "projects/dev-project/iap_web/compute/services/" + service, Policy: granting(members...),
	}}
}

func user(email string) admin.Document {
	return admin.Document{Kind: admin.KindUser, Name: email, Source: apps, User: &admin.DeclaredUser{DisplayName: "somebody"}}
}

func group(email string, members ...string) admin.Document {
	return admin.Document{Kind: admin.KindGroup, Name: email, Source: apps, Group: &directory.Group{Members: members}}
}

func provider(name string, domains ...string) admin.Document {
	return admin.Document{Kind: admin.KindIdentityProvider, Name: name, Source: apps, Provider: &identityprovider.Provider{
		Kind: identityprovider.OIDC, Domains: domains, OIDC: &identityprovider.OIDCConfig{
			Issuer: "https://" + name + ".example", ClientID: name, ClientSecret: &identityprovider.Secret{Env: "SECRET"},
		},
	}}
}

// everything is one document of each kind that stores something.
func everything() []admin.Document {
	return []admin.Document{
		backend("wiki"), policyOf("wiki", "group:team@example.com"), user("carol@example.com"),
		group("team@example.com", "carol@example.com", "alice@example.com"), provider("corp", "corp.example"),
		{Kind: admin.KindProject, Name: "dev-project", Source: apps, Project: &admin.DeclaredProject{Number: 123456789012}},
		{Kind: admin.KindCloudRunService, Name: "run", Source: apps, Service: &catalog.Service{
			Service: resource.Service{Kind: resource.CloudRunService, Region: "europe-west1"}, Hosts: []string{"run.example.com"}, Upstream: "http://127.0.0.1:9",
		}},
		{Kind: admin.KindAppEngineApp, Name: "engine", Source: apps, Service: &catalog.Service{
			Service: resource.Service{Kind: resource.AppEngineApp}, Hosts: []string{"engine.example.com"}, Upstream: "http://127.0.0.1:9",
		}},
	}
}

func (f *fixture) apply(t *testing.T, o admin.ApplyOptions, documents ...admin.Document) admin.Plan {
	t.Helper()
	plan, err := f.Apply(t.Context(), peer, documents, o)
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

// refuse applies documents that are refused, and returns the faults. Nothing may have changed.
func (f *fixture) refuse(t *testing.T, o admin.ApplyOptions, documents ...admin.Document) admin.Faults {
	t.Helper()
	before := f.lastEntry(t).Seq
	_, err := f.Apply(t.Context(), peer, documents, o)
	var faults admin.Faults
	if !errors.As(err, &faults) {
		t.Fatalf("the answer is %v", err)
	}
	if f.lastEntry(t).Seq != before {
		t.Error("what was refused has changed something")
	}
	return faults
}

func changes(plan admin.Plan) (lines []string) {
	for _, c := range plan.Changes {
		lines = append(lines, fmt.Sprintf("%s %s %s", c.Kind, c.Name, c.Action))
	}
	slices.Sort(lines)
	return lines
}

func TestApplyingTwiceChangesNothingTheSecondTime(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	first := f.apply(t, admin.ApplyOptions{}, everything()...)
	if len(first.Changes) != 7 || first.Unchanged != 1 {
		t.Fatalf("the first time: %v, %d unchanged", changes(first), first.Unchanged)
	}
	if f.settled.Load() != f.lastEntry(t).Seq {
		t.Error("the answer came before requests see the change")
	}
	last := f.lastEntry(t)
	if last.Action != "manifests.apply" || last.Target != apps || last.Actor != peer || decode[admin.Summary](t, last.After) != (admin.Summary{Created: 7, Unchanged: 1}) {
		t.Errorf("the entry is %+v %s", last, last.After)
	}
	second := f.apply(t, admin.ApplyOptions{}, everything()...)
	if len(second.Changes) != 0 || second.Unchanged != 8 || second.Adopted != 0 {
		t.Errorf("the second time: %+v", second)
	}
	if f.lastEntry(t).Seq != last.Seq {
		t.Error("what changes nothing leaves an entry")
	}
}

func TestEachChangeHasAnEntryOfItsOwn(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.apply(t, admin.ApplyOptions{}, everything()...)
	entries, err := f.AuditEntries(t.Context(), 8)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Action+" "+e.Target)
		if e.Actor != peer || len(e.After) == 0 {
			t.Errorf("the entry is %+v", e)
		}
		for _, secret := range []string{"SECRET VALUE", "hash of"} {
			if strings.Contains(string(e.After), secret) {
				t.Errorf("%s tells a secret", e.Action)
			}
		}
	}
	wiki := "projects/123456789012/iap_web/compute/services/" + admin.BackendServiceID(123456789012, "wiki")
	for _, want := range []string{"services.put " + wiki, "iam.setIamPolicy " + wiki, "users.create carol@example.com", "groups.create team@example.com", "identityProviders.put corp"} {
		if !slices.Contains(got, want) {
			t.Errorf("no entry %s among %v", want, got)
		}
	}
}

func TestOneFaultAndNothingIsApplied(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	bad := backend("bad")
	bad.Service.Hosts = []string{"app.localhost", "a b"}
	faults := f.refuse(t, admin.ApplyOptions{}, append(everything(), bad)...)
	if len(faults) != 1 || faults[0].Path != "spec.hosts[1]" || faults[0].Document != 8 {
		t.Errorf("the faults are %v", faults)
	}
	services, err := f.Services(t.Context())
	if err != nil || len(services) != 1 {
		t.Errorf("there are %d services, %v", len(services), err)
	}
}

func TestAWriteThatFailsUndoesTheOthers(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	before := f.lastEntry(t).Seq
	ctx, cancel := context.WithCancel(t.Context())
	_, err := f.Apply(ctx, peer, everything(), admin.ApplyOptions{Progress: func(done, _ int) {
		if done == 3 {
			cancel()
		}
	}})
	if err == nil {
		t.Fatal("applied, although the caller went away")
	}
	if services, err := f.Services(t.Context()); err != nil || len(services) != 1 || f.lastEntry(t).Seq != before {
		t.Errorf("there are %d services, %v", len(services), err)
	}
	if owners := f.owners(t); len(owners) != 0 {
		t.Errorf("%v are owned", owners)
	}
}

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

func TestADryRunSaysWhatWouldChangeAndChangesNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	before := f.lastEntry(t).Seq
	dry := f.apply(t, admin.ApplyOptions{DryRun: true}, everything()...)
	if f.lastEntry(t).Seq != before || len(f.owners(t)) != 0 {
		t.Error("a dry run has changed something")
	}
	if wet := f.apply(t, admin.ApplyOptions{}, everything()...); !slices.Equal(changes(dry), changes(wet)) {
		t.Errorf("the dry run promised %v, and %v happened", changes(dry), changes(wet))
	}
}

// TestEveryOtherWriterOfWhatAManifestOwnsIsRefused has one line for each operation that could undo a manifest.
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
		"deleting the user":    func() error { _, err := f.DeleteAccount(ctx, peer, principal.User, "carol@example.com"); return err },
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

func TestAnEtagInADocumentIsRespected(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.apply(t, admin.ApplyOptions{}, backend("wiki"))
	name := resource.Service{Kind: resource.BackendService, ProjectNumber: 123456789012, ID: admin.BackendServiceID(123456789012, "wiki")}.Name()
	read, err := f.SetIamPolicy(t.Context(), peer, name, granting("user:alice@example.com"))
	if err != nil {
		t.Fatal(err)
	}
	changed, err := f.SetIamPolicy(t.Context(), peer, name, granting("user:alice@example.com", "user:bob@example.com"))
	if err != nil {
		t.Fatal(err)
	}
	document := policyOf("wiki", "user:carol@example.com")
	document.Policy.Policy.Etag = read.Etag
	if faults := f.refuse(t, admin.ApplyOptions{}, document); !errors.Is(faults, iam.ErrEtag) || faults[0].Path != "spec.etag" {
		t.Errorf("%v", faults)
	}
	document.Policy.Policy.Etag = changed.Etag
	f.apply(t, admin.ApplyOptions{}, document)
	if plan := f.apply(t, admin.ApplyOptions{}, document); len(plan.Changes) != 0 { // the etag is old by now, and nothing is to be done
		t.Errorf("%v", changes(plan))
	}
}

func TestAPolicyIsTheSameHoweverItIsGrouped(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.apply(t, admin.ApplyOptions{}, backend("wiki"), policyOf("wiki", "user:alice@example.com", "user:bob@example.com"))
	document := policyOf("wiki", "User:nobody@example.com")
	document.Policy.Policy.Bindings = []iam.Binding{
		{Role: iam.RoleHTTPSResourceAccessor, Members: []string{"user:Bob@Example.com"}},
		{Role: iam.RoleHTTPSResourceAccessor, Members: []string{"user:alice@example.com", "user:bob@example.com"}},
	}
	if plan := f.apply(t, admin.ApplyOptions{}, document); len(plan.Changes) != 0 {
		t.Errorf("%v", changes(plan))
	}
}

func hashFile(t *testing.T, content string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "hash")
	if err := os.WriteFile(name, []byte(content+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestAPasswordHashIsReadByTheServerAndItsChangeEndsSessions(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.CheckHash = func(hash string) error {
		if !strings.HasPrefix(hash, "hash of ") {
			return errors.New("not a hash")
		}
		return nil
	}
	f.openSession(t, "alice@example.com", now)
	document := user("alice@example.com")
	document.User.HostedDomain = "example.com"
	document.User.PasswordHash = &identityprovider.Secret{File: hashFile(t, "hash of second")}
	plan := f.apply(t, admin.ApplyOptions{}, document)
	if got := changes(plan); !slices.Equal(got, []string{"User alice@example.com updated"}) {
		t.Fatalf("%v", got)
	}
	if plan.Changes[0].Before.User.PasswordHash != nil || plan.Changes[0].After.User.PasswordHash == nil {
		t.Error("the plan does not show that the password changes")
	}
	if sessions, err := f.Sessions(t.Context(), session.Filter{}); err != nil || len(sessions) != 0 {
		t.Errorf("%d sessions live on, %v", len(sessions), err)
	}
	var stored directory.Account
	err := f.Store.View(t.Context(), func(tx admin.Tx) (err error) {
		stored, err = tx.Directory().Account(t.Context(), "alice@example.com")
		return err
	})
	if err != nil || stored.PasswordHash != "hash of second" {
		t.Errorf("stored is %q, %v", stored.PasswordHash, err)
	}
	for says, secret := range map[string]identityprovider.Secret{
		"no such file":              {File: "/nonexistent/hash"},
		"what is no hash":           {File: hashFile(t, "hunter2")},
		"an empty file":             {File: hashFile(t, "")},
		"an environment without it": {Env: "GATEHOUSE_TEST_NOT_SET"},
		"both":                      {Env: "A", File: "/b"},
		"neither":                   {},
	} {
		document.User.PasswordHash = &secret
		faults := f.refuse(t, admin.ApplyOptions{}, document)
		if len(faults) != 1 || faults[0].Path != "spec.passwordHash" || strings.Contains(faults.Error(), "hunter2") {
			t.Errorf("%s: %v", says, faults)
		}
	}
}

func TestDocumentsAreComparedWithWhatIsThere(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.apply(t, admin.ApplyOptions{Source: other}, provider("corp", "corp.example"), group("theirs@example.com"))
	if _, err := f.CreateAccount(t.Context(), peer, directory.Account{Kind: principal.ServiceAccount, Email: "robot@dev-project.iam.gserviceaccount.com"}, ""); err != nil {
		t.Fatal(err)
	}
	sameHost := backend("wiki")
	sameHost.Service.Hosts = []string{"free.example.com", "App.localhost"}
	sameName := backend("app")
	sameName.Service.ID = "5"
	foreign := backend("wiki")
	foreign.Service.ProjectID = "other-project"
	sub := user("alice@example.com")
	sub.User.Subject = "123456789012345678901"
	dangling := policyOf("gone", "allUsers")
	versions := policyOf("app/versions/v1", "allUsers")
	for says, test := range map[string]struct {
		document admin.Document
		path     string
		text     string
	}{
		"a host that another service has":          {sameHost, "spec.hosts[1]", "belongs to the service app"},
		"a name that another service has":          {sameName, "metadata.name", "is called that already"},
		"a service of another project":             {foreign, "spec.project", "this server's is dev-project, number 123456789012"},
		"a project that is not the server's":       {admin.Document{Kind: admin.KindProject, Name: "other-project", Project: &admin.DeclaredProject{Number: 1}}, "metadata.name", "a server has one project"},
		"a project with another number":            {admin.Document{Kind: admin.KindProject, Name: "dev-project", Project: &admin.DeclaredProject{Number: 1}}, "spec.projectNumber", "a server has one project"},
		"a policy of a service that is nowhere":    {dangling, "spec.resource", "there is no service"},
		"a policy of a version":                    {versions, "spec.resource", "services have no versions"},
		"a domain that another provider lists":     {provider("rival", "corp.example"), "spec", "corp.example"},
		"a user with the address of a group":       {user("theirs@example.com"), "metadata.name", "that of a group"},
		"a group with the address of a user":       {group("alice@example.com"), "metadata.name", "that of a user"},
		"a user with that of a service account":    {user("robot@dev-project.iam.gserviceaccount.com"), "metadata.name", "service account"},
		"another subject than the person has":      {sub, "spec.subject", "never changes"},
		"a document that holds something else":     {admin.Document{Kind: admin.KindUser, Name: "x@example.com", Group: &directory.Group{}}, "", "does not fit"},
		"a document of an unknown kind":            {admin.Document{Kind: "Tenant", Name: "x", Group: &directory.Group{}}, "", "does not fit"},
		"a document without a name":                {admin.Document{Kind: admin.KindIamPolicy, Policy: &admin.DeclaredPolicy{Resource: "projects/dev-project"}}, "metadata.name", "empty"},
		"a name that a terminal would act on":      {admin.Document{Kind: admin.KindIamPolicy, Name: "\x1b[2J", Policy: &admin.DeclaredPolicy{Resource: "projects/dev-project"}}, "metadata.name", "does not print"},
		"a resource that is none":                  {admin.Document{Kind: admin.KindIamPolicy, Name: "x", Policy: &admin.DeclaredPolicy{Resource: "folders/1"}}, "spec.resource", "is not projects/NUMBER"},
		"the app of another project on App Engine": {admin.Document{Kind: admin.KindIamPolicy, Name: "x", Policy: &admin.DeclaredPolicy{Resource: "projects/dev-project/iap_web/appengine-other-project"}}, "spec.resource", "the app of this project is dev-project"},
	} {
		faults := f.refuse(t, admin.ApplyOptions{}, test.document)
		if len(faults) != 1 || faults[0].Path != test.path || !strings.Contains(faults[0].Text, test.text) {
			t.Errorf("%s: %v (at %q)", says, faults, faults[0].Path)
		}
	}
}

func TestAServiceWithoutANumberIsTheOneOfItsName(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	document := backend("app")
	plan := f.apply(t, admin.ApplyOptions{}, document)
	if got := changes(plan); !slices.Equal(got, []string{"BackendService app updated"}) || plan.Changes[0].After.Service.ID != app.ID {
		t.Errorf("%v", got)
	}
	if a, b := admin.BackendServiceID(1, "a"), admin.BackendServiceID(1, "b"); len(a) != 19 || a == b || a != admin.BackendServiceID(1, "a") {
		t.Errorf("derived numbers are %s and %s", a, b)
	}
}

func TestAnUpdateThatFreesAHostGoesWithTheOneThatTakesIt(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.apply(t, admin.ApplyOptions{}, backend("one"), backend("two"))
	one, two := backend("one"), backend("two")
	one.Service.Hosts, two.Service.Hosts = two.Service.Hosts, one.Service.Hosts
	if got := changes(f.apply(t, admin.ApplyOptions{}, one, two)); len(got) != 2 {
		t.Errorf("%v", got)
	}
	heir := backend("three")
	heir.Service.Hosts = one.Service.Hosts
	if got := changes(f.apply(t, admin.ApplyOptions{Prune: true}, heir, two)); !slices.Equal(got, []string{"BackendService one deleted", "BackendService three created"}) {
		t.Errorf("%v", got)
	}
}

func TestAProviderThatIsSwitchedOffInADocumentVouchesForNobody(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	corp, local := provider("corp", "corp.example"), provider("local", "*")
	local.Provider = &identityprovider.Provider{Kind: identityprovider.Local, Domains: []string{"*"}}
	f.apply(t, admin.ApplyOptions{}, corp, local)
	record := session.Record{
		ID: session.NewID(), AuthTime: now, Created: now, Expires: now.Add(1 << 40), LastSeen: now,
		Identity: principal.Identity{Kind: principal.User, Provider: "corp", Subject: "123456789012345678901", Email: "dora@corp.example"},
	}
	if err := f.db.OpenSession(t.Context(), record); err != nil {
		t.Fatal(err)
	}
	corp.Provider.Disabled = true
	f.apply(t, admin.ApplyOptions{}, corp, local)
	if _, err := f.db.Session(t.Context(), record.ID); !errors.Is(err, session.ErrNotFound) {
		t.Errorf("the session lives on: %v", err)
	}
}

func TestChangesNeedAnAuthor(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	if _, err := f.Apply(t.Context(), audit.Actor{}, everything(), admin.ApplyOptions{}); err == nil {
		t.Error("applied by nobody")
	}
}
