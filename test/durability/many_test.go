package durability

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-iap/gatehouse/test/harness"
)

const documents = 10_000

// Half of the documents are services, half their policies. One that is at fault keeps all others out.
func TestTenThousandDocumentsAreOneChangeWithProgress(t *testing.T) {
	t.Parallel()
	site := harness.NewSite(t)
	site.Init(t, "--host=app.localhost", "--upstream=http://127.0.0.1:1")
	site.Serve(t)
	var many strings.Builder
	for i := range documents / 2 {
		fmt.Fprintf(&many, "---\napiVersion: gatehouse.dev/v1\nkind: BackendService\nmetadata: {name: s%[1]d}\nspec: {hosts: [s%[1]d.example.com], upstream: \"http://10.0.0.1:8080\"}\n"+
			"---\napiVersion: gatehouse.dev/v1\nkind: IamPolicy\nmetadata: {name: s%[1]d}\nspec:\n  resource: projects/gatehouse/iap_web/compute/services/s%[1]d\n"+
			"  bindings: [{role: roles/iap.httpsResourceAccessor, members: [\"user:u%[1]d@example.com\"]}]\n", i)
	}
	apply := func(text string) (stderr string, took time.Duration, err error) {
		t.Helper()
		site.Write(t, "many.yaml", text)
		cmd := exec.Command(harness.Binary(t), "apply", "-f", "many.yaml")
		var out bytes.Buffer
		cmd.Dir, cmd.Env, cmd.Stderr = site.Dir, append(os.Environ(), "GATEHOUSE_DATA="+filepath.Join(site.Dir, "data")), &out
		began := time.Now()
		err = cmd.Run()
		return out.String(), time.Since(began), err
	}
	clash := "---\napiVersion: gatehouse.dev/v1\nkind: BackendService\nmetadata: {name: clash}\nspec: {hosts: [s7.example.com], upstream: \"http://10.0.0.1:8080\"}\n"
	if stderr, _, err := apply(many.String() + clash); err == nil || !strings.Contains(stderr, "s7.example.com") {
		t.Fatalf("two services with one host: %v\n%.500s", err, stderr)
	}
	if exported := site.CLI(t, "export", "--kind=BackendService"); strings.Count(exported, "kind: BackendService") != 1 {
		t.Fatalf("a change with a fault has left %d services", strings.Count(exported, "kind: BackendService"))
	}
	stderr, took, err := apply(many.String())
	if err != nil || !strings.Contains(stderr, fmt.Sprintf("Applied: %d created, 0 unchanged.", documents)) {
		t.Fatalf("%v\n%.500s", err, stderr)
	}
	t.Logf("%d documents in %v", documents, took)
	if took > 3*time.Second && !regexp.MustCompile(`(?m)^\d+ of 10000 changes written$`).MatchString(stderr) {
		t.Errorf("no word for %v:\n%s", took, stderr)
	}
	if stderr, _, err = apply(many.String()); err != nil || !strings.Contains(stderr, fmt.Sprintf("Applied: %d unchanged.", documents)) {
		t.Errorf("again: %v\n%.500s", err, stderr)
	}
}
