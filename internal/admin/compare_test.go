package admin_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse-iap/gatehouse/internal/admin"
	"github.com/gatehouse-iap/gatehouse/internal/directory"
	"github.com/gatehouse-iap/gatehouse/internal/principal"
)

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
	sameClient := backend("wiki")
	sameClient.Service.OAuthClientID = app.OAuthClientID
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
		"an OAuth client id that another has":      {sameClient, "spec.oauthClientId", "that of the service app already"},
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

func TestFaultsAndSourcesDoNothingToATerminal(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	faults := f.refuse(t, admin.ApplyOptions{}, group("\x1b[2J\u202e@example.com"))
	if text := faults.Error(); strings.ContainsAny(text, "\x1b\u202e") {
		t.Errorf("%q", text)
	}
	if _, err := f.Apply(t.Context(), peer, []admin.Document{group("a@example.com")}, admin.ApplyOptions{Source: "/etc/\x1b[2J"}); !errors.Is(err, admin.ErrInvalid) {
		t.Errorf("a source with an escape: %v", err)
	}
}
