// Package harness starts the real parts that the end-to-end tests put together: the built gatehouse binary, one
// Chromium, an application behind the gate. A part that is missing fails the test and says what to install.
// It does not know what a story is about.
package harness

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// Patience bounds every wait for something that should come at once. It is long because two cores may be busy;
// nothing waits longer than it takes.
const Patience = 20 * time.Second

// Accounts of `gatehouse dev`, with one password.
const (
	Alice    = "alice@example.com" // may use the app
	Bob      = "bob@example.com"   // may not
	Admin    = "admin@example.com" // owns the project, which gives no web access
	Password = "gatehouse-dev"
)

// Ready is the file that `gatehouse dev` writes when the gate answers.
type Ready struct {
	PID           int               `json:"pid"`
	Audience      string            `json:"audience"`
	ClientID      string            `json:"client_id"`
	Project       string            `json:"project"`
	ProjectNumber json.Number       `json:"project_number"`
	DataDir       string            `json:"data_dir"`
	URLs          map[string]string `json:"urls"`
}

// Gate is one running `gatehouse dev`.
type Gate struct {
	Ready
	// App and Auth are origins, without a slash at the end; Machine is the one for programs.
	App, Auth, Machine string
	// Started is how long the process took from its start to the ready file.
	Started time.Duration
	*Process
}

// Start runs `gatehouse dev` on a free port, with more arguments, until the test ends.
func Start(t testing.TB, args ...string) *Gate {
	t.Helper()
	return StartIn(t, nil, args...)
}

// StartIn is Start with more in its environment.
func StartIn(t testing.TB, environ []string, args ...string) *Gate {
	t.Helper()
	readyFile := filepath.Join(t.TempDir(), "ready.json")
	g := &Gate{}
	cmd := exec.Command(Binary(t), append([]string{"dev", "--listen", "127.0.0.1:0", "--ready-file", readyFile}, args...)...)
	cmd.Env = append(append(os.Environ(), "HOME="+t.TempDir()), environ...)
	began := time.Now()
	g.Process = StartProcess(t, "gatehouse dev", cmd)
	g.awaitReady(t, readyFile)
	g.Started = time.Since(began)
	g.App = origin(t, g.URLs["app"])
	g.Auth = origin(t, g.URLs["auth"])
	g.Machine = origin(t, g.URLs["machine"])
	return g
}

func (g *Gate) awaitReady(t testing.TB, file string) {
	t.Helper()
	var content []byte
	// A file cannot be waited for portably.
	g.Await(t, "it has written its ready file", func() (written bool) {
		var err error
		content, err = os.ReadFile(file)
		return err == nil
	})
	if err := json.Unmarshal(content, &g.Ready); err != nil {
		t.Fatalf("the ready file is not JSON: %v\n%s", err, content)
	}
}

// Command prepares a gatehouse command that talks to this gate.
func (g *Gate) Command(t testing.TB, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(Binary(t), args...)
	cmd.Env = append(os.Environ(), "GATEHOUSE_DATA="+g.DataDir)
	return cmd
}

// CLI runs a gatehouse command against this gate and returns what it prints; it must succeed.
func (g *Gate) CLI(t testing.TB, args ...string) string {
	t.Helper()
	cmd := g.Command(t, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("gatehouse %s: %v\n%s", strings.Join(args, " "), err, &stderr)
	}
	return strings.TrimSpace(stdout.String())
}

// IdentityToken mints a bearer token for an account, for the app's own audience unless another is given.
func (g *Gate) IdentityToken(t testing.TB, account string, args ...string) string {
	t.Helper()
	return g.CLI(t, append([]string{"auth", "print-identity-token", account, "--endpoint", g.Machine}, args...)...)
}

// Binary returns the gatehouse binary: the one that `make e2e` has built, or one built now.
func Binary(t testing.TB) string {
	t.Helper()
	path, err := BuiltBinary()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// BuiltBinary is Binary for a TestMain.
func BuiltBinary() (string, error) {
	if path := os.Getenv("GATEHOUSE_BINARY"); path != "" {
		_, err := os.Stat(path)
		return path, err
	}
	return build()
}

var build = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "gatehouse-e2e-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "gatehouse")
	cmd := exec.Command("go", "build", "-o", path, "./cmd/gatehouse")
	cmd.Dir, cmd.Env = repository, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", errors.New("go build ./cmd/gatehouse: " + err.Error() + "\n" + string(out))
	}
	return path, nil
})

// repository is the root of the repository, seen from a test package.
const repository = "../.."

func origin(t testing.TB, raw string) string {
	t.Helper()
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" {
		t.Fatalf("the ready file has %q where a URL should be", raw)
	}
	return u.Scheme + "://" + u.Host
}

// Buffer collects output that is written from another goroutine.
type Buffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *Buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *Buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}
