package manifest_test

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/gatehouse-iap/gatehouse/internal/admin"
	"github.com/gatehouse-iap/gatehouse/internal/manifest"
	"github.com/gatehouse-iap/gatehouse/internal/regularfile"
	"github.com/gatehouse-iap/gatehouse/internal/resource"
)

var update = flag.Bool("update", false, "write testdata/faults.txt")

func parse(text string) ([]manifest.Document, error) {
	return manifest.Parse([]manifest.Input{{Name: "in.yaml", Source: "/in.yaml", Dir: "/etc/gatehouse", Data: []byte(text)}}, manifest.Options{})
}

// one is a document of a kind.
func one(kind, name, spec string) string {
	return "apiVersion: gatehouse.dev/v1\nkind: " + kind + "\nmetadata: {name: " + name + "}\nspec: " + spec + "\n"
}

func faultsOf(t *testing.T, err error) admin.Faults {
	t.Helper()
	var faults admin.Faults
	if !errors.As(err, &faults) {
		t.Fatalf("the answer is %v", err)
	}
	return faults
}

func TestAllFaultsOfAFileAreToldAtOnceWithTheirPlaces(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("testdata/faults.yaml")
	if err != nil {
		t.Fatal(err)
	}
	_, err = manifest.Parse([]manifest.Input{{Name: "faults.yaml", Data: text}}, manifest.Options{})
	var got strings.Builder
	for _, fault := range faultsOf(t, err) {
		got.WriteString(fault.String() + "\n")
	}
	const golden = "testdata/faults.txt"
	if *update {
		if err := os.WriteFile(golden, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got.String() != string(want) {
		t.Errorf("the faults are\n%s", got.String())
	}
	if strings.Contains(got.String(), "hunter2") {
		t.Error("a secret in the wrong place is repeated")
	}
}

func TestKindsBecomeWhatTheyDeclare(t *testing.T) {
	t.Parallel()
	documents, err := parse(one("BackendService", "wiki", "{hosts: [wiki.example.com], pathPrefixes: [/a, /b/], upstream: 'http://10.0.0.7', upstreamHost: inner, iap: {enabled: false}, oauthClientId: c, id: 12}") +
		"---\n" + one("AppEngineApp", "engine", "{hosts: [engine.example.com], upstream: 'http://10.0.0.7'}") +
		"---\n" + one("CloudRunService", "run", "{region: europe-west1, service: web, hosts: [run.example.com], upstream: 'http://10.0.0.7'}") +
		"---\n" + one("User", "Carol@example.com", "{displayName: Carol, disabled: true, passwordHash: {file: carol.hash}, subject: '123456789012345678901'}") +
		"--- # a comment\n" + one("Group", "team@example.com", "{members: [carol@example.com], description: those}") +
		"---\n" + one("IamPolicy", "wiki", "{resource: projects/p-one-two, version: 3, etag: ACAB, bindings: [{role: roles/owner, members: ['user:carol@example.com']}]}") +
		"---\n\n---\n# nothing\n---\n" + one("IdentityProvider", "corp", "{kind: oidc, domains: [example.com], oidc: {issuer: 'https://i.example', clientId: c, clientSecret: {file: /run/secret}, caFile: ca.pem}, groups: {table: {a: g@example.com}}}"))
	if err != nil {
		t.Fatal(err)
	}
	if len(documents) != 7 {
		t.Fatalf("there are %d documents", len(documents))
	}
	wiki, run, carol, policy, corp := documents[0].Service, documents[2].Service, documents[3].User, documents[5].Policy, documents[6].Provider
	if wiki.ID != "12" || !wiki.IAPDisabled || wiki.OAuthClientID != "c" || wiki.UpstreamHost != "inner" || !slices.Equal(wiki.PathPrefixes, []string{"/a", "/b/"}) {
		t.Errorf("%+v", wiki)
	}
	if documents[1].Service.IAPDisabled {
		t.Error("iap is on unless it is written off")
	}
	if run.ID != "web" || run.Region != "europe-west1" || run.Kind != resource.CloudRunService {
		t.Errorf("%+v", run)
	}
	if !*carol.Disabled || carol.PasswordHash.File != "/etc/gatehouse/carol.hash" || carol.Subject != "123456789012345678901" {
		t.Errorf("%+v", carol)
	}
	if policy.Policy.Etag != "ACAB" || policy.Policy.Version != 3 || len(policy.Policy.Bindings) != 1 {
		t.Errorf("%+v", policy)
	}
	if corp.OIDC.ClientSecret.File != "/run/secret" || corp.OIDC.CAFile != "/etc/gatehouse/ca.pem" || corp.Groups.Table["a"] != "g@example.com" {
		t.Errorf("%+v", corp)
	}
	for _, d := range documents {
		if d.Source != "/in.yaml" {
			t.Errorf("%s belongs to %q", d.Name, d.Source)
		}
	}
}

func TestAPolicyAsGcloudPrintsItNeedsItsResource(t *testing.T) {
	t.Parallel()
	const bare = `{"bindings": [{"role": "roles/iap.httpsResourceAccessor", "members": ["user:alice@example.com"]}], "etag": "ACAB", "version": 1}`
	in := []manifest.Input{{Name: "policy.json", Data: []byte(bare)}}
	documents, err := manifest.Parse(in, manifest.Options{Resource: "projects/dev-project/iap_web"})
	if err != nil || len(documents) != 1 || documents[0].Policy.Resource != "projects/dev-project/iap_web" || documents[0].Policy.Policy.Etag != "ACAB" {
		t.Errorf("%+v, %v", documents, err)
	}
	if _, err := manifest.Parse(in, manifest.Options{}); !strings.Contains(faultsOf(t, err)[0].Text, "--resource") {
		t.Errorf("%v", err)
	}
	in[0].Data = []byte("bindings:\n- role: roles/nonsense\n  members: ['user:alice@example.com']\n  condition: {}\n")
	_, err = manifest.Parse(in, manifest.Options{Resource: "projects/dev-project/iap_web"})
	if faults := faultsOf(t, err); len(faults) != 2 || faults[0].Where != "policy.json:2:9" || faults[1].Where != "policy.json:4:3" {
		t.Errorf("%v", faults)
	}
}

func TestADirectoryIsReadWithAllBelowItAndWithoutWhatIsHidden(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		file := filepath.Join(dir, filepath.FromSlash(name))
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	write("b.yaml", one("Group", "b@example.com", "{}"))
	write("a.yml", one("Group", "a@example.com", "{}"))
	write("sub/c.json", `{"apiVersion": "gatehouse.dev/v1", "kind": "User", "metadata": {"name": "c@example.com"}, "spec": {"passwordHash": {"file": "hash"}}}`)
	write(".hidden/d.yaml", "nonsense: {")
	write(".e.yaml", "nonsense: {")
	write("notes.txt", "nonsense: {")
	// As a Kubernetes ConfigMap is mounted: the file is a link into a hidden directory.
	write("..data/f.yaml", one("Group", "f@example.com", "{}"))
	if err := os.Symlink("..data/f.yaml", filepath.Join(dir, "f.yaml")); err != nil {
		t.Fatal(err)
	}
	documents, err := manifest.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, d := range documents {
		names = append(names, d.Name)
		if d.Source != dir {
			t.Errorf("%s belongs to %s", d.Name, d.Source)
		}
	}
	if want := []string{"a@example.com", "b@example.com", "f@example.com", "c@example.com"}; !slices.Equal(names, want) {
		t.Errorf("%v", names)
	}
	if got, want := documents[3].User.PasswordHash.File, filepath.Join(dir, "sub", "hash"); got != want {
		t.Errorf("the hash of c is in %s, want %s", got, want)
	}
	if _, err := manifest.Load(dir, filepath.Join(dir, "missing.yaml"), filepath.Join(dir, "gone")); err == nil || strings.Count(err.Error(), "no such file") != 2 {
		t.Errorf("two paths that are not there: %v", err)
	}
	if documents, err := manifest.Load(filepath.Join(dir, "b.yaml")); err != nil || documents[0].Source != filepath.Join(dir, "b.yaml") {
		t.Errorf("%v, %v", documents, err)
	}
}

// Whoever deploys by switching a symbolic link, as many do, must not apply nothing.
func TestASymbolicLinkToADirectoryIsReadAsTheDirectory(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	if err := errors.Join(
		os.MkdirAll(at("release/team"), 0o755), os.Symlink("release", at("current")),
		os.WriteFile(at("release/team/a.yaml"), []byte("apiVersion: gatehouse.dev/v1\nkind: User\nmetadata: {name: a@example.com}\nspec: {passwordHash: {file: hash}}\n"), 0o600),
	); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{at("release"), at("release") + "/", at("current"), at("current") + "/"} {
		documents, err := manifest.Load(path)
		if err != nil || len(documents) != 1 {
			t.Errorf("%s: %d documents, %v", path, len(documents), err)
			continue
		}
		clean := filepath.Clean(path)
		if d := documents[0]; d.Source != clean || d.User.PasswordHash.File != clean+"/team/hash" || d.At.Locate("") != clean+"/team/a.yaml:1:1" {
			t.Errorf("%s: of %s, hash in %s, at %s", path, d.Source, d.User.PasswordHash.File, d.At.Locate(""))
		}
	}
	// Within a directory a link could lead in a circle. It is told, not passed over.
	if err := os.Symlink("../release/team", at("release/others")); err != nil {
		t.Fatal(err)
	}
	if _, err := manifest.Load(at("release")); err == nil || !strings.Contains(err.Error(), "release/others is a symbolic link to a directory") {
		t.Errorf("a link within: %v", err)
	}
}

func TestAPipeAmongManifestsIsRefusedAtOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	pipe := filepath.Join(dir, "a.yaml")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{dir, pipe} {
		if _, err := manifest.Load(path); !errors.Is(err, regularfile.ErrNotRegular) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func TestFaultsOfSeveralFilesNameTheirFiles(t *testing.T) {
	t.Parallel()
	_, err := manifest.Parse([]manifest.Input{
		{Name: "one.yaml", Data: []byte(one("BackendService", "wiki", "{hosts: [wiki.example.com], upstream: 'http://x'}"))},
		{Name: "two.yaml", Data: []byte(one("BackendService", "wiki", "{hosts: [wiki.example.com], upstream: 'http://x'}"))},
	}, manifest.Options{})
	faults := faultsOf(t, err)
	if len(faults) != 1 || faults[0].Where != "two.yaml:3:18" || !strings.Contains(faults[0].Text, "one.yaml:1:1") {
		t.Errorf("%v", faults)
	}
}

func TestAnAliasBombIsRefusedAtOnce(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString(strings.TrimSuffix(one("Group", "g@example.com", "{}"), "{}\n") + "\n  description: &a0 x\n")
	for i := 1; i < 40; i++ {
		b.WriteString("  a" + strings.Repeat("a", i) + ": &x" + strings.Repeat("a", i) + " [*a0, *a0, *a0]\n")
	}
	_, err := parse(b.String())
	if faults := faultsOf(t, err); len(faults) == 0 {
		t.Error("accepted")
	}
}

func TestWhatIsWrittenDownIsReadAgain(t *testing.T) {
	t.Parallel()
	documents, err := parse(one("User", "'1@example.com'", "{displayName: 'true', subject: '123456789012345678901'}") +
		"---\n" + one("Group", "g@example.com", `{description: "a: b # c", members: [x@example.com]}`) +
		"---\n" + one("BackendService", "wiki", "{hosts: [wiki.example.com], upstream: 'http://x', iap: {enabled: false}, oauthClientId: '123'}"))
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	if err := manifest.Write(&text, documents); err != nil {
		t.Fatal(err)
	}
	again, err := parse(text.String())
	if err != nil {
		t.Fatalf("%v\n%s", err, text.String())
	}
	for i := range again {
		documents[i].At, again[i].At = nil, nil
	}
	if !reflect.DeepEqual(documents, again) {
		t.Errorf("%+v\n%+v", documents, again)
	}
	if !strings.Contains(text.String(), `# belongs to "/in.yaml"`) {
		t.Errorf("it is not said whose they are:\n%s", text.String())
	}
}

func TestASourceCannotBreakOutOfItsComment(t *testing.T) {
	t.Parallel()
	documents, err := parse(one("Group", "g@example.com", "{description: 'a'}"))
	if err != nil {
		t.Fatal(err)
	}
	documents[0].Source = "/x\nkind: User\n\u2028kind: User"
	var text strings.Builder
	if err := manifest.Write(&text, documents); err != nil {
		t.Fatal(err)
	}
	if again, err := parse(text.String()); err != nil || again[0].Kind != admin.KindGroup {
		t.Errorf("%v\n%s", err, text.String())
	}
}

func FuzzParse(f *testing.F) {
	faults, err := os.ReadFile("testdata/faults.yaml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(faults))
	f.Add(one("BackendService", "wiki", "{hosts: [wiki.example.com], upstream: 'http://x'}"))
	f.Add("---\n...\n%YAML 1.1\n--- &a [*a]\n--- !!binary x\n? {a: b}\n: c")
	f.Fuzz(func(t *testing.T, text string) {
		documents, err := parse(text)
		if err != nil {
			if len(documents) > 0 {
				t.Error("documents beside an error")
			}
			return
		}
		var written strings.Builder
		if err := manifest.Write(&written, documents); err != nil {
			t.Fatal(err)
		}
		again, err := parse(written.String())
		if err != nil {
			t.Fatalf("what was accepted is refused once it is written down: %v\n%s", err, written.String())
		}
		var twice strings.Builder
		if err := manifest.Write(&twice, again); err != nil || twice.String() != written.String() {
			t.Errorf("written twice it differs: %v\n%s\n%s", err, written.String(), twice.String())
		}
	})
}
