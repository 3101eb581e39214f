package sealing

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestCreateKeyFileMakesAFileThatReadsBack(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "root.key")
	made, err := CreateKeyFile(path)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	keys, err := ReadKeyFile(path)
	if err != nil || len(keys) != 1 || !bytes.Equal(keys[0], made) || len(made) != KeySize {
		t.Errorf("ReadKeyFile = %d keys, %v", len(keys), err)
	}
	if files, err := os.ReadDir(filepath.Dir(path)); err != nil || len(files) != 1 {
		t.Errorf("files left over: %v, %v", files, err)
	}
}

func TestCreateKeyFileNeverReplacesAFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "root.key")
	if _, err := CreateKeyFile(path); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := CreateKeyFile(path); !errors.Is(err, fs.ErrExist) || !errors.Is(err, ErrRootKey) {
		t.Errorf("second CreateKeyFile: %v", err)
	}
	if after, err := os.ReadFile(path); err != nil || !bytes.Equal(before, after) {
		t.Error("the file changed")
	}
}

func TestReadKeyFile(t *testing.T) {
	t.Parallel()
	line := base64.StdEncoding.EncodeToString(key(1))
	second := base64.StdEncoding.EncodeToString(key(2))
	tests := []struct {
		name string
		text string
		mode os.FileMode
		keys int // 0: refused
	}{
		{"one key without an end of line is read", line, 0o600, 1},
		{"keys stand one to a line, newest first", line + "\n" + second + "\n", 0o400, 2},
		{"comments and empty lines are passed over", "# of March\r\n\r\n" + line + "\r\n", 0o600, 1},
		{"an empty file is refused", "", 0o600, 0},
		{"a file of comments is refused", "# nothing\n", 0o600, 0},
		{"a short key is refused", base64.StdEncoding.EncodeToString(key(1)[1:]), 0o600, 0},
		{"text that is not base64 is refused", strings.Repeat("!", 44), 0o600, 0},
		{"two keys on one line are refused", line + " " + second, 0o600, 0},
		{"a huge file is refused", strings.Repeat(line+"\n", 2000), 0o600, 0},
		{"a file that the group can read is refused", line, 0o640, 0},
		{"a file that all can read is refused", line, 0o604, 0},
		{"a file that all can write is refused", line, 0o602, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "root.key")
			if err := os.WriteFile(path, []byte(test.text), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(path, test.mode); err != nil {
				t.Fatal(err)
			}
			keys, err := ReadKeyFile(path)
			if test.keys == 0 {
				if !errors.Is(err, ErrRootKey) || strings.Contains(err.Error(), line[:8]) {
					t.Errorf("error %v", err)
				}
				return
			}
			if err != nil || len(keys) != test.keys || !bytes.Equal(keys[0], key(1)) {
				t.Errorf("%d keys, %v", len(keys), err)
			}
		})
	}
}

func TestReadKeyFileRefusesWhatIsNoFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{dir, pipe, filepath.Join(dir, "missing")} {
		if _, err := ReadKeyFile(path); !errors.Is(err, ErrRootKey) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func FuzzParseKeys(f *testing.F) {
	f.Add([]byte(base64.StdEncoding.EncodeToString(key(1)) + "\n# end"))
	f.Add([]byte("\x00\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		keys, err := parseKeys(text)
		if (err == nil) != (len(keys) > 0) {
			t.Fatalf("%d keys and error %v", len(keys), err)
		}
		for _, k := range keys {
			if len(k) != KeySize {
				t.Fatalf("a key of %d bytes", len(k))
			}
		}
	})
}
