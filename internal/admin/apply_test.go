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
// The number that applications know a person by stands for one person, whoever asks and wherever it is from.
func TestADryRunKnowsWhoHasASubjectAlready(t *testing.T) {
	t.Parallel()
	const number, linked, both, unknown = "123456789012345678901", "555555555555555555555", "777777777777777777777", "888888888888888888888"
	with := func(email, subject string) admin.Document {
		d := user(email)
		d.User.Subject = subject
		return d
	}
	f := newFixture(t)
	f.apply(t, admin.ApplyOptions{}, with("first@example.com", number), provider("corp", "corp.example"))
	f.signedIn(t, "corp", "x", linked, "y@corp.example")
	for says, documents := range map[string][]admin.Document{
		"first@example.com":                 {with("second@example.com", number)},
		"y@corp.example at https://corp":    {with("second@example.com", linked)},
		"User one@example.com":              {with("one@example.com", both), with("two@example.com", both)},
		"would take the two for one person": {with("first@example.com", number), with("second@example.com", number)},
		"and never changes":                 {with("first@example.com", unknown)},
	} {
		for _, dry := range []bool{true, false} {
			faults := f.refuse(t, admin.ApplyOptions{DryRun: dry}, documents...)
			if len(faults) != 1 || faults[0].Path != "spec.subject" || !strings.Contains(faults[0].Text, says) {
				t.Errorf("dry run %v: %v, not %q", dry, faults, says)
			}
		}
	}
	// Somebody who goes leaves the number to whoever takes the place in the same step.
	plan := f.apply(t, admin.ApplyOptions{Prune: true}, with("renamed@example.com", number), provider("corp", "corp.example"))
	if got := changes(plan); !slices.Equal(got, []string{"User first@example.com deleted", "User renamed@example.com created"}) {
		t.Errorf("%v", got)
	}
}

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
	if entries, err := f.AuditEntries(t.Context(), 2); err != nil || entries[1].Action != "users.setPassword" {
		t.Errorf("the entry is %+v, %v", entries, err)
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
