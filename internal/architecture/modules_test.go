package architecture

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// gomod is what `go mod edit -json` says about a go.mod file.
type gomod struct {
	Require []struct {
		Path, Version string
		Indirect      bool
	}
}

const dependenciesPage = "docs/decisions/0001-dependencies.md"

func TestEveryDependencyHasItsVersionAndReasonWrittenDown(t *testing.T) {
	t.Parallel()
	text := readFile(t, dependenciesPage)
	written := map[string]string{} // module to version
	for _, match := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\| ([^ |]+) \\| ([^|]+) \\|$").FindAllStringSubmatch(text, -1) {
		written[match[1]] = match[2]
	}
	if len(written) == 0 {
		t.Fatalf("%s has no table of modules", dependenciesPage)
	}
	for _, required := range readModule(t, root+"/go.mod").Require {
		if required.Indirect || within(required.Path, modulePath) { // our own module needs no excuse
			continue
		}
		switch version, found := written[required.Path]; {
		case !found:
			t.Errorf("go.mod requires %s, and %s does not say why\n\tadd a line: module, version, reason", required.Path, dependenciesPage)
		case version != required.Version:
			t.Errorf("go.mod requires %s %s, and %s says %s", required.Path, required.Version, dependenciesPage, version)
		}
		delete(written, required.Path)
	}
	for module := range written {
		t.Errorf("%s gives a reason for %s, which go.mod does not require", dependenciesPage, module)
	}
}

// modernc.org/sqlite is translated against one version of modernc.org/libc and breaks in odd ways with another.
func TestLibcIsTheVersionThatSQLiteNames(t *testing.T) {
	t.Parallel()
	const sqlite, libc = "modernc.org/sqlite", "modernc.org/libc"
	var module struct{ GoMod string }
	if err := json.Unmarshal(goCommand(t, root, "list", "-m", "-json", sqlite), &module); err != nil {
		t.Fatal(err)
	}
	versions := map[string]string{} // what go.mod asks for, by whose go.mod
	for owner, file := range map[string]string{"ours": root + "/go.mod", "SQLite's": module.GoMod} {
		for _, required := range readModule(t, file).Require {
			if required.Path == libc {
				versions[owner] = required.Version
			}
		}
	}
	if versions["SQLite's"] == "" {
		t.Fatalf("the go.mod of %s names no %s any more: see whether this test still has a reason", sqlite, libc)
	}
	if versions["ours"] != versions["SQLite's"] {
		t.Errorf("go.mod has %s %s, and %s was made for %s\n\trun: go get %s@%s", libc, versions["ours"], sqlite, versions["SQLite's"], libc, versions["SQLite's"])
	}
}

func TestAnAppThatImportsTheAssertionModuleGetsOneModuleMore(t *testing.T) {
	t.Parallel()
	const yaml = "go.yaml.in/yaml/v3" // any module that go.sum knows would do
	without := "module example.com/app\n\ngo 1.26.0\n\nrequire " + yaml + " " + requiredVersion(t, yaml) + "\n"
	with := without + "\nrequire " + modulePath + "/assertion v0.0.0\n\nreplace " + modulePath + "/assertion => "

	before := listModules(t, without)
	after := listModules(t, with+absolute(t, filepath.Join(root, "assertion"))+"\n")
	var added []string
	for module, version := range after {
		switch old, found := before[module]; {
		case !found:
			added = append(added, module)
		case old != version:
			t.Errorf("importing the assertion module moves %s from %s to %s", module, old, version)
		}
	}
	if len(added) != 1 || added[0] != modulePath+"/assertion" {
		t.Errorf("importing the assertion module adds %s to the app, not itself alone", strings.Join(added, ", "))
	}
}

// listModules runs `go list -m all` for an app with that go.mod.
func listModules(t *testing.T, gomod string) map[string]string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range map[string]string{"go.mod": gomod, "go.sum": readFile(t, "go.sum")} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	versions := map[string]string{}
	for line := range strings.Lines(string(goCommand(t, dir, "list", "-mod=mod", "-m", "-f", "{{.Path}} {{.Version}}", "all"))) {
		module, version, _ := strings.Cut(strings.TrimSpace(line), " ")
		versions[module] = version
	}
	return versions
}

func requiredVersion(t *testing.T, module string) string {
	t.Helper()
	for _, required := range readModule(t, root+"/go.mod").Require {
		if required.Path == module {
			return required.Version
		}
	}
	t.Fatalf("go.mod does not require %s", module)
	return ""
}

func readModule(t *testing.T, file string) gomod {
	t.Helper()
	var module gomod
	if err := json.Unmarshal(goCommand(t, ".", "mod", "edit", "-json", file), &module); err != nil {
		t.Fatal(err)
	}
	return module
}

func goCommand(t *testing.T, dir string, args ...string) []byte {
	t.Helper()
	cmd := exec.Command("go", args...)
	cmd.Dir = dir
	out, err := cmd.Output()
	if err != nil {
		var stderr []byte
		if exit, ok := err.(*exec.ExitError); ok {
			stderr = exit.Stderr
		}
		t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, stderr)
	}
	return out
}

func readFile(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func absolute(t *testing.T, path string) string {
	t.Helper()
	abs, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return abs
}
