package architecture

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/parser"
	"go/token"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const (
	root = "../.." // the repository, seen from here
	// modulePath is what precedes the directory of a package in its import path.
	modulePath = "github.com/gatehouse-iap/gatehouse"
	page       = "ARCHITECTURE.md"
)

// pkg is what `go list -json` says about one package. Paths are relative to the repository.
type pkg struct {
	Dir            string
	ImportPath     string
	Name           string
	GoFiles        []string
	CgoFiles       []string
	IgnoredGoFiles []string
	Imports        []string
}

// row is one line of the table in ARCHITECTURE.md.
type row struct {
	line    int
	owns    string
	imports []string
}

func TestThePictureIsTheCode(t *testing.T) {
	t.Parallel()
	drawn := readPicture(t)
	built := listPackages(t)

	for name, p := range built {
		r, found := drawn[name]
		if !found {
			t.Errorf("package %s is not drawn\n\tadd a line to the table of packages in %s: what it owns, and what it may import of our packages", name, page)
			continue
		}
		for _, imported := range ours(p.Imports) {
			if !slices.Contains(r.imports, imported) {
				t.Errorf("package %s imports %s, and %s:%d does not draw that arrow\n\ttake the import out, or draw the arrow and say in the commit why the house needs it", name, imported, page, r.line)
			}
		}
	}
	for name, r := range drawn {
		if _, found := built[name]; !found {
			t.Errorf("%s:%d draws the package %s, which does not exist\n\tremove the line, or give the room its code", page, r.line, name)
			continue
		}
		for _, imported := range r.imports {
			if _, found := drawn[imported]; !found {
				t.Errorf("%s:%d lets %s import %s, which the table does not draw", page, r.line, name, imported)
			}
		}
	}
}

// forbidden arrows stay forbidden when somebody draws them: each has a reason.
var forbidden = []struct{ from, to, reason string }{
	{"internal/admin", "internal/snapshot", "administration commits; the change feed wakes the builder"},
	{"internal/snapshot", "internal/storage", "the snapshot declares what it reads; the store implements it"},
	{"internal/enforcement", "internal/storage", "a request touches memory only"},
	{"internal/enforcement", "internal/admin", "a request changes no configuration"},
	{"internal/policy", "internal/storage", "whoever uses a store declares it"},
	{"internal/session", "internal/storage", "whoever uses a store declares it"},
	{"internal/signin", "internal/storage", "whoever uses a store declares it"},
	{"internal/hello", "internal", "the Hello app is an ordinary app: it sees the public packages only"},
	{"assertion", "internal", "an app that imports the assertion package gets nothing else"},
	{"conformance", "internal", "a test that imports the conformance package gets nothing else"},
	{"emulator", "internal", "a test that tells the emulator something gets nothing of the gate"},
	{"internal", "cmd", "the command assembles; nothing is built on it"},
}

// families are rooms side by side that do not know each other: what they share belongs to their parent.
var families = []string{"internal/signin", "internal/enforcement", "internal/storage", "internal/policy"}

func TestForbiddenArrowsAreNeitherDrawnNorBuilt(t *testing.T) {
	t.Parallel()
	arrows := map[[2]string]string{} // arrow to where it stands
	for name, r := range readPicture(t) {
		for _, imported := range r.imports {
			arrows[[2]string{name, imported}] = fmt.Sprintf("%s:%d draws", page, r.line)
		}
	}
	for name, p := range listPackages(t) {
		for _, imported := range ours(p.Imports) {
			arrows[[2]string{name, imported}] = "the code has"
		}
	}
	for arrow, where := range arrows {
		from, to := arrow[0], arrow[1]
		for _, f := range forbidden {
			if within(from, f.from) && within(to, f.to) && !within(to, f.from) {
				t.Errorf("%s %s -> %s, which must not be: %s", where, from, to, f.reason)
			}
		}
		if slices.Contains(families, path.Dir(from)) && path.Dir(from) == path.Dir(to) && !support(from) {
			t.Errorf("%s %s -> %s, which must not be: siblings do not know each other; what both need belongs to %s", where, from, to, path.Dir(from))
		}
	}
}

// support reports whether a package exists for tests only, such as a conformance suite.
func support(name string) bool { return strings.HasSuffix(name, "test") }

func TestTheAssertionModuleImportsTheStandardLibraryOnly(t *testing.T) {
	t.Parallel()
	for name, p := range listPackages(t) {
		if !within(name, "assertion") {
			continue
		}
		for _, imported := range p.Imports {
			first, _, _ := strings.Cut(imported, "/")
			if strings.Contains(first, ".") && !within(strings.TrimPrefix(imported, modulePath+"/"), "assertion") {
				t.Errorf("package %s imports %s: whoever verifies assertions gets no other module with it", name, imported)
			}
		}
	}
}

func TestEveryPackageHasExactlyOnePackageComment(t *testing.T) {
	t.Parallel()
	for name, p := range listPackages(t) {
		var commented []string
		for _, file := range slices.Concat(p.GoFiles, p.CgoFiles, p.IgnoredGoFiles) {
			if text := packageComment(t, filepath.Join(p.Dir, file)); text != "" {
				commented = append(commented, file)
				want := "Package " + p.Name + " "
				if p.Name == "main" {
					want = "Command " + path.Base(name) + " "
				}
				if !strings.HasPrefix(text, want) {
					t.Errorf("%s/%s: the package comment starts with %.40q, not with %q", name, file, text, want)
				}
			}
		}
		switch len(commented) {
		case 1:
		case 0:
			t.Errorf("package %s has no package comment\n\tsay in one file what it owns, and what it does not", name)
		default:
			t.Errorf("package %s has %d package comments, in %s\n\tkeep one", name, len(commented), strings.Join(commented, " and "))
		}
	}
}

var quoted = regexp.MustCompile("`([^`]+)`")

// readPicture reads the table of packages: its rows begin with a package in back quotes.
func readPicture(t *testing.T) map[string]row {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, page))
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]row{}
	for i, line := range strings.Split(string(text), "\n") {
		if !strings.HasPrefix(line, "| `") {
			continue
		}
		cells := strings.Split(strings.Trim(line, "|"), "|")
		if len(cells) != 3 {
			t.Fatalf("%s:%d: a line of the table has %d cells, not package, what it owns, what it may import", page, i+1, len(cells))
		}
		name := strings.Trim(strings.TrimSpace(cells[0]), "`")
		if _, twice := rows[name]; twice {
			t.Errorf("%s:%d draws %s a second time", page, i+1, name)
		}
		r := row{line: i + 1, owns: strings.TrimSpace(cells[1])}
		for _, match := range quoted.FindAllStringSubmatch(cells[2], -1) {
			r.imports = append(r.imports, importedNames(name, match[1])...)
		}
		if r.owns == "" {
			t.Errorf("%s:%d does not say what %s owns", page, i+1, name)
		}
		rows[name] = r
	}
	if len(rows) == 0 {
		t.Fatalf("%s has no table of packages", page)
	}
	return rows
}

// public are the packages outside internal/ and cmd/.
var public = []string{"assertion", "conformance", "emulator"}

// importedNames completes a name of the third column: there, internal/ is left out. Where a public package has the name of
// an internal one, the public packages import the public one, internal ones the internal one, and cmd both.
func importedNames(by, name string) []string {
	switch isPublic := within(name, "cmd") || slices.ContainsFunc(public, func(tree string) bool { return within(name, tree) }); {
	case isPublic && name == "emulator" && within(by, "internal"):
		return []string{"internal/" + name}
	case isPublic && name == "emulator" && within(by, "cmd"):
		return []string{name, "internal/" + name}
	case isPublic:
		return []string{name}
	}
	return []string{"internal/" + name}
}

// listPackages lists the packages of the root module and of the assertion module.
func listPackages(t *testing.T) map[string]pkg {
	t.Helper()
	packages := map[string]pkg{}
	for _, dir := range []string{root, filepath.Join(root, "assertion")} {
		var stderr bytes.Buffer
		cmd := exec.Command("go", "list", "-e", "-json=Dir,ImportPath,Name,GoFiles,CgoFiles,IgnoredGoFiles,Imports", "./...")
		cmd.Dir, cmd.Stderr = dir, &stderr
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("go list in %s: %v\n%s", dir, err, stderr.String())
		}
		for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
			var p pkg
			if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatal(err)
			}
			packages[strings.TrimPrefix(p.ImportPath, modulePath+"/")] = p
		}
	}
	return packages
}

// ours returns the imports that are packages of this repository, as ARCHITECTURE.md names them.
func ours(imports []string) []string {
	var names []string
	for _, imported := range imports {
		if name, found := strings.CutPrefix(imported, modulePath+"/"); found {
			names = append(names, name)
		}
	}
	return names
}

// within reports whether a package is the named one or lies below it.
func within(name, tree string) bool {
	return name == tree || strings.HasPrefix(name, tree+"/")
}

func packageComment(t *testing.T, file string) string {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.PackageClauseOnly|parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(parsed.Doc.Text())
}
