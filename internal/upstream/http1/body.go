package http1

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
)

// body is that of an answer. When its end has been read, its connection is free for the next request; when it is
// closed before, the connection is closed, which also ends a read that is under way.
type body struct {
	x       *exchange
	framing framing
	left    int64 // of the length, or of the chunk
	inChunk bool
	excess  int64 // how much more than data the chunks held

	done atomic.Bool // the connection and the buffer are not this body's any more
	mu   sync.Mutex  // held while reading
	err  error       // what every further read says
}

var errBodyClosed = errors.New("the body of the answer is closed")

func (b *body) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err != nil {
		return 0, b.err
	}
	if len(p) == 0 {
		return 0, nil
	}
	var n int
	switch b.framing {
	case length:
		n, b.err = b.readLength(p)
	case chunked:
		n, b.err = b.readChunks(p)
	default:
		n, b.err = b.x.in.Read(p)
	}
	if b.err != nil {
		b.err = b.end(b.err)
	}
	return n, b.err
}

// Ready reports whether something has been received that Read returns without waiting.
func (b *body) Ready() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err != nil || b.done.Load() {
		return false
	}
	got := b.x.in.buffered()
	if b.framing != chunked || b.left > 0 {
		return len(got) > 0
	}
	if b.inChunk {
		got = got[min(2, len(got)):]
	}
	line := bytes.IndexByte(got, '\n') // and behind it some of the chunk; the last one has none
	return line > 0 && line < len(got)-1 && got[0] != '0'
}

// Close ends the exchange, whether its answer has been read or not.
func (b *body) Close() error {
	if b.done.Swap(true) {
		return nil
	}
	_ = b.x.conn.Close() // nobody reads on
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.x.stop != nil {
		b.x.stop()
	}
	if b.err == nil {
		b.err = errBodyClosed
	}
	b.x.in.release()
	return nil
}

// end lets go of the connection, since there is nothing more to read.
func (b *body) end(err error) error {
	if b.done.Swap(true) {
		return errBodyClosed // Close is waiting to let go of it
	}
	if err == io.EOF {
		b.x.finish()
		return err
	}
	return b.x.fail(err)
}

func (b *body) readLength(p []byte) (int, error) {
	n, err := b.x.in.Read(p[:min(int64(len(p)), b.left)])
	if b.left -= int64(n); b.left == 0 {
		return n, io.EOF
	}
	return n, unexpected(err)
}

var errChunk = fmt.Errorf("%w: its chunks are not what they should be", errMalformed)

// readChunks reads what there is of one chunk or more. It waits for nothing once it has something.
func (b *body) readChunks(p []byte) (n int, err error) {
	in := b.x.in
	for n < len(p) {
		if b.left == 0 {
			if n > 0 && bytes.IndexByte(in.buffered()[min(2, len(in.buffered())):], '\n') < 0 {
				return n, nil // the next line has not come yet
			}
			if err := b.nextChunk(); err != nil {
				return n, err
			}
			continue
		}
		if n > 0 && len(in.buffered()) == 0 {
			return n, nil
		}
		if len(in.buffered()) == 0 && b.left < readSize { // what follows the chunk may come with it
			if err := in.fill(); err != nil {
				return n, unexpected(err)
			}
		}
		got, err := in.Read(p[n : n+int(min(int64(len(p)-n), b.left))])
		n += got
		b.left -= int64(got)
		if err != nil {
			return n, unexpected(err)
		}
	}
	return n, nil
}

const (
	maxChunkLine = 256      // its size, and extensions that nobody knows
	maxExcess    = 16 << 10 // of what is no data
	maxTrailer   = 4 << 10
)

// nextChunk reads the end of a chunk and the line before the next one. After the last chunk it reads the trailers, and
// returns io.EOF.
func (b *body) nextChunk() error {
	in := b.x.in
	if b.inChunk {
		line, err := in.line(0, 2)
		if err != nil || len(line) != 2 || line[0] != '\r' {
			return chunkError(err)
		}
		in.start += 2
		b.inChunk = false
	}
	line, err := in.line(0, maxChunkLine)
	if err != nil {
		return chunkError(err)
	}
	size, ok := chunkLength(line)
	if !ok {
		return errChunk
	}
	in.start += len(line)
	// Sixteen bytes a chunk, and twice as much as the data, are more than an honest sender needs.
	if b.excess = max(0, b.excess+int64(len(line))-16-2*size); b.excess > maxExcess {
		return errChunk
	}
	if size > 0 {
		b.left, b.inChunk = size, true
		return nil
	}
	return b.readTrailer()
}

// chunkError says what is wrong where a line was expected.
func chunkError(err error) error {
	if err == nil || errors.Is(err, errLarge) {
		return errChunk
	}
	return err
}

// maxChunk is the largest size of a chunk; larger ones nobody has the time to send.
const maxChunk = 1 << 56

// chunkLength reads the line before a chunk, with its end.
func chunkLength(line []byte) (int64, bool) {
	if len(line) < 3 || bytes.IndexByte(line, '\r') != len(line)-2 {
		return 0, false
	}
	line, _, _ = bytes.Cut(line[:len(line)-2], []byte{';'})
	line = bytes.TrimRight(line, " \t")
	var size int64
	for _, c := range line {
		var digit byte
		switch {
		case c >= '0' && c <= '9':
			digit = c - '0'
		case c >= 'a' && c <= 'f':
			digit = c - 'a' + 10
		case c >= 'A' && c <= 'F':
			digit = c - 'A' + 10
		default:
			return 0, false
		}
		if size = size<<4 | int64(digit); size >= maxChunk {
			return 0, false
		}
	}
	return size, len(line) > 0
}

// readTrailer reads what follows the last chunk, to the empty line, and returns io.EOF.
func (b *body) readTrailer() error {
	in := b.x.in
	total := 0
	for {
		line, err := in.line(total, maxTrailer)
		if err != nil {
			return err
		}
		if len(line) < 2 || line[len(line)-2] != '\r' {
			return errChunk
		}
		if total += len(line); len(line) == 2 {
			break
		}
	}
	if total > 2 {
		lines := in.buffered()[:total]
		trailer, err := parseFields(string(lines), lines, nil)
		if err != nil {
			return err
		}
		if err := b.mergeTrailer(trailer); err != nil {
			return err
		}
	}
	in.start += total
	return io.EOF
}

func (b *body) mergeTrailer(trailer http.Header) error {
	r := &b.x.response
	if r.Trailer == nil {
		r.Trailer = trailer
	}
	for name, values := range trailer {
		if isFraming(name) {
			return errChunk
		}
		r.Trailer[name] = values
	}
	return nil
}
