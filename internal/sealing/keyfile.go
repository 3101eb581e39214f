package sealing

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// maxKeyFile bounds what is read as a key file.
const maxKeyFile = 64 << 10

// CreateKeyFile draws a root key and writes it, as one line of base64, to a new file that only its owner can
// read. It returns once file and name are on disk. A file that is already there is an error (fs.ErrExist) and
// stays as it is: overwriting a root key would lose everything sealed with it.
func CreateKeyFile(path string) ([]byte, error) {
	key := make([]byte, KeySize)
	rand.Read(key) // never fails (crypto/rand)
	line := base64.StdEncoding.EncodeToString(key) + "\n"

	// Written aside and then linked: whatever moment the machine dies at, the name holds a whole key or nothing.
	aside, err := os.CreateTemp(filepath.Dir(path), ".root-key-*") // 0600, O_EXCL
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRootKey, err)
	}
	defer os.Remove(aside.Name())
	if err := writeSynced(aside, line); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRootKey, err)
	}
	if err := os.Link(aside.Name(), path); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRootKey, err)
	}
	if err := syncDir(filepath.Dir(path)); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRootKey, err)
	}
	return key, nil
}

func writeSynced(file *os.File, text string) error {
	_, err := file.WriteString(text)
	return errors.Join(err, file.Sync(), file.Close())
}

func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// ReadKeyFile reads root keys, one in base64 on each line, newest first. Empty lines and lines that start with
// # are passed over. It refuses a file that anyone but its owner can read or write.
func ReadKeyFile(path string) ([][]byte, error) {
	// O_NONBLOCK, so that a pipe in the place of the file is refused below instead of waited for.
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRootKey, err)
	}
	defer file.Close()
	info, err := file.Stat()
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrRootKey, err)
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%w: %s is not a regular file", ErrRootKey, path)
	case info.Mode().Perm()&0o077 != 0:
		return nil, fmt.Errorf("%w: others may use %s (mode %04o); run: chmod 600 %s", ErrRootKey, path, info.Mode().Perm(), path)
	}
	text, err := io.ReadAll(io.LimitReader(file, maxKeyFile+1))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRootKey, err)
	}
	keys, err := parseKeys(text)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrRootKey, path, err)
	}
	return keys, nil
}

// ParseKeys reads root keys from a text that is not a file, such as the value of a variable: one in base64 on each
// line, or with spaces between, newest first.
func ParseKeys(text string) ([][]byte, error) {
	keys, err := parseKeys([]byte(strings.Join(strings.Fields(text), "\n")))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRootKey, err)
	}
	return keys, nil
}

// parseKeys never repeats what it read: the text is secret.
func parseKeys(text []byte) ([][]byte, error) {
	if len(text) > maxKeyFile {
		return nil, fmt.Errorf("the file is longer than %d bytes", maxKeyFile)
	}
	var keys [][]byte
	number := 0
	for line := range strings.Lines(string(text)) {
		number++
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		key, err := base64.StdEncoding.Strict().DecodeString(line)
		if err != nil || len(key) != KeySize {
			return nil, fmt.Errorf("line %d is not the base64 of %d bytes", number, KeySize)
		}
		keys = append(keys, key)
	}
	if len(keys) == 0 {
		return nil, errors.New("there is no key in it")
	}
	return keys, nil
}
