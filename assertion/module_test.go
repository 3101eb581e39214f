package assertion_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// An application that imports this package gets this module and nothing else. The application here has a
// dependency already, so that there is a version that could change.
func TestAnApplicationGetsOneModuleAndNoOtherVersion(t *testing.T) {
	t.Parallel()
	here, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	app := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		path := filepath.Join(app, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	run := func(args ...string) string {
		t.Helper()
		command := exec.Command("go", args...)
		command.Dir = app
		command.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOPROXY=off", "GOSUMDB=off", "GOWORK=off", "GOTOOLCHAIN=local")
		output, err := command.CombinedOutput()
		if err != nil {
			t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, output)
		}
		return string(output)
	}
	const mod = "module example.com/app\n\ngo 1.22\n\nrequire example.com/other v1.2.3\n\nreplace example.com/other => ./other\n"
	write("other/go.mod", "module example.com/other\n\ngo 1.22\n")
	write("other/other.go", "package other\n")
	write("main.go", "package main\n\nimport _ \"example.com/other\"\n\nfunc main() {}\n")
	write("go.mod", mod)
	before := run("list", "-m", "all")

	write("main.go", "package main\n\nimport (\n\t_ \"example.com/other\"\n\n\t\"github.com/gatehouse-iap/gatehouse/assertion\"\n)\n\n"+
		"func main() { _, _ = assertion.NewVerifier(assertion.Config{}) }\n")
	write("main_test.go", "package main\n\nimport _ \"github.com/gatehouse-iap/gatehouse/assertion/assertiontest\"\n")
	write("go.mod", mod+"\nrequire github.com/gatehouse-iap/gatehouse/assertion v0.0.0\n\nreplace github.com/gatehouse-iap/gatehouse/assertion => "+here+"\n")
	run("vet", "./...")
	after := run("list", "-m", "all")

	const ours = "github.com/gatehouse-iap/gatehouse/assertion "
	var others []string
	found := 0
	for _, line := range strings.SplitAfter(after, "\n") {
		if strings.HasPrefix(line, ours) {
			found++
		} else {
			others = append(others, line)
		}
	}
	if got := strings.Join(others, ""); found != 1 || got != before {
		t.Errorf("before:\n%safter:\n%s", before, after)
	}
	if data, err := os.ReadFile(filepath.Join(app, "go.mod")); err != nil || !strings.Contains(string(data), "\ngo 1.22\n") {
		t.Errorf("the go line of the application changed: %v\n%s", err, data)
	}
	if _, err := os.Stat(filepath.Join(app, "go.sum")); !os.IsNotExist(err) {
		t.Errorf("something was added to go.sum: %v", err)
	}
	// What the packages import is the standard library, whose paths begin without a dot.
	for _, path := range strings.Fields(run("list", "-deps", strings.TrimSpace(ours), strings.TrimSpace(ours)+"/assertiontest")) {
		if first, _, _ := strings.Cut(path, "/"); strings.Contains(first, ".") && !strings.HasPrefix(path, strings.TrimSpace(ours)) {
			t.Errorf("depends on %s", path)
		}
	}
}
