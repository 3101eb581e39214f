package harness

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Site is a directory with the configuration of a `gatehouse serve`, as an administrator has it.
type Site struct {
	Dir  string
	Port string
	// Auth is the auth host's origin.
	Auth string
}

// NewSite is an empty directory, and a free port that is taken when the site is served.
func NewSite(t testing.TB) *Site {
	t.Helper()
	// Not the test's own directory: the path of a socket has 108 bytes, and the names of tests are sentences.
	dir, err := os.MkdirTemp("", "gatehouse-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	s := &Site{Dir: dir, Port: FreePort(t)}
	s.Auth = s.URL("auth.localhost")
	return s
}

// URL is the origin of a host.
func (s *Site) URL(host string) string { return "http://" + host + ":" + s.Port }

// Init runs `gatehouse config init` in the directory and moves the site to its own port. Health gets a free one.
func (s *Site) Init(t testing.TB, args ...string) {
	t.Helper()
	s.CLI(t, append([]string{"config", "init"}, args...)...)
	config := s.Read(t, "gatehouse.yaml")
	for old, port := range map[string]string{"8080": s.Port, "9090": FreePort(t)} {
		if !strings.Contains(config, ":"+old) {
			t.Fatalf("the configuration does not name port %s:\n%s", old, config)
		}
		config = strings.ReplaceAll(config, ":"+old, ":"+port)
	}
	s.Write(t, "gatehouse.yaml", config)
}

// Read returns a file of the site.
func (s *Site) Read(t testing.TB, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(s.Dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// Write writes a file of the site in one step, as editors and secret stores do.
func (s *Site) Write(t testing.TB, name, text string) {
	t.Helper()
	path := filepath.Join(s.Dir, name)
	if err := os.WriteFile(path+".new", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

// CLI runs a gatehouse command in the site's directory, about the site's server; it must succeed.
func (s *Site) CLI(t testing.TB, args ...string) string {
	t.Helper()
	return s.CLIWith(t, "", args...)
}

// CLIWith runs a command that reads from standard input.
func (s *Site) CLIWith(t testing.TB, input string, args ...string) string {
	t.Helper()
	cmd := exec.Command(Binary(t), args...)
	cmd.Dir, cmd.Env = s.Dir, append(os.Environ(), "GATEHOUSE_DATA="+filepath.Join(s.Dir, "data"))
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(input), &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("gatehouse %s: %v\n%s%s", strings.Join(args, " "), err, &stdout, &stderr)
	}
	return strings.TrimSpace(stdout.String())
}

// Serve runs `gatehouse serve` until the test ends. It returns when the server says that it answers.
func (s *Site) Serve(t testing.TB) *Process {
	t.Helper()
	cmd := exec.Command(Binary(t), "serve", "--config", "gatehouse.yaml")
	cmd.Dir = s.Dir
	p := StartProcess(t, "gatehouse serve", cmd)
	p.AwaitLine(t, "msg=ready")
	return p
}

// ServeOn runs `gatehouse serve` on a listening socket, which systemd's own code passes to it.
func (s *Site) ServeOn(t testing.TB, socket *os.File) *Process {
	t.Helper()
	// systemd-socket-activate passes on what it was passed itself, and starts the program when the first client comes.
	cmd := exec.Command("/bin/sh", "-c", `LISTEN_PID=$$ LISTEN_FDS=1 exec systemd-socket-activate --fdname=web "$0" serve --config gatehouse.yaml`, Binary(t))
	cmd.Dir, cmd.ExtraFiles = s.Dir, []*os.File{socket} // descriptor 3, where systemd puts the first
	p := StartProcess(t, "gatehouse serve", cmd)
	p.AwaitLine(t, "msg=ready")
	return p
}

var (
	serviceName = regexp.MustCompile(`(?m)^  name: (\S+)$`)
	serviceID   = regexp.MustCompile(`(?m)^  id: "(\d+)"$`)
)

// Audience is what assertions for a backend service of the served site are for.
func (s *Site) Audience(t testing.TB, name string) string {
	t.Helper()
	for document := range strings.SplitSeq(s.CLI(t, "export"), "\n---\n") {
		named, id := serviceName.FindStringSubmatch(document), serviceID.FindStringSubmatch(document)
		if strings.Contains(document, "kind: BackendService") && named != nil && named[1] == name && id != nil {
			return fmt.Sprintf("/projects/1/global/backendServices/%s", id[1])
		}
	}
	t.Fatalf("gatehouse export has no backend service %s", name)
	return ""
}
