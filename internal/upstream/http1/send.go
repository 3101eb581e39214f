package http1

import (
	"errors"
	"io"
	"net/http"
	"strconv"
	"sync"
)

// bodyError is a failure of the one who sends the request.
type bodyError struct{ err error }

func (e *bodyError) Error() string { return "reading the body of the request: " + e.err.Error() }
func (e *bodyError) Unwrap() error { return e.err }

var errLonger = errors.New("it is longer than its length")

// sender sends a body while the caller waits for the answer, which may begin before the body has ended: who reads from
// the client, or waits to write, does not hear what the application says. However small the body is, it is the client
// who decides when the rest of it comes.
type sender struct {
	done chan struct{}
	err  error // once done is closed

	mu       sync.Mutex
	answered bool // from here on the time for the first byte does not count
}

func (x *exchange) startBody() {
	s := &sender{done: make(chan struct{})}
	x.sender = s
	go func() {
		defer close(s.done)
		s.err = x.sendBody()
		_ = x.request.Body.Close() // a RoundTripper closes it
		var client *bodyError
		if errors.As(s.err, &client) {
			_ = x.conn.Close() // the application would wait for the rest
		}
		if s.err == nil {
			s.mu.Lock()
			defer s.mu.Unlock()
			if !s.answered {
				x.limitWait(x.transport.FirstByte)
			}
		}
	}()
}

// chunkHead is room for the line before a chunk, and chunkEnd for what follows it.
const (
	chunkHead = 10
	chunkSize = 32 << 10
	chunkEnd  = 2
)

var chunks = sync.Pool{New: func() any { b := make([]byte, chunkHead+chunkSize+chunkEnd); return &b }}

func (x *exchange) sendBody() error {
	space := chunks.Get().(*[]byte)
	defer chunks.Put(space)
	if length := bodyLength(x.request); length >= 0 {
		return x.sendLength(*space, length)
	}
	return x.sendChunks(*space)
}

// sendLength sends a body of a known length.
func (x *exchange) sendLength(space []byte, left int64) error {
	for {
		n, err := x.request.Body.Read(space)
		if left -= int64(n); left < 0 {
			return &bodyError{errLonger}
		}
		if n > 0 {
			if _, err := x.conn.Write(space[:n]); err != nil {
				return err
			}
		}
		switch {
		case err == io.EOF && left == 0:
			return nil
		case err != nil:
			return &bodyError{unexpected(err)}
		}
	}
}

// sendChunks sends a body as it comes, and the trailers that it ends with.
func (x *exchange) sendChunks(space []byte) error {
	for {
		n, err := x.request.Body.Read(space[chunkHead : chunkHead+chunkSize])
		if n > 0 {
			var size [chunkHead]byte
			line := append(strconv.AppendInt(size[:0], int64(n), 16), '\r', '\n')
			start := chunkHead - len(line)
			copy(space[start:], line)
			copy(space[chunkHead+n:], "\r\n")
			if _, err := x.conn.Write(space[start : chunkHead+n+chunkEnd]); err != nil {
				return err
			}
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return &bodyError{err}
		}
	}
	last, err := appendTrailer(append(space[:0], "0\r\n"...), x.request.Trailer)
	if err != nil {
		return &bodyError{err}
	}
	_, err = x.conn.Write(last)
	return err
}

func appendTrailer(b []byte, trailer http.Header) ([]byte, error) {
	var err error
	for _, name := range sortedNames(trailer) {
		for _, value := range trailer[name] {
			if b, err = appendField(b, name, value); err != nil {
				return nil, err
			}
		}
	}
	return append(b, '\r', '\n'), nil
}
