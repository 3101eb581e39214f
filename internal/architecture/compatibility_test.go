package architecture

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	testFunction = regexp.MustCompile(`(?m)^func (Test[A-Za-z0-9_]*|Fuzz[A-Za-z0-9_]*)\(`)
	namedTest    = regexp.MustCompile("`((?:Test|Fuzz)[A-Za-z0-9_]*)`")
	verdictForm  = regexp.MustCompile(`^(same|better|not offered: |same )`)
)

// TestThePageOfCompatibilityNamesTestsThatExist reads every row of the tables: what is the same or better is shown by
// a test, what is not offered has a reason.
func TestThePageOfCompatibilityNamesTestsThatExist(t *testing.T) {
	t.Parallel()
	known := testsOfTheTree(t)
	text, err := os.ReadFile(filepath.Join(root, "docs", "compatibility.md"))
	if err != nil {
		t.Fatal(err)
	}
	rows := 0
	for number, line := range strings.Split(string(text), "\n") {
		cells := strings.Split(strings.Trim(line, "| "), " | ")
		if !strings.HasPrefix(line, "| ") || cells[0] == "IAP" || cells[0] == "asked for" {
			continue
		}
		rows++
		if len(cells) < 2 {
			t.Errorf("line %d has %d cells", number+1, len(cells))
			continue
		}
		verdict, shown := cells[1], strings.Join(cells[2:], " ")
		names := namedTest.FindAllStringSubmatch(shown, -1)
		if len(names) == 0 && !strings.HasPrefix(verdict, "not offered: ") {
			t.Errorf("line %d names no test: %s", number+1, cells[0])
		}
		if !verdictForm.MatchString(verdict) && !strings.Contains(verdict, "(same as far as known)") {
			t.Errorf("line %d says neither same, nor better, nor why it is not offered: %s", number+1, verdict)
		}
		for _, name := range names {
			if !known[name[1]] {
				t.Errorf("line %d names %s, which is nowhere in the tree", number+1, name[1])
			}
		}
	}
	if rows < 80 {
		t.Errorf("only %d rows were read: has the form of the tables changed?", rows)
	}
}

func testsOfTheTree(t *testing.T) map[string]bool {
	t.Helper()
	known := map[string]bool{}
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && (entry.Name() == "node_modules" || entry.Name() == ".git") {
			return fs.SkipDir
		}
		if !strings.HasSuffix(path, "_test.go") {
			return nil
		}
		source, err := os.ReadFile(path)
		for _, found := range testFunction.FindAllSubmatch(source, -1) {
			known[string(found[1])] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return known
}
