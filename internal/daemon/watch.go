package daemon

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// watch tells when files have changed. It looks at what the file system says about them; no notification is as
// dependable with mounted secrets and network file systems.
type watch struct {
	paths func() []string
	taken string // what the files looked like when they were last read
	seen  string // when they were last looked at
	again time.Time
}

// begin notes how the files look now, before they are read.
func (w *watch) begin() {
	w.taken = look(w.paths())
	w.seen, w.again = w.taken, time.Time{}
}

// changed reports whether the files look different from when they were last read, and have looked so twice: a
// file that is still being written is not read. It begins a new reading.
func (w *watch) changed() bool {
	now := look(w.paths())
	due := !w.again.IsZero() && time.Now().After(w.again)
	rests := now == w.seen
	w.seen = now
	if !rests || now == w.taken && !due {
		return false
	}
	w.taken, w.again = now, time.Time{}
	return true
}

// retryAfter is how long a reading waits that failed for no fault of the files.
const retryAfter = 5 * time.Second

// retry has the same files read again a little later.
func (w *watch) retry() { w.again = time.Now().Add(retryAfter) }

// look describes files, and directories with all below them but what begins with a dot.
func look(paths []string) string {
	var b strings.Builder
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil || !info.IsDir() {
			describe(&b, path, info, err)
			continue
		}
		root := filepath.Clean(path) + string(filepath.Separator) // or else a symbolic link would not be followed
		_ = filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
			switch {
			case err != nil:
				describe(&b, name, nil, err)
			case name != root && strings.HasPrefix(entry.Name(), "."):
				if entry.IsDir() {
					return filepath.SkipDir
				}
			case !entry.IsDir():
				info, err := os.Stat(name) // what a symbolic link names
				describe(&b, name, info, err)
			}
			return nil
		})
	}
	return b.String()
}

func describe(b *strings.Builder, name string, info fs.FileInfo, err error) {
	if err != nil {
		fmt.Fprintf(b, "%q %v\n", name, err)
		return
	}
	inode := uint64(0)
	if stat, known := info.Sys().(*syscall.Stat_t); known {
		inode = stat.Ino
	}
	fmt.Fprintf(b, "%q %d %d %d %o\n", name, inode, info.Size(), info.ModTime().UnixNano(), info.Mode())
}

const (
	// lookEvery is how often files are looked at: twice within the half second after a change.
	lookEvery = 200 * time.Millisecond
	// lookShare bounds the time spent on it: one part of so many.
	lookShare = 50
)

// looker says when to look.
type looker struct {
	given <-chan time.Time
	timer *time.Timer
}

func newLooker(given <-chan time.Time) *looker {
	return &looker{given: given, timer: time.NewTimer(lookEvery)}
}

func (l *looker) now() <-chan time.Time {
	if l.given != nil {
		return l.given
	}
	return l.timer.C
}

// again looks, and sets the next time: the later, the longer looking took.
func (l *looker) again(look func()) {
	started := time.Now()
	look()
	l.timer.Reset(max(lookEvery, lookShare*time.Since(started)))
}

func (l *looker) stop() { l.timer.Stop() }
