package examples

import (
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-iap/gatehouse/test/harness"
)

// Ends of commands that end by themselves may be far off: compilers run, and browsers.
const endurance = 3 * time.Minute

// expected is what becomes of the commands of each example, in their order: an app that can be visited, or what a
// command says that ends by itself.
var expected = map[string][]string{
	"python":       {visited, clean},
	"node":         {visited, clean},
	"go-idtoken":   {visited, clean},
	"go-assertion": {visited, clean},
	"ruby":         {visited, clean},
	"curl":         {"Hello 123456789012-compute@developer.gserviceaccount.com", "You don&#39;t have access"},
	"pytest":       {"11 passed"},
	"gotest":       {"ok  \texample.com/gotest"},
	"playwright":   {"# pass 3\n# fail 0"},
	// These cannot be run here, and say so.
	"compose":      nil,
	"devcontainer": nil,
}

const visited = "an app that can be visited"

// clean is how `gatehouse check` ends that has found nothing.
const clean = " refused, 0 accepted, 0 inconclusive,"

// command matches a block that is to be run, and no other.
var command = regexp.MustCompile("(?ms)^```sh\n(.*?)^```$")

func commands(t *testing.T, example string) []string {
	t.Helper()
	var all []string
	for _, match := range command.FindAllStringSubmatch(read(t, example, "README.md"), -1) {
		all = append(all, match[1])
	}
	return all
}

func read(t *testing.T, path ...string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(append([]string{directory}, path...)...))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func TestEachExampleDoesWhatItsReadmeSays(t *testing.T) {
	for _, example := range directories(t) {
		t.Run(example, func(t *testing.T) {
			found := commands(t, example)
			if len(found) != len(expected[example]) {
				t.Fatalf("its README has %d commands that are to be run, and there are %d expectations", len(found), len(expected[example]))
			}
			if len(found) == 0 && !strings.Contains(read(t, example, "README.md"), "**Not run**") {
				t.Errorf("its README must say that it is not run")
			}
			for i, script := range found {
				if want := expected[example][i]; want == visited {
					visit(t, example, script)
				} else {
					complete(t, example, script, want)
				}
			}
		})
	}
}

// complete runs what ends by itself.
func complete(t *testing.T, example, script, want string) {
	t.Helper()
	run := harness.Shell(t, filepath.Join(directory, example), script)
	if code := run.AwaitEnd(t, endurance); code != 0 || !strings.Contains(run.Output(), want) {
		t.Errorf("it ends with %d, and should print %q:\n%s", code, want, script)
	}
}

// visit starts an app with its gate and comes by: unknown, as Alice, as Bob, and around the gate.
func visit(t *testing.T, example, script string) {
	t.Helper()
	gate := harness.Shell(t, filepath.Join(directory, example), script)
	port, _, _ := strings.Cut(gate.AwaitLine(t, "with PORT="), ";")
	gate.AwaitLine(t, "Ready")
	const app = "http://app.localhost:8080/"
	client := harness.Client(nil)

	answer := harness.Get(t, client, app)
	if to := answer.Header.Get("Location"); answer.StatusCode != http.StatusFound || !strings.HasPrefix(to, "http://auth.localhost:8080/") {
		t.Errorf("nobody yet is answered %d, and led to %q", answer.StatusCode, to)
	}
	alice, bob := chromium.NewPage(t), chromium.NewPage(t)
	alice.Open(app)
	alice.Click(harness.Alice)
	alice.See("Hello " + harness.Alice)
	bob.Open(app)
	bob.Click(harness.Bob)
	bob.See("You don't have access")
	bob.DontSee("Hello")

	forged := []string{"X-Goog-Authenticated-User-Email", "accounts.google.com:" + harness.Alice, "X-Goog-Authenticated-User-Id", "accounts.google.com:1"}
	for what, headers := range map[string][]string{"nothing": nil, "plain headers": forged} {
		answer := harness.Get(t, client, "http://127.0.0.1:"+port+"/", headers...)
		if answer.StatusCode != http.StatusUnauthorized || strings.Contains(answer.Text, harness.Alice) {
			t.Errorf("around the gate, with %s, the app answers %d %q", what, answer.StatusCode, answer.Text)
		}
	}
	gate.Stop(t)
}

func directories(t *testing.T) []string {
	t.Helper()
	entries, err := os.ReadDir(directory)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, entry := range entries {
		if entry.IsDir() {
			all = append(all, entry.Name())
		}
	}
	return all
}

// apps are the files that one deploys on Google Cloud.
var apps = []string{"python/main.py", "python/requirements.txt", "node/server.mjs", "node/package.json", "go-idtoken/main.go", "go-assertion/main.go", "ruby/app.rb", "curl/call.sh"}

// ours are names that only somebody knows who knows of Gatehouse.
var ours = regexp.MustCompile(`(?i)gatehouse|emulator|localhost|IAP_AUDIENCE|GCE_METADATA|dev-project|_proxy\b|_ca_|ssl_cert`)

func TestTheAppsKnowNothingOfGatehouse(t *testing.T) {
	for _, file := range apps {
		text := strings.ReplaceAll(read(t, file), `"github.com/gatehouse-iap/gatehouse/assertion"`, "")
		if found := ours.FindString(text); found != "" {
			t.Errorf("%s knows of %q", file, found)
		}
	}
}
