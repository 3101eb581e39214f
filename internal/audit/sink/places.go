package sink

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// Options say where copies go. Each field that is set is a place of its own.
type Options struct {
	Stdout bool
	File   string
	Syslog Address
	// SyslogCAFile has the authorities that vouch for the collector, in place of the system's.
	SyslogCAFile string
}

// Open starts a sink for each place. Nothing is opened here: a place that is not there yet is tried again.
func Open(o Options, stdout io.Writer, log *slog.Logger, now func() time.Time) []*Sink {
	var sinks []*Sink
	if o.Stdout {
		sinks = append(sinks, start("stdout", &stream{stdout}, log, now))
	}
	if o.File != "" {
		sinks = append(sinks, start(o.File, &file{path: o.File, now: now}, log, now))
	}
	if o.Syslog != (Address{}) {
		sinks = append(sinks, start(o.Syslog.String(), newSyslog(o.Syslog, o.SyslogCAFile), log, now))
	}
	return sinks
}

// stream is a stream that somebody else opened.
type stream struct{ w io.Writer }

func (s *stream) write(b batch) (int, error) {
	_, err := s.w.Write(b.lines)
	return 0, err
}

func (s *stream) reopen()      {}
func (s *stream) close() error { return nil }

// file is a file that may be renamed at any time: then a new one is begun.
type file struct {
	path   string
	now    func() time.Time
	open   *os.File
	looked time.Time
	torn   bool // it ends in the middle of a line
}

// lookEvery is how often is looked whether the file has been moved away.
const lookEvery = time.Second

func (f *file) write(b batch) (int, error) {
	if err := f.ready(); err != nil {
		return 0, err
	}
	lines := b.lines
	if f.torn {
		lines = append([]byte{'\n'}, lines...)
	}
	n, err := f.open.Write(lines)
	if n > 0 {
		f.torn = err != nil
	}
	return 0, err
}

// ready opens the file if it has to be.
func (f *file) ready() error {
	if now := f.now(); f.open != nil && now.Sub(f.looked).Abs() >= lookEvery {
		f.looked = now
		there, err := os.Stat(f.path)
		own, ownErr := f.open.Stat()
		if err != nil || ownErr != nil || !os.SameFile(there, own) {
			f.reopen()
		}
	}
	if f.open != nil {
		return nil
	}
	// Without O_NONBLOCK a pipe would wait here for a reader.
	opened, err := os.OpenFile(f.path, os.O_RDWR|os.O_APPEND|os.O_CREATE|syscall.O_NONBLOCK, 0o600)
	if err != nil {
		return err
	}
	info, err := opened.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is not an ordinary file", f.path)
	}
	if err != nil {
		return errors.Join(err, opened.Close())
	}
	f.open, f.looked, f.torn = opened, f.now(), false
	if size := info.Size(); size > 0 {
		var last [1]byte
		if _, err := opened.ReadAt(last[:], size-1); err == nil {
			f.torn = last[0] != '\n'
		}
	}
	return nil
}

func (f *file) reopen() { _ = f.close() }

func (f *file) close() error {
	if f.open == nil {
		return nil
	}
	err := f.open.Close()
	f.open = nil
	return err
}

// CheckFile refuses a file in a directory that is not there.
func CheckFile(path string) error {
	info, err := os.Stat(filepath.Dir(path))
	switch {
	case err != nil:
		return err
	case !info.IsDir():
		return fmt.Errorf("%s is not a directory", filepath.Dir(path))
	}
	return nil
}
