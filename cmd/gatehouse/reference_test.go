package main

import (
	"bytes"
	"flag"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/spf13/cobra/doc"

	"github.com/gatehouse-iap/gatehouse/internal/config"
	"github.com/gatehouse-iap/gatehouse/internal/manifest/reference"
)

// writeReference is set by `make docs`.
var writeReference = flag.Bool("write-reference", false, "write docs/reference instead of checking it")

const referenceDir = "../../docs/reference"

func TestReferenceSaysWhatTheCommandsSay(t *testing.T) {
	root := newRootCommand()
	root.DisableAutoGenTag = true // a date would make every day's pages differ
	generated := t.TempDir()
	if err := doc.GenMarkdownTree(root, generated); err != nil {
		t.Fatal(err)
	}
	writePage(t, filepath.Join(generated, "config.md"), config.WriteReference)
	for name, write := range map[string]func(string) ([]byte, error){reference.PageName: reference.Page, reference.SchemaName: reference.Schema} {
		page, err := write("../..")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(generated, name), page, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if *writeReference {
		if err := os.RemoveAll(referenceDir); err != nil {
			t.Fatal(err)
		}
		if err := os.CopyFS(referenceDir, os.DirFS(generated)); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, got := readPages(t, generated), readPages(t, referenceDir)
	for name, page := range want {
		if !bytes.Equal(page, got[name]) {
			t.Errorf("docs/reference/%s does not say what the program says: run make docs", name)
		}
		delete(got, name)
	}
	for name := range got {
		t.Errorf("docs/reference/%s is about something that does not exist: run make docs", name)
	}
}

// writePage makes a page that is not about a command.
func writePage(t *testing.T, path string, write func(io.Writer) error) {
	t.Helper()
	var page bytes.Buffer
	if err := write(&page); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, page.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

func readPages(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	pages := map[string][]byte{}
	for _, entry := range entries {
		page, err := os.ReadFile(filepath.Join(dir, entry.Name()))
		if err != nil {
			t.Fatal(err)
		}
		pages[entry.Name()] = page
	}
	return pages
}
