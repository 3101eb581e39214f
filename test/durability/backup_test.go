package durability

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-iap/gatehouse/test/harness"
)

var shellBlock = regexp.MustCompile("(?s)```sh\n(.*?)```")

// The commands of docs/backup.md to the letter, with other directories.
func TestABackupThatIsRestoredIsTheSameGate(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/backup.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := shellBlock.FindAllStringSubmatch(string(page), -1)
	if len(blocks) != 3 {
		t.Fatalf("the page has %d blocks of commands, and three are known here", len(blocks))
	}
	site := harness.NewSite(t)
	as := strings.NewReplacer("/var/lib/gatehouse", site.Dir+"/data", "/var/backups/gatehouse", site.Dir+"/backups/gatehouse", "/mnt/safe", site.Dir+"/safe")
	run := func(i int) {
		t.Helper()
		if code := harness.Shell(t, site.Dir, as.Replace(blocks[i][1])).AwaitEnd(t, 10*time.Second); code != 0 {
			t.Fatalf("exit status %d of\n%s", code, blocks[i][1])
		}
	}
	if err := os.Mkdir(filepath.Join(site.Dir, "safe"), 0o700); err != nil {
		t.Fatal(err)
	}
	site.Init(t, "--host=app.localhost", "--upstream=http://127.0.0.1:1")
	gate := site.Serve(t)
	site.CLIWith(t, "correct horse battery staple\n", "users", "create", "alice@example.com")
	site.CLI(t, "iap", "web", "add-iam-policy-binding", "--member=user:alice@example.com", "--role=roles/iap.httpsResourceAccessor")
	state := func() string {
		return site.CLI(t, "export") + site.CLI(t, "keys", "list", "--format=json") + site.CLI(t, "users", "describe", "alice@example.com")
	}
	refused := harness.Get(t, harness.Client(nil), site.URL("nowhere.localhost")+"/")
	id := regexp.MustCompile(`class="id">([0-9A-Z]{26})<`).FindStringSubmatch(refused.Text)
	if id == nil {
		t.Fatalf("status %d without a reference: %s", refused.StatusCode, refused.Text)
	}
	site.CLI(t, "explain", id[1]) // waits until it is written
	before := state()
	run(0)
	run(1)
	site.CLI(t, "users", "disable", "alice@example.com") // since the backup
	gate.Stop(t)
	if err := os.Rename(filepath.Join(site.Dir, "data"), filepath.Join(site.Dir, "lost")); err != nil {
		t.Fatal(err)
	}

	run(2)
	site.Serve(t)
	if after := state(); after != before {
		t.Errorf("restored:\n%s\nbefore:\n%s", after, before)
	}
	if told := site.CLI(t, "explain", id[1]); !strings.Contains(told, "host_unknown") {
		t.Errorf("the decision log is not back: %s", told)
	}
}
