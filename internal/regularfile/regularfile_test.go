package regularfile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestOnlyOrdinaryFilesOfBoundedSizeAreRead(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	if err := os.WriteFile(at("file"), []byte("0123456789"), 0o640); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(syscall.Mkfifo(at("pipe"), 0o600), os.Symlink("file", at("link")), os.Symlink("pipe", at("link to a pipe"))); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		path  string
		limit int64
		want  string
		fault error
		says  string
	}{
		"a file":                        {at("file"), 10, "0123456789", nil, ""},
		"a link to one":                 {at("link"), 10, "0123456789", nil, ""},
		"one byte too many":             {at("file"), 9, "", nil, "larger than 9 bytes"},
		"a pipe that nobody writes to":  {at("pipe"), 10, "", ErrNotRegular, "pipe"},
		"a link to a pipe":              {at("link to a pipe"), 10, "", ErrNotRegular, ""},
		"a directory":                   {dir, 10, "", ErrNotRegular, dir},
		"a device that never ends":      {"/dev/zero", 10, "", ErrNotRegular, ""},
		"nothing":                       {at("nothing"), 10, "", fs.ErrNotExist, "nothing"},
		"a file as if it were a folder": {at("file/file"), 10, "", syscall.ENOTDIR, ""},
	} {
		content, info, err := Read(c.path, c.limit)
		var path *fs.PathError
		switch {
		case c.want != "":
			if string(content) != c.want || err != nil || info.Mode() != 0o640 {
				t.Errorf("%s: %q, %v, %v", name, content, info, err)
			}
		case !errors.As(err, &path) || c.fault != nil && !errors.Is(err, c.fault) || !strings.Contains(err.Error(), c.says) || content != nil:
			t.Errorf("%s: %q, %v", name, content, err)
		}
	}
}
