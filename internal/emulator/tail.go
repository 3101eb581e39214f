package emulator

import (
	"strings"
	"sync"
)

// tail keeps the last lines that went by, for the error that explains why the command did not become ready.
type tail struct {
	mu  sync.Mutex
	buf []byte
	cut bool // buf does not begin where the output did
}

// What is kept is enough to read, and bounded however long the lines are.
const (
	tailBytes = 16 << 10
	tailLines = 20
)

// Write never fails.
func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, p...)
	if len(t.buf) > 2*tailBytes { // moved rarely, not at each write
		t.buf = append(t.buf[:0], t.buf[len(t.buf)-tailBytes:]...)
		t.cut = true
	}
	return len(p), nil
}

// String returns the last lines, each ended by a line feed.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	buf, cut := t.buf, t.cut
	if len(buf) > tailBytes {
		buf, cut = buf[len(buf)-tailBytes:], true
	}
	lines := strings.SplitAfter(strings.TrimRight(string(buf), "\n"), "\n")
	if cut && len(lines) > 1 {
		lines = lines[1:] // its beginning is gone
	}
	if len(lines) > tailLines {
		lines = lines[len(lines)-tailLines:]
	}
	kept := strings.Join(lines, "")
	if kept == "" {
		return ""
	}
	return kept + "\n"
}
