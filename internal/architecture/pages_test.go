package architecture

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/gatehouse-iap/gatehouse/internal/policy"
)

const reasonsPage = "docs/reasons.md"

func TestThePageOfReasonsSaysWhatTheProgramSays(t *testing.T) {
	t.Parallel()
	lines := map[string]string{} // reason to its line
	var order []policy.Reason
	for line := range strings.Lines(readFile(t, reasonsPage)) {
		if rest, found := strings.CutPrefix(line, "| `"); found {
			reason, _, _ := strings.Cut(rest, "`")
			lines[reason] = line
			order = append(order, policy.Reason(reason))
		}
	}
	for _, reason := range policy.Reasons() {
		said := reason.Describe()
		want := fmt.Sprintf("| `%s` | %s | %s |", reason, said.Title, said.Text)
		if !strings.HasPrefix(lines[string(reason)], want) {
			t.Errorf("%s has no line that begins with\n\t%s", reasonsPage, want)
		}
		delete(lines, string(reason))
	}
	for reason := range lines {
		t.Errorf("%s explains %q, which is not a reason", reasonsPage, reason)
	}
	if got, want := fmt.Sprint(order), fmt.Sprint(policy.Reasons()); got != want && !t.Failed() {
		t.Errorf("%s has another order than the program:\n\t%s\n\t%s", reasonsPage, got, want)
	}
}

// link matches Markdown links to files of the repository.
var link = regexp.MustCompile(`\]\(([^)#:\s]+)(?:#[^)]*)?\)`)

func TestLinksBetweenThePagesLeadSomewhere(t *testing.T) {
	t.Parallel()
	for _, name := range markdownFiles(t) {
		for _, match := range link.FindAllStringSubmatch(readFile(t, name), -1) {
			target := filepath.Join(filepath.Dir(name), match[1])
			if _, err := os.Stat(filepath.Join(root, target)); err != nil {
				t.Errorf("%s links to %s, which does not exist", name, match[1])
			}
		}
	}
}

func markdownFiles(t *testing.T) []string {
	t.Helper()
	var files []string
	err := filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (entry.Name() == "node_modules" || entry.Name() == ".git"):
			return filepath.SkipDir
		case !entry.IsDir() && filepath.Ext(name) == ".md":
			relative, err := filepath.Rel(root, name)
			files = append(files, filepath.ToSlash(relative))
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}
