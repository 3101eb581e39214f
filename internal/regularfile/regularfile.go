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

// Open opens a file to be read, and returns what the system says of that very file, whatever takes its name meanwhile.
// Its errors are of the type *fs.PathError.
func Open(path string) (*os.File, fs.FileInfo, error) {
	// O_NONBLOCK: a pipe is opened at once, whether anybody writes to it or not, and refused below.
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, err // a *fs.PathError already
	}
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = &fs.PathError{Op: "read", Path: path, Err: ErrNotRegular}
	}
	if err != nil {
		_ = file.Close() // nothing was written
		return nil, nil, err
	}
	return file, info, nil
}

// Read returns what a file holds, and what the system said of that very file. Its errors are those of Open, and one for
// a file that is too large.
func Read(path string, limit int64) ([]byte, fs.FileInfo, error) {
	file, info, err := Open(path)
	if err != nil {
		return nil, nil, err
	}
	defer file.Close()
	content, err := io.ReadAll(io.LimitReader(file, limit+1))
	switch {
	case err != nil:
		return nil, nil, err
	case int64(len(content)) > limit:
		return nil, nil, &fs.PathError{Op: "read", Path: path, Err: fmt.Errorf("larger than %d bytes: is it the right file?", limit)}
	}
	return content, info, nil
}
