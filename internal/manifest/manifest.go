// Package manifest owns the YAML documents in which a gate is described: their form, reading them with all that is
// wrong at once and where, and writing them down. It applies nothing: that is admin's, and so are the rules about
// what documents mean together.
package manifest

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/gatehouse-iap/gatehouse/internal/admin"
	"github.com/gatehouse-iap/gatehouse/internal/regularfile"
)

// Document is one document. It is admin's, which applies it.
type Document = admin.Document

// Input is a file, a directory, or standard input.
type Input struct {
	// Name is shown where something is wrong.
	Name string
	// Source is whose the documents are once they are applied.
	Source string
	// Dir is what relative paths in the documents start from.
	Dir  string
	Data []byte
}

// maxFile bounds one file: a group of directory.MaxGroupMembers, and as much again.
const maxFile = 128 << 20

// Options say how to read.
type Options struct {
	// Resource makes documents without an envelope the IAM policy of this resource, as gcloud prints it.
	Resource string
	// Project is that of the server, where it is known; the documents may be about no other.
	Project admin.Project
}

// Load reads the documents of files and directories, and checks them by themselves and together. Each belongs to
// the path that led to it, made absolute. A directory, or a symbolic link to one, is read with all below it: *.yaml,
// *.yml and *.json, in the order of their names, without what begins with a dot. Its error is admin.Faults when the documents are at fault.
func Load(paths ...string) ([]Document, error) {
	inputs, err := Read(paths...)
	if err != nil {
		return nil, err
	}
	return Parse(inputs, Options{})
}

// Read reads files and directories without looking at what is in them.
func Read(paths ...string) ([]Input, error) {
	var inputs []Input
	var failed []error
	for _, path := range paths {
		source, err := filepath.Abs(path)
		if err != nil {
			return nil, err
		}
		names, err := filesOf(path)
		if err != nil {
			failed = append(failed, err)
			continue
		}
		for _, name := range names {
			data, _, err := regularfile.Read(name, maxFile)
			if err != nil {
				failed = append(failed, err)
				continue
			}
			dir := filepath.Dir(source)
			if name != path {
				dir = filepath.Join(source, strings.TrimPrefix(filepath.Dir(name), filepath.Clean(path)))
			}
			inputs = append(inputs, Input{Name: name, Source: source, Dir: dir, Data: data})
		}
	}
	return inputs, errors.Join(failed...)
}

// filesOf lists the files that a path means.
func filesOf(path string) ([]string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return []string{path}, nil
	}
	root := filepath.Clean(path) + string(filepath.Separator) // or else a symbolic link would not be followed
	var names []string
	err = filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case name != root && strings.HasPrefix(entry.Name(), "."):
			if entry.IsDir() {
				return filepath.SkipDir
			}
			return nil
		case entry.Type()&fs.ModeSymlink != 0 && leadsToDirectory(name):
			return fmt.Errorf("%s is a symbolic link to a directory, which is not followed: name the directory itself besides, or take the link out", name)
		case entry.IsDir() || !slices.Contains([]string{".yaml", ".yml", ".json"}, filepath.Ext(name)):
			return nil
		}
		names = append(names, name)
		return nil
	})
	return names, err
}

func leadsToDirectory(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.IsDir()
}

// ReadAll reads a stream up to the size of a file.
func ReadAll(in io.Reader, name string) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(in, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	if len(data) > maxFile {
		return nil, fmt.Errorf("%s is larger than %d MiB: split it", name, maxFile>>20)
	}
	return data, nil
}
