package sqlite

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// prepareDir makes the data directory, or checks that the one that is there belongs to this user alone: who can
// write to it can replace keys and policy, who can read it sees sessions and password hashes.
func prepareDir(dir string) error {
	switch err := os.Mkdir(dir, 0o700); {
	case err == nil:
		return syncDir(filepath.Dir(dir))
	case errors.Is(err, fs.ErrNotExist):
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return fmt.Errorf("make the data directory: %w", err)
		}
	case !errors.Is(err, fs.ErrExist):
		return fmt.Errorf("make the data directory: %w", err)
	}
	info, err := os.Stat(dir)
	if err != nil {
		return fmt.Errorf("data directory: %w", err)
	}
	if !info.IsDir() {
		return fmt.Errorf("data directory %s: it is not a directory", dir)
	}
	owner, known := info.Sys().(*syscall.Stat_t)
	if !known {
		return fmt.Errorf("data directory %s: its owner cannot be told on this system", dir)
	}
	if int(owner.Uid) != os.Geteuid() {
		return fmt.Errorf("data directory %s: it belongs to uid %d and this process runs as %d; use a directory of its own",
			dir, owner.Uid, os.Geteuid())
	}
	if info.Mode().Perm()&0o077 != 0 {
		return fmt.Errorf("data directory %s: others may use it (mode %04o); run: chmod 700 %s", dir, info.Mode().Perm(), dir)
	}
	return nil
}

// createFile makes the database file before SQLite does, with a mode of ours; SQLite gives the same to its log,
// and brings the directory to disk with its first journal.
func createFile(path string) error {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	return file.Close()
}

// syncDir brings the names in a directory to disk.
func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
