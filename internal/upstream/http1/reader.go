package http1

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"sync"
)

// MaxHead is how long the header of an answer may be, with its status line.
const MaxHead = 64 << 10

const readSize = 16 << 10

var (
	errMalformed = errors.New("malformed HTTP response")
	errLarge     = fmt.Errorf("the header of the application's answer is larger than %d KiB", MaxHead>>10)
)

// reader buffers what a connection sends. It differs from bufio.Reader in that a header may be larger than the buffer.
type reader struct {
	from       io.Reader
	buf        []byte
	start, end int // of what has been received and not been taken
	heard      bool
}

var readers = sync.Pool{New: func() any { return &reader{buf: make([]byte, readSize)} }}

func newReader(from io.Reader) *reader {
	b := readers.Get().(*reader)
	b.from, b.start, b.end, b.heard = from, 0, 0, false
	return b
}

// release gives the memory back. Nothing that was taken may be in use.
func (b *reader) release() {
	b.from = nil
	if len(b.buf) == readSize { // a larger one is rare, and need not be kept
		readers.Put(b)
	}
}

func (b *reader) buffered() []byte { return b.buf[b.start:b.end] }

// room is where the first bytes may be put, if not by fill; received says that they were.
func (b *reader) room() []byte { return b.buf }

func (b *reader) received(n int) {
	b.end += n
	b.heard = b.heard || n > 0
}

// fill receives more, at least one byte.
func (b *reader) fill() error {
	if b.start == b.end {
		b.start, b.end = 0, 0
	} else if b.start > 0 && b.end == len(b.buf) {
		b.end = copy(b.buf, b.buffered())
		b.start = 0
	}
	if b.end == len(b.buf) {
		larger := make([]byte, 2*len(b.buf))
		copy(larger, b.buf)
		b.buf = larger
	}
	n, err := b.from.Read(b.buf[b.end:])
	if b.received(n); n > 0 {
		return nil
	}
	if err == nil {
		return io.ErrNoProgress
	}
	return err
}

// Read takes what is there, or receives into p.
func (b *reader) Read(p []byte) (int, error) {
	if b.start < b.end {
		n := copy(p, b.buffered())
		b.start += n
		return n, nil
	}
	return b.from.Read(p)
}

// line returns the line with its end that begins after some bytes, without taking it. It ends within a limit.
func (b *reader) line(after, limit int) ([]byte, error) {
	for searched := after; ; {
		if i := bytes.IndexByte(b.buffered()[searched:], '\n'); i >= 0 {
			if searched+i+1 > limit {
				return nil, errLarge
			}
			return b.buffered()[after : searched+i+1], nil
		}
		if searched = len(b.buffered()); searched >= limit {
			return nil, errLarge
		}
		if err := b.fill(); err != nil {
			return nil, unexpected(err)
		}
	}
}

// head returns a status line and the header lines up to the empty one, without taking them. It gives up as soon as
// what comes is no HTTP/1.
func (b *reader) head() ([]byte, error) {
	for searched := 0; ; {
		got := b.buffered()
		if len(got) > 0 && !bytes.HasPrefix(got, []byte(version)[:min(len(got), len(version))]) {
			return nil, fmt.Errorf("%w: it begins with %q", errMalformed, got[:min(len(got), 32)])
		}
		end, next := headEnd(got, searched)
		if end > MaxHead || end < 0 && len(got) > MaxHead {
			return nil, errLarge
		}
		if end >= 0 {
			return got[:end], nil
		}
		searched = next
		if err := b.fill(); err != nil {
			if len(got) == 0 {
				return nil, err
			}
			return nil, unexpected(err)
		}
	}
}

// version is how an answer begins.
const version = "HTTP/1."

// headEnd returns where the first empty line ends, or -1 and where to search next.
func headEnd(b []byte, from int) (end, next int) {
	for {
		i := bytes.IndexByte(b[from:], '\n')
		if i < 0 {
			return -1, len(b)
		}
		after := from + i + 1
		switch rest := b[after:]; {
		case len(rest) > 0 && rest[0] == '\n':
			return after + 1, 0
		case len(rest) > 1 && rest[0] == '\r' && rest[1] == '\n':
			return after + 2, 0
		case len(rest) == 0 || len(rest) == 1 && rest[0] == '\r':
			return -1, from + i
		}
		from = after
	}
}

// unexpected makes the end of a connection, where there should be more, an error.
func unexpected(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
