package emulator

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-iap/gatehouse/emulator"
	"github.com/gatehouse-iap/gatehouse/test/harness"
)

func status(t *testing.T, gate *harness.Gate, account string) int {
	t.Helper()
	return harness.Get(t, harness.Client(nil), gate.App+"/", "Authorization", "Bearer "+gate.IdentityToken(t, account)).StatusCode
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestWhatTestsTellTheEmulatorCounts(t *testing.T) {
	t.Parallel()
	gate := harness.Start(t, "--upstream", harness.Echo(t).URL)
	ctx, c := t.Context(), &emulator.Client{Endpoint: gate.Machine}
	keys := func() (int, string) {
		answer := harness.Get(t, harness.Client(nil), gate.Machine+"/iap/verify/public_key")
		return answer.StatusCode, answer.Text
	}

	if got := status(t, gate, harness.Bob); got != http.StatusForbidden {
		t.Fatalf("Bob at first: %d", got)
	}
	if _, err := c.CreateAccount(ctx, emulator.Account{Email: "carol@corp.example"}); err != nil {
		t.Fatal(err)
	}
	must(t, c.PutGroup(ctx, "team@example.com", harness.Bob, "carol@corp.example"))
	must(t, c.SetPolicy(ctx, emulator.Policy{Bindings: []emulator.Binding{{Role: emulator.RoleAccessor, Members: []string{"group:team@example.com"}}}}))
	for account, want := range map[string]int{harness.Bob: 200, "carol@corp.example": 200, harness.Alice: 403} {
		if got := status(t, gate, account); got != want {
			t.Errorf("%s as the policy says: %d", account, got)
		}
	}
	decisions, err := c.Decisions(ctx, emulator.Filter{Account: harness.Alice, Limit: 1})
	if err != nil || len(decisions) != 1 || decisions[0].Passed || decisions[0].Status != 403 || decisions[0].Credential != "bearer" || decisions[0].Path != "/" {
		t.Errorf("%v %+v", err, decisions)
	}

	must(t, c.SetIAP(ctx, false))
	answer := harness.Get(t, harness.Client(nil), gate.App+"/")
	if answer.StatusCode != 200 || answer.Seen(t).Header.Get(harness.AssertionHeader) != "" {
		t.Errorf("with the gate off: %d", answer.StatusCode)
	}

	_, before := keys()
	kid, err := c.RotateKeys(ctx, true)
	if _, after := keys(); err != nil || !strings.Contains(after, kid) || strings.Contains(before, kid) || len(after) > len(before)+2 {
		t.Errorf("%v: keys before %s, after %s", err, before, after)
	}
	must(t, c.BreakKeyEndpoint(ctx, 503, 0))
	if got, _ := keys(); got != 503 {
		t.Errorf("the broken endpoint answers %d", got)
	}
	if got := harness.Get(t, harness.Client(nil), gate.Auth+"/iap/verify/public_key").StatusCode; got != 503 {
		t.Errorf("that of the auth host answers %d", got)
	}

	must(t, c.Reset(ctx))
	if got, _ := keys(); got != 200 {
		t.Errorf("the endpoint after reset: %d", got)
	}
	for account, want := range map[string]int{harness.Alice: 200, harness.Bob: 403} {
		if got := status(t, gate, account); got != want {
			t.Errorf("%s after reset: %d", account, got)
		}
	}
	if _, err := c.IDToken(ctx, "carol@corp.example", ""); err == nil {
		t.Error("Carol is still there")
	}
	policy, err := c.Policy(ctx)
	if err != nil || len(policy.Bindings) != 1 || policy.Bindings[0].Members[0] != "user:"+harness.Alice {
		t.Errorf("%v %v", policy, err)
	}
}

func TestAttributesOfTheMachineAreWaitedFor(t *testing.T) {
	t.Parallel()
	gate := harness.Start(t)
	c := &emulator.Client{Endpoint: gate.Machine}
	ask := func(query string) harness.Answer {
		return harness.Get(t, harness.Client(nil), gate.Machine+"/computeMetadata/v1/instance/attributes/?recursive=true"+query, "Metadata-Flavor", "Google")
	}
	etag := ask("").Header.Get("ETag")
	changed := make(chan string, 1)
	go func() { changed <- ask("&wait_for_change=true&last_etag=" + etag).Text }()
	must(t, c.SetMetadata(t.Context(), nil, map[string]string{"mode": "blue"}))
	select {
	case text := <-changed:
		if text != `{"mode":"blue"}` {
			t.Errorf("what was waited for is %s", text)
		}
	case <-time.After(harness.Patience):
		t.Error("nobody heard of the change")
	}
}

// documents are what production has.
const documents = `apiVersion: gatehouse.dev/v1
kind: Project
metadata: {name: prod-project}
spec: {projectNumber: 4711}
---
apiVersion: gatehouse.dev/v1
kind: BackendService
metadata: {name: wiki}
spec: {id: "77", hosts: [wiki.example.com], upstream: "https://10.0.0.7:8080"}
---
apiVersion: gatehouse.dev/v1
kind: IamPolicy
metadata: {name: wiki}
spec:
  resource: projects/prod-project/iap_web/compute/services/wiki
  bindings: [{role: roles/iap.httpsResourceAccessor, members: ["group:editors@example.com"]}]
---
apiVersion: gatehouse.dev/v1
kind: Group
metadata: {name: editors@example.com}
spec: {members: [carol@example.com]}
---
apiVersion: gatehouse.dev/v1
kind: User
metadata: {name: carol@example.com}
spec: {passwordHash: {file: /etc/only/in/production}}
`

func TestTheDocumentsOfProductionAreLoaded(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		must(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	gate := harness.Start(t, "--manifest", file("all.yaml", documents))
	if gate.Audience != "/projects/4711/global/backendServices/77" {
		t.Errorf("the audience is %s", gate.Audience)
	}
	for account, want := range map[string]int{"carol@example.com": 200, harness.Alice: 403} {
		if got := status(t, gate, account); got != want {
			t.Errorf("%s: %d", account, got)
		}
	}
	gate = harness.Start(t, "--upstream", harness.Echo(t).URL,
		"--policy", file("policy.json", `{"bindings":[{"role":"roles/iap.httpsResourceAccessor","members":["user:bob@example.com"]}],"etag":"BwXyz"}`),
		"--settings", file("settings.yaml", "name: projects/9/iap_web/compute/services/5\naccessSettings: {corsSettings: {allowHttpOptions: true}}\n"))
	for account, want := range map[string]int{harness.Bob: 200, harness.Alice: 403} {
		if got := status(t, gate, account); got != want {
			t.Errorf("%s, by the policy in a file: %d", account, got)
		}
	}
	if exported := gate.CLI(t, "export"); !strings.Contains(exported, "kind: IapSettings") || !strings.Contains(exported, "allowHttpOptions") {
		t.Errorf("the settings are not loaded: %s", exported)
	}
}

func TestADeadUpstreamIsNotReady(t *testing.T) {
	t.Parallel()
	dead := "http://" + harness.FreeAddress(t)
	out := run(t, 1, "--upstream", dead, "--ready-timeout", "300ms", "--exec", "true")
	if !strings.Contains(out, "nothing accepts connections at "+dead) || strings.Contains(out, "Ready") {
		t.Errorf("it says:\n%s", out)
	}
}

func TestTLSForBrowsersThatWantIt(t *testing.T) {
	t.Parallel()
	run(t, 0, "--tls=127.0.0.1:0", "--exec", `set -e
case $GATEHOUSE_APP_URL in https://app.localhost:*) ;; *) exit 3;; esac
curl -sS -o /dev/null -w '%{http_code} %{http_version}' "$GATEHOUSE_APP_URL/" | grep -qx '302 2'
curl -sSf "$GATEHOUSE_AUTH_URL/iap/verify/public_key" > /dev/null
curl -sSf "$GATEHOUSE_KEYS_URL" > /dev/null
curl -sS -o /dev/null -w '%{redirect_url}' -H 'Host: app.localhost' "$GATEHOUSE_ENDPOINT/x" | grep -qx "$GATEHOUSE_APP_URL/x"`)
	gate := harness.Start(t, "--tls=127.0.0.1:0", "--no-intercept")
	var info emulator.Info
	must(t, json.Unmarshal([]byte(gate.CLI(t, "dev", "env", "--endpoint", gate.Machine, "--format", "json")), new(map[string]string)))
	info, err := (&emulator.Client{Endpoint: gate.Machine}).Info(t.Context())
	if content, readErr := os.ReadFile(info.CAFile); err != nil || readErr != nil || strings.Count(string(content), "BEGIN CERTIFICATE") != 1 || strings.Contains(string(content), "KEY") {
		t.Errorf("the authorities in the ready file: %v %v %s", err, readErr, content)
	}
}

func TestARunThatWasKilledLeavesNothingAfterTheNext(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("", "g") // short: a socket's path has little room
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	start := func(args ...string) *harness.Gate { return harness.StartIn(t, []string{"TMPDIR=" + dir}, args...) }
	alive := start()
	killed := start()
	killed.Kill(t)
	if _, err := os.Stat(killed.DataDir); err != nil {
		t.Fatalf("there is nothing to clean: %v", err)
	}
	next := start()
	if _, err := os.Stat(killed.DataDir); !os.IsNotExist(err) {
		t.Errorf("the directory of the killed run is still there: %v", err)
	}
	for _, gate := range []*harness.Gate{alive, next} {
		if got := status(t, gate, harness.Alice); got != 200 {
			t.Errorf("a living run answers %d", got)
		}
	}
}
