package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/gatehouse-iap/gatehouse/internal/admin"
	"github.com/gatehouse-iap/gatehouse/internal/manifest"
)

// manifestFlags say which documents a command is about, and whose they are.
type manifestFlags struct {
	files            []string
	resource, source string
}

func addManifestFlags(cmd *cobra.Command) *manifestFlags {
	f := &manifestFlags{}
	flags := cmd.Flags()
	flags.StringArrayVarP(&f.files, "file", "f", nil, "`path` of a file, of a directory, which is read with all below it, or - for stdin; may be repeated")
	flags.StringVar(&f.resource, "resource", "", "`resource` that bare policies, as gcloud prints them, are about, such as projects/dev-project/iap_web/compute/services/app")
	flags.StringVar(&f.source, "source", "", "`name` of the manifest that the documents belong to (default: the path; none for stdin and pipes)")
	return f
}

// read returns the documents.
func (f *manifestFlags) read(cmd *cobra.Command) ([]manifest.Document, error) {
	if len(f.files) == 0 {
		return nil, fmt.Errorf("--file is missing: %s -f FILE, -f DIRECTORY, or -f - to read stdin", cmd.CommandPath())
	}
	var inputs []manifest.Input
	for _, path := range f.files {
		if path == "-" || isPipe(path) {
			input, err := readStream(cmd, path)
			if err != nil {
				return nil, err
			}
			inputs = append(inputs, input)
			continue
		}
		read, err := manifest.Read(path)
		if err != nil {
			return nil, err
		}
		if len(read) == 0 {
			return nil, fmt.Errorf("%s has no file that ends in .yaml, .yml or .json", path)
		}
		inputs = append(inputs, read...)
	}
	documents, err := manifest.Parse(inputs, manifest.Options{Resource: f.resource})
	if err != nil {
		return nil, err
	}
	if len(documents) == 0 {
		return nil, errors.New("there are no documents in what was read")
	}
	return documents, nil
}

// isPipe reports whether a path is what a shell makes of <(COMMAND), or of /dev/stdin.
func isPipe(path string) bool {
	info, err := os.Stat(path)
	return err == nil && !info.IsDir() && !info.Mode().IsRegular()
}

// readStream reads documents that belong to no file.
func readStream(cmd *cobra.Command, path string) (manifest.Input, error) {
	in, name := cmd.InOrStdin(), "stdin"
	if path != "-" {
		file, err := os.Open(path)
		if err != nil {
			return manifest.Input{}, err
		}
		defer file.Close()
		in, name = file, path
	}
	data, err := manifest.ReadAll(in, name)
	if err != nil {
		return manifest.Input{}, err
	}
	dir, err := os.Getwd()
	return manifest.Input{Name: name, Dir: dir, Data: data}, err
}

// showProgress tells once a second how far the server is.
func showProgress(cmd *cobra.Command) func(done, total int) {
	var last time.Time
	return func(done, total int) {
		if now := time.Now(); now.Sub(last) >= time.Second {
			last = now
			say(cmd, "%d of %s written", done, count(total, "change"))
		}
	}
}

// showChanges prints one line for each thing that changes.
func showChanges(w io.Writer, plan admin.Plan, suffix string) error {
	var b strings.Builder
	for _, c := range plan.Changes {
		fmt.Fprintf(&b, "%s %s %s%s\n", c.Kind, printable(c.Name), c.Action, suffix)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// sayPlan sums up.
func sayPlan(cmd *cobra.Command, plan admin.Plan, done bool) {
	for _, note := range plan.Notes {
		say(cmd, "note: %s", note)
	}
	counts := map[admin.Action]int{}
	for _, c := range plan.Changes {
		counts[c.Action]++
	}
	var parts []string
	for _, action := range []admin.Action{admin.Created, admin.Updated, admin.Deleted} {
		if counts[action] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", counts[action], action))
		}
	}
	parts = append(parts, fmt.Sprintf("%d unchanged", plan.Unchanged))
	if plan.Adopted > 0 {
		parts = append(parts, fmt.Sprintf("%d of them owned from now on", plan.Adopted))
	}
	verb := "Applied"
	if !done {
		verb = "Would apply"
	}
	say(cmd, "%s: %s.", verb, strings.Join(parts, ", "))
}
