package emulator

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
)

// temporaryPrefix begins the names of data directories that end with their run.
const temporaryPrefix = "gatehouse-dev-"

// lockName is the file in such a directory that a living run has locked.
const lockName = "running.lock"

// lockTemporary marks a directory as one of a living run. The lock goes when the process does, however that ends.
func lockTemporary(dir string) (*os.File, error) {
	// Under another name first: who finds the file finds it locked.
	file, err := os.OpenFile(filepath.Join(dir, lockName+".new"), os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if err = errors.Join(err, os.Rename(file.Name(), filepath.Join(dir, lockName))); err != nil {
		file.Close()
		return nil, err
	}
	return file, nil
}

// removeStale removes the directories of runs that were killed, where they are ours and nobody holds their lock. What
// cannot be removed stays: it is not this run's.
func removeStale() {
	found, _ := filepath.Glob(filepath.Join(os.TempDir(), temporaryPrefix+"*", lockName)) // the pattern is well formed
	for _, lock := range found {
		info, err := os.Lstat(filepath.Dir(lock))
		if err != nil || !info.IsDir() {
			continue // a link leads elsewhere
		}
		if owner, ok := info.Sys().(*syscall.Stat_t); !ok || int(owner.Uid) != os.Geteuid() {
			continue
		}
		file, err := os.OpenFile(lock, os.O_RDWR|syscall.O_NOFOLLOW, 0)
		if err != nil {
			continue
		}
		if syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil {
			_ = os.RemoveAll(filepath.Dir(lock))
		}
		file.Close()
	}
}
