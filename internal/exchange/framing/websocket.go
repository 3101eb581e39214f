// Package framing follows streams that consist of parts, so that one can be ended between two of them: frames of
// WebSocket, events of server-sent events, messages of gRPC. It keeps no bytes and changes none.
package framing

import (
	"encoding/binary"
	"errors"
	"math"
)

// ErrWebSocket reports bytes that no WebSocket server sends.
var ErrWebSocket = errors.New("not a frame that a WebSocket server sends")

// maxHeader is the longest header of an unmasked frame: two bytes, and a length of eight.
const maxHeader = 10

// maxControl is how much a control frame may carry (RFC 6455, section 5.5).
const maxControl = 125

// Opcodes of RFC 6455, section 5.2.
const (
	opContinuation = 0x0
	opText         = 0x1
	opBinary       = 0x2
	opClose        = 0x8
	opPing         = 0x9
	opPong         = 0xa
)

// WebSocket follows the frames that a server sends (RFC 6455). Its zero value stands before the first frame.
type WebSocket struct {
	// Extensions says that the handshake agreed on some: only they give the reserved bits a meaning.
	Extensions bool

	header     [maxHeader]byte
	have       uint8 // bytes of the header
	fragmented bool  // a message has begun and not ended
	closed     bool  // the last frame is a Close
	left       uint64
}

// Next takes the bytes of p up to the end of the frame that is under way, at most all, and returns how many those are.
func (f *WebSocket) Next(p []byte) (int, error) {
	taken := 0
	for f.left == 0 {
		if taken == len(p) {
			return taken, nil
		}
		f.header[f.have] = p[taken]
		f.have++
		taken++
		if f.have < f.headerSize() {
			continue
		}
		if err := f.begin(); err != nil {
			return taken, err
		}
		if f.have = 0; f.left == 0 {
			return taken, nil // a frame without payload
		}
	}
	payload := min(f.left, uint64(len(p)-taken))
	f.left -= payload
	return taken + int(payload), nil
}

// Follow takes all of p.
func (f *WebSocket) Follow(p []byte) error {
	for len(p) > 0 {
		n, err := f.Next(p)
		if err != nil {
			return err
		}
		p = p[n:]
	}
	return nil
}

// Whole reports whether the stream stands between two frames, where a control frame may be put in. That may be in
// the midst of a message (RFC 6455, section 5.4).
func (f *WebSocket) Whole() bool { return f.left == 0 && f.have == 0 }

// Closed reports whether the server has said Close: nothing may follow.
func (f *WebSocket) Closed() bool { return f.closed }

// headerSize is how long the header is, as far as is known yet.
func (f *WebSocket) headerSize() uint8 {
	if f.have < 2 {
		return 2
	}
	switch f.header[1] & 0x7f {
	case 126:
		return 4
	case 127:
		return 10
	}
	return 2
}

// begin judges a header that is complete.
func (f *WebSocket) begin() error {
	final, reserved, opcode := f.header[0]&0x80 != 0, f.header[0]&0x70 != 0, f.header[0]&0x0f
	masked := f.header[1]&0x80 != 0 // only clients mask (section 5.1)
	length := uint64(f.header[1] & 0x7f)
	switch length {
	case 126:
		length = uint64(binary.BigEndian.Uint16(f.header[2:4]))
	case 127:
		length = binary.BigEndian.Uint64(f.header[2:10])
	}
	if masked || f.closed || length > math.MaxInt64 || reserved && !f.Extensions {
		return ErrWebSocket
	}
	switch opcode {
	case opText, opBinary, opContinuation:
		if f.fragmented != (opcode == opContinuation) {
			return ErrWebSocket
		}
		f.fragmented = !final
	case opClose, opPing, opPong:
		if !final || length > maxControl {
			return ErrWebSocket
		}
		f.closed = opcode == opClose
	default:
		return ErrWebSocket
	}
	f.left = length
	return nil
}

// Status codes of a Close frame (RFC 6455, section 7.4.1).
const (
	GoingAway       = 1001
	PolicyViolation = 1008
)

// Close returns the frame by which a server closes, with a text for the person who looks for the reason. What is too
// long of it is cut off; it must be ASCII.
func Close(code uint16, text string) []byte {
	text = text[:min(len(text), maxControl-2)]
	frame := make([]byte, 0, 4+len(text))
	frame = append(frame, 0x80|opClose, byte(2+len(text)))
	frame = binary.BigEndian.AppendUint16(frame, code)
	return append(frame, text...)
}
