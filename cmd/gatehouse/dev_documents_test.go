package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse-iap/gatehouse/internal/emulator"
)

func writeDocument(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "documents.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

const (
	wikiDocument = "apiVersion: gatehouse.dev/v1\nkind: BackendService\nmetadata: {name: wiki}\nspec: {hosts: [wiki.example.com], upstream: \"https://10.0.0.7\"}\n---\n"
	runDocument  = "apiVersion: gatehouse.dev/v1\nkind: CloudRunService\nmetadata: {name: run}\nspec: {region: us-east4, hosts: [run.example.com], upstream: \"https://10.0.0.8\"}\n---\n"
	projDocument = "apiVersion: gatehouse.dev/v1\nkind: Project\nmetadata: {name: prod-project}\nspec: {projectNumber: 4711}\n---\n"
	userDocument = "apiVersion: gatehouse.dev/v1\nkind: User\nmetadata: {name: carol@example.com}\nspec: {passwordHash: {file: /secret}}\n---\n"
	provDocument = "apiVersion: gatehouse.dev/v1\nkind: IdentityProvider\nmetadata: {name: corp}\nspec: {kind: oidc, domains: [corp.example], oidc: {issuer: \"https://corp.example\", clientId: x, clientSecret: {env: NOWHERE}}}\n---\n"
)

func TestTheAppIsTheServiceThatTheManifestsDeclare(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		text      string
		documents devDocuments
		protected emulator.Protected
		audience  string
		fails     string
	}{
		"the only one":                   {wikiDocument, devDocuments{}, emulator.Protected{}, "/projects/123456789012/global/backendServices/", ""},
		"in the project that they name":  {projDocument + runDocument, devDocuments{}, emulator.Protected{}, "/projects/4711/locations/us-east4/services/run", ""},
		"the one that is named":          {wikiDocument + runDocument, devDocuments{service: "run"}, emulator.Protected{}, "/projects/123456789012/locations/us-east4/services/run", ""},
		"one of several":                 {wikiDocument + runDocument, devDocuments{}, emulator.Protected{}, "", "--service NAME"},
		"one that is not there":          {wikiDocument, devDocuments{service: "run"}, emulator.Protected{}, "", "no such service (wiki)"},
		"none, where a flag says so":     {wikiDocument, devDocuments{}, emulator.Protected{AppEngine: true}, "/projects/123456789012/apps/dev-project", ""},
		"none, where none is declared":   {userDocument, devDocuments{}, emulator.Protected{}, "/projects/123456789012/global/backendServices/1234567890123456789", ""},
		"none, where they are malformed": {"kind: Nothing", devDocuments{}, emulator.Protected{}, "", "documents.yaml:1"},
	} {
		c.documents.manifests = []string{writeDocument(t, c.text)}
		o := emulator.Options{Protected: c.protected}
		_, err := c.documents.apply(&o)
		if c.fails != "" {
			if err == nil || !strings.Contains(err.Error(), c.fails) {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		audience := ""
		if o.Protected.Declared != nil {
			audience = o.Protected.Declared.Audience()
		} else if service, err := o.Protected.Service(); err == nil {
			audience = service.Audience()
		}
		if err != nil || !strings.HasPrefix(audience, c.audience) {
			t.Errorf("%s: %s %v", name, audience, err)
		}
	}
}

func TestNothingOfProductionIsReachedFromALaptop(t *testing.T) {
	t.Parallel()
	documents, err := readDocuments([]string{writeDocument(t, wikiDocument+userDocument+provDocument)}, "")
	if err != nil {
		t.Fatal(err)
	}
	adapted, declared, notes := adapt(documents, func(string) bool { return false })
	if len(adapted) != 2 || len(notes) != 2 || !slices.Equal(declared.Accounts, []string{"carol@example.com"}) || !slices.Equal(declared.Hosts, []string{"wiki.localhost"}) {
		t.Errorf("%+v %+v %v", adapted, declared, notes)
	}
	for _, d := range adapted {
		if d.Source != "" || d.Service != nil && (d.Service.Upstream != "http://127.0.0.1:1" || d.Service.Hosts[0] != "wiki.localhost") || d.User != nil && d.User.PasswordHash != nil {
			t.Errorf("%+v", d)
		}
	}
}

func TestAFlagTakesOneDocumentOfItsKind(t *testing.T) {
	t.Parallel()
	for name, d := range map[string]devDocuments{
		"settings as policy": {policy: writeDocument(t, "name: projects/1/iap_web\naccessSettings: {corsSettings: {allowHttpOptions: true}}\n")},
		"a manifest of many": {policy: writeDocument(t, wikiDocument+userDocument)},
		"a policy elsewhere": {settings: writeDocument(t, `{"bindings":[],"etag":"x"}`)},
		"a file that is not": {policy: "/no/such/file"},
	} {
		if _, err := d.apply(&emulator.Options{}); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
