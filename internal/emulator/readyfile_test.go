package emulator

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

func TestAReadyFileNeverCostsAnotherFile(t *testing.T) {
	t.Parallel()
	precious := filepath.Join(t.TempDir(), "main.go")
	if err := os.WriteFile(precious, []byte("package main"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{precious, t.TempDir(), filepath.Join(t.TempDir(), "missing", "ready.json")} {
		if err := start(t, Options{ReadyFile: path}).ends(1); err == nil || !strings.Contains(err.Error(), "--ready-file") {
			t.Errorf("%s: %v", path, err)
		}
	}
	if content, err := os.ReadFile(precious); err != nil || string(content) != "package main" {
		t.Errorf("%q, %v", content, err)
	}
}

func TestAReadyFileOfAKilledRunDoesNotOutliveTheNextStart(t *testing.T) {
	t.Parallel()
	file := &readyFile{path: filepath.Join(t.TempDir(), "ready.json")}
	if err := file.write(Info{PID: 1, Audience: "/a"}); err != nil {
		t.Fatal(err)
	}
	next := &readyFile{path: file.path}
	if err := next.prepare(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(file.path); !os.IsNotExist(err) {
		t.Error("it is still there")
	}
}

func TestTheReadyFileOfAnotherRunIsNotRemoved(t *testing.T) {
	t.Parallel()
	ours := &readyFile{path: filepath.Join(t.TempDir(), "ready.json")}
	theirs := &readyFile{path: ours.path}
	if err := ours.write(Info{PID: 1, Audience: "/a"}); err != nil {
		t.Fatal(err)
	}
	if err := theirs.write(Info{PID: 2, Audience: "/a"}); err != nil {
		t.Fatal(err)
	}
	ours.remove()
	if _, err := os.Stat(ours.path); err != nil {
		t.Error(err)
	}
	theirs.remove()
	if _, err := os.Stat(ours.path); !os.IsNotExist(err) {
		t.Error("it is still there")
	}
}

func TestTheTailIsTheLastLinesAndBounded(t *testing.T) {
	t.Parallel()
	var lines tail
	if lines.String() != "" {
		t.Errorf("silence is %q", lines.String())
	}
	for i := range 10_000 {
		_, _ = lines.Write([]byte("line " + strconv.Itoa(i) + "\n"))
	}
	got := strings.Split(strings.TrimSuffix(lines.String(), "\n"), "\n")
	if len(got) != tailLines || got[0] != "line 9980" || got[tailLines-1] != "line 9999" {
		t.Errorf("%d lines from %q to %q", len(got), got[0], got[len(got)-1])
	}
	_, _ = lines.Write([]byte(strings.Repeat("x", 1<<20)))
	if n := len(lines.String()); n > tailBytes+1 {
		t.Errorf("%d bytes are kept", n)
	}
	_, _ = lines.Write([]byte("\nunfinished"))
	if got := lines.String(); got != "unfinished\n" {
		t.Errorf("%.40q", got)
	}
}
