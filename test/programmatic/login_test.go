package programmatic

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-iap/gatehouse/test/harness"
)

var browser *harness.Browser

func TestMain(m *testing.M) {
	var err error
	if browser, err = harness.LaunchBrowser(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	browser.Close()
	os.Exit(code)
}

// terminal is a person's, with credentials of its own.
type terminal struct {
	t    *testing.T
	gate *harness.Gate
	env  []string
	dir  string
}

func newTerminal(t *testing.T, gate *harness.Gate) terminal {
	dir := t.TempDir()
	return terminal{t, gate, append(os.Environ(), "XDG_CONFIG_HOME="+dir, "GATEHOUSE_ENDPOINT="), dir}
}

func (p terminal) command(args ...string) *exec.Cmd {
	cmd := exec.Command(harness.Binary(p.t), args...)
	cmd.Env = p.env
	return cmd
}

func (p terminal) run(args ...string) (string, error) {
	p.t.Helper()
	var stdout, stderr bytes.Buffer
	cmd := p.command(args...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if err != nil {
		err = fmt.Errorf("gatehouse %s: %w: %s", strings.Join(args, " "), err, &stderr)
	}
	return strings.TrimSpace(stdout.String()), err
}

func (p terminal) must(args ...string) string {
	p.t.Helper()
	out, err := p.run(args...)
	if err != nil {
		p.t.Fatal(err)
	}
	return out
}

// login runs `gatehouse auth login` and lets a person go to the address that it prints.
func (p terminal) login(visit func(address string), args ...string) error {
	p.t.Helper()
	cmd := p.command(append([]string{"auth", "login", "--no-launch-browser", "--endpoint", p.gate.Machine}, args...)...)
	stderr, err := cmd.StderrPipe()
	if err != nil {
		p.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	var said []string
	for lines := bufio.NewScanner(stderr); lines.Scan(); {
		said = append(said, lines.Text())
		if line := strings.TrimSpace(lines.Text()); strings.HasPrefix(line, "http://") {
			visit(line)
		}
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	select {
	case err = <-done:
	case <-time.After(harness.Patience):
		_ = cmd.Process.Kill()
		err = fmt.Errorf("it does not end")
	}
	if err != nil {
		return fmt.Errorf("%w: %s", err, strings.Join(said, "\n"))
	}
	return nil
}

func TestAPersonSignsInAtTheTerminalWithABrowser(t *testing.T) {
	t.Parallel()
	gate := harness.Start(t)
	person, page := newTerminal(t, gate), browser.NewPage(t)
	err := person.login(func(address string) {
		page.Open(address)
		page.Click(harness.Alice)
		page.See("Allow Gatehouse command line?", harness.Alice)
		page.Click("Allow")
		page.See("You are signed in. You can close this window")
	})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(person.dir, "gatehouse", "credentials.json")
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the credentials are %v, %v", info.Mode(), err)
	}
	if out := person.must("auth", "list"); !strings.Contains(out, "*       alice@example.com") {
		t.Errorf("auth list prints\n%s", out)
	}
	token := person.must("auth", "print-identity-token", "--audiences="+gate.ClientID)
	if answer := bearer(t, gate, token); answer.StatusCode != http.StatusOK || !strings.Contains(answer.Text, "Hello "+harness.Alice) {
		t.Errorf("the application answers %d %s", answer.StatusCode, answer.Text)
	}
	access := person.must("auth", "print-access-token", harness.Alice)
	if answer := harness.Get(t, harness.Client(nil), gate.Auth+"/v1/userinfo", "Authorization", "Bearer "+access); !strings.Contains(answer.Text, harness.Alice) {
		t.Errorf("userinfo answers %d %s", answer.StatusCode, answer.Text)
	}
	if answer := bearer(t, gate, access); answer.StatusCode != http.StatusUnauthorized || !strings.Contains(answer.Text, "Base64 decode failed on token") {
		t.Errorf("an access token at the application: %d %s", answer.StatusCode, answer.Text)
	}

	// Applications that list the command line among their programmatic clients take its token without an audience.
	if answer := bearer(t, gate, person.must("auth", "print-identity-token")); answer.StatusCode != http.StatusUnauthorized {
		t.Errorf("before it is listed: %d", answer.StatusCode)
	}
	settings := filepath.Join(t.TempDir(), "settings.json")
	text, err := json.Marshal(map[string]any{"accessSettings": map[string]any{"oauthSettings": map[string]any{"programmaticClients": []string{"gatehouse-cli"}}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(settings, text, 0o600); err != nil {
		t.Fatal(err)
	}
	gate.CLI(t, "iap", "settings", "set", settings, "--resource-type=backend-services", "--service=app")
	if answer := bearer(t, gate, person.must("auth", "print-identity-token")); answer.StatusCode != http.StatusOK {
		t.Errorf("once it is listed: %d %s", answer.StatusCode, answer.Text)
	}

	refreshed, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	person.must("auth", "revoke")
	if _, err := person.run("auth", "print-access-token"); err == nil || !strings.Contains(err.Error(), "no account is active") {
		t.Errorf("after revoke: %v", err)
	}
	if err := os.WriteFile(file, refreshed, 0o600); err != nil { // somebody has kept a copy
		t.Fatal(err)
	}
	if _, err := person.run("auth", "print-access-token"); err == nil || !strings.Contains(err.Error(), "gatehouse auth login") {
		t.Errorf("a copy of what was revoked: %v", err)
	}
}

func TestAPersonWhoDeclinesGivesNothing(t *testing.T) {
	t.Parallel()
	gate := harness.Start(t)
	person, page := newTerminal(t, gate), browser.NewPage(t)
	err := person.login(func(address string) {
		page.Open(address)
		page.Click(harness.Alice)
		page.See("Allow Gatehouse command line?")
		page.Inspect("consent")
		page.Click("Cancel")
		page.See("Not signed in")
	})
	if err == nil || !strings.Contains(err.Error(), "you did not allow it") {
		t.Errorf("%v", err)
	}
	if out := person.must("auth", "list", "--format=json"); out != "[]" {
		t.Errorf("auth list prints %s", out)
	}
}

func TestSigningInAsSomebodyElseThanWasAskedForKeepsNothing(t *testing.T) {
	t.Parallel()
	gate := harness.Start(t)
	person, page := newTerminal(t, gate), browser.NewPage(t)
	err := person.login(func(address string) {
		page.Open(address)
		page.Click(harness.Bob)
		page.Click("Allow")
		page.See("You are signed in")
	}, harness.Alice)
	if err == nil || !strings.Contains(err.Error(), "not as "+harness.Alice) {
		t.Errorf("%v", err)
	}
}

func TestAServiceAccountsKeyIsActivated(t *testing.T) {
	t.Parallel()
	gate := harness.Start(t)
	email, file := robot(t, gate)
	person := newTerminal(t, gate)
	person.must("auth", "activate-service-account", "--key-file="+file)
	token := person.must("auth", "print-identity-token", "--audiences="+gate.ClientID)
	answer := bearer(t, gate, token)
	says(t, email, answer.StatusCode, answer.Text)
	if _, err := person.run("auth", "print-identity-token"); err == nil || !strings.Contains(err.Error(), "--audiences") {
		t.Errorf("without an audience: %v", err)
	}
	gate.CLI(t, "iam", "service-accounts", "disable", email)
	if _, err := person.run("auth", "print-access-token"); err == nil || !strings.Contains(err.Error(), "switched off") {
		t.Errorf("of a suspended account: %v", err)
	}
}
