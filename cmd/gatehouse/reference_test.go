package main

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/spf13/cobra/doc"

	"github.com/gatehouse-iap/gatehouse/conformance"
	"github.com/gatehouse-iap/gatehouse/internal/config"
	"github.com/gatehouse-iap/gatehouse/internal/manifest/reference"
	"github.com/gatehouse-iap/gatehouse/internal/metrics"
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
	writePage(t, filepath.Join(generated, "check-probes.md"), writeProbes)
	writePage(t, filepath.Join(generated, "metrics.md"), metrics.WriteReference)
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

// writeProbes is the page about the probes of `gatehouse check`.
func writeProbes(w io.Writer) error {
	fmt.Fprint(w, "# Probes of gatehouse check\n\n[Check an application](../check.md) says what this is. What stands in brackets is not needed, but without it a "+
		"refusal\nproves little, and the probe counts as not run. Accepting a lax one lets no stranger in by itself.\n\n"+
		"| probe | what is sent | needs | what is wrong when it is accepted |\n|---|---|---|---|\n")
	var faults []conformance.Fault
	for i, probe := range conformance.Probes() {
		row := probeRows()[i]
		fmt.Fprintf(w, "| `%s` | %s | %s | [%s](#%s) |\n", row[0], row[2], row[1], probe.Fault, probe.Fault)
		if !slices.Contains(faults, probe.Fault) {
			faults = append(faults, probe.Fault)
		}
	}
	for _, fault := range faults {
		remedy := conformance.RemedyFor(fault, "")
		fmt.Fprintf(w, "\n## %s\n\n%s\n\n", fault, remedy.Text)
		for _, note := range remedy.Notes {
			fmt.Fprintf(w, "- %s\n", note)
		}
	}
	fmt.Fprint(w, "\n## What verifies assertions\n\n")
	for _, library := range conformance.LibrariesFor("") {
		fmt.Fprintf(w, "- %s\n", library)
	}
	return nil
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
