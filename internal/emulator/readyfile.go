package emulator

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Info is what programs want to know of a running emulator: the ready file, and GET /emulator/v1/info.
type Info struct {
	PID           int    `json:"pid"`
	Audience      string `json:"audience"`
	ClientID      string `json:"client_id"`
	Project       string `json:"project"`
	ProjectNumber string `json:"project_number"`
	DataDir       string `json:"data_dir"`
	// CAFile has the authorities of this run, in PEM form; empty when it has none.
	CAFile string `json:"ca_file,omitempty"`
	// ServiceAccount is what the metadata server's tokens speak for.
	ServiceAccount string    `json:"service_account"`
	Accounts       []Account `json:"accounts"`
	URLs           URLs      `json:"urls"`
}

// Account is one account of a new store. Those of manifests have no password, and a subject that is drawn.
type Account struct {
	Email    string `json:"email"`
	Subject  string `json:"subject,omitempty"`
	Password string `json:"password,omitempty"`
	Access   string `json:"access"` // in words, as a new store grants it
}

// URLs are where the emulator answers. App, Auth and Metadata are origins for browsers and curl; Machine is the origin
// for programs that do not resolve *.localhost, and Keys a whole URL there. Origins end without a slash.
type URLs struct {
	App      string `json:"app"`
	Auth     string `json:"auth"`
	Keys     string `json:"keys"`
	Machine  string `json:"machine"`
	Metadata string `json:"metadata"`
}

func (i Info) encode() ([]byte, error) {
	content, err := json.MarshalIndent(i, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("cannot write the description of this run: %w", err)
	}
	return append(content, '\n'), nil
}

// readyFile tells other programs that everything is ready: it exists only while that is so.
type readyFile struct {
	path    string
	content []byte // what we wrote
}

// prepare finds out at the start what would only fail at the end, and removes what a run that was killed has
// left behind, which would be a lie.
func (f *readyFile) prepare() error {
	if f.path == "" {
		return nil
	}
	absolute, err := filepath.Abs(f.path)
	if err != nil {
		return fmt.Errorf("--ready-file %s: %w", f.path, err)
	}
	f.path = absolute
	old, err := os.Lstat(f.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return fmt.Errorf("--ready-file: %w", err)
	case !old.Mode().IsRegular() || !isReadyFile(f.path):
		return fmt.Errorf("--ready-file %s exists and is not the ready file of an earlier run: name another path", f.path)
	default:
		if err := os.Remove(f.path); err != nil {
			return fmt.Errorf("--ready-file: cannot remove the old one: %w", err)
		}
	}
	if parent, err := os.Stat(filepath.Dir(f.path)); err != nil || !parent.IsDir() {
		return fmt.Errorf("--ready-file %s: there is no directory %s: make it first", f.path, filepath.Dir(f.path))
	}
	return nil
}

// isReadyFile keeps a mistyped path from costing somebody a file.
func isReadyFile(path string) bool {
	content, err := os.ReadFile(path)
	var info Info
	return err == nil && json.Unmarshal(content, &info) == nil && info.PID > 0 && info.Audience != ""
}

// write puts the file there whole: under a temporary name first, then renamed.
func (f *readyFile) write(info Info) (err error) {
	if f.path == "" {
		return nil
	}
	content, err := info.encode()
	if err != nil {
		return err
	}
	temporary, err := os.CreateTemp(filepath.Dir(f.path), "."+filepath.Base(f.path)+".*")
	if err != nil {
		return fmt.Errorf("--ready-file: %w", err)
	}
	defer func() {
		if err != nil {
			os.Remove(temporary.Name())
			err = fmt.Errorf("--ready-file: %w", err)
		}
	}()
	_, err = temporary.Write(content)
	// Readable by all: it holds no secret, and what waits for it may run as another user.
	err = errors.Join(err, temporary.Chmod(0o644), temporary.Sync(), temporary.Close())
	if err != nil {
		return err
	}
	if err := os.Rename(temporary.Name(), f.path); err != nil {
		return err
	}
	f.content = content
	return nil
}

// remove takes our file away, and leaves alone what somebody else has put there since.
func (f *readyFile) remove() {
	if f.content == nil {
		return
	}
	if found, err := os.ReadFile(f.path); err == nil && bytes.Equal(found, f.content) {
		os.Remove(f.path)
	}
}
