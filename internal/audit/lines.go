package audit

import (
	"bytes"
	"io"
)

// lineReader reads a file line by line, in either direction, and holds little of it.
type lineReader struct {
	file     io.ReaderAt
	backward bool
	size     int64
	buffer   []byte // the bytes from low to high of the file
	low      int64
	high     int64
	used     int // of buffer, from the side that is read first
}

// maxLine bounds what is held of one line: no record comes near it. What is longer comes in pieces, of which none has
// an end.
const maxLine = 4 << 20

// textLine is one line, without its break. It holds until the next is read.
type textLine struct {
	text   []byte
	offset int64
	ended  bool // by a line break
}

func newLineReader(file io.ReaderAt, size int64, backward bool) *lineReader {
	r := &lineReader{file: file, size: size, backward: backward}
	if backward {
		r.low, r.high = size, size
	}
	return r
}

// done is how many bytes have been read.
func (r *lineReader) done() int64 {
	if r.backward {
		return r.size - r.low - int64(len(r.buffer)-r.used)
	}
	return r.low + int64(r.used)
}

// next returns io.EOF after the last line.
func (r *lineReader) next() (textLine, error) {
	if r.backward {
		return r.previous()
	}
	for {
		rest := r.buffer[r.used:]
		if i := bytes.IndexByte(rest, '\n'); i >= 0 {
			line := textLine{rest[:i], r.low + int64(r.used), true}
			r.used += i + 1
			return line, nil
		}
		if r.high == r.size || len(rest) >= maxLine {
			if len(rest) == 0 {
				return textLine{}, io.EOF
			}
			line := textLine{rest, r.low + int64(r.used), false}
			r.used = len(r.buffer)
			return line, nil
		}
		more := min(r.size-r.high, int64(max(chunkBytes, len(rest))))
		next := make([]byte, len(rest)+int(more))
		copy(next, rest)
		if _, err := r.file.ReadAt(next[len(rest):], r.high); err != nil && err != io.EOF {
			return textLine{}, err
		}
		r.low += int64(r.used)
		r.buffer, r.used, r.high = next, 0, r.high+more
	}
}

func (r *lineReader) previous() (textLine, error) {
	for {
		rest := r.buffer[:len(r.buffer)-r.used]
		ended := len(rest) > 0 && rest[len(rest)-1] == '\n'
		text := rest
		if ended {
			text = rest[:len(rest)-1]
		}
		i := bytes.LastIndexByte(text, '\n')
		if i >= 0 || r.low == 0 && len(rest) > 0 {
			r.used += len(rest) - (i + 1)
			return textLine{text[i+1:], r.low + int64(i) + 1, ended}, nil
		}
		if r.low == 0 {
			return textLine{}, io.EOF
		}
		if len(rest) >= maxLine {
			r.used = len(r.buffer)
			return textLine{rest, r.low, false}, nil
		}
		more := min(r.low, int64(max(chunkBytes, len(rest))))
		next := make([]byte, int(more)+len(rest))
		copy(next[more:], rest)
		if _, err := r.file.ReadAt(next[:more], r.low-more); err != nil && err != io.EOF {
			return textLine{}, err
		}
		r.buffer, r.used, r.low = next, 0, r.low-more
	}
}
