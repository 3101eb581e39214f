// Package regularfile reads the files that configuration names, wherever it names them: never anything but an ordinary
// file, never more of it than a limit, and never waiting. A pipe in the place of a file would otherwise hold whoever
// reads it for ever, and a device would fill the memory. It does not know what the files hold.
package regularfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
)

// ErrNotRegular reports a pipe, a directory, a socket or a device.
var ErrNotRegular = errors.New("not an ordinary file")

// Read returns what a file holds, and what the system said of that very file, whatever takes its name meanwhile. Its
// errors are of the type *fs.PathError.
func Read(path string, limit int64) ([]byte, fs.FileInfo, error) {
	failed := func(err error) ([]byte, fs.FileInfo, error) {
		return nil, nil, &fs.PathError{Op: "read", Path: path, Err: err}
	}
	// O_NONBLOCK: a pipe is opened at once, whether anybody writes to it or not, and refused below.
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, err // a *fs.PathError already
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, nil, err
	}
	if !info.Mode().IsRegular() {
		return failed(ErrNotRegular)
	}
	content, err := io.ReadAll(io.LimitReader(file, limit+1))
	switch {
	case err != nil:
		return nil, nil, err
	case int64(len(content)) > limit:
		return failed(fmt.Errorf("larger than %d bytes: is it the right file?", limit))
	}
	return content, info, nil
}
