package upstreams

import (
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"io"
)

var errLong = errors.New("a frame that is longer than these stories need")

// First bytes of frames (RFC 6455, section 5.2).
const (
	textFrame     = 0x81
	textBegins    = 0x01
	continues     = 0x00
	continuesLast = 0x80
	binaryFrame   = 0x82
	closeFrame    = 0x88
	pingFrame     = 0x89
)

// frame is one of WebSocket: its first byte, which says what it is and whether it is the last of its message.
type frame struct {
	first   byte
	payload []byte
}

func closing(code uint16) frame { return frame{closeFrame, binary.BigEndian.AppendUint16(nil, code)} }

// bytes is the frame as it is sent; clients mask.
func (f frame) bytes(masked bool) []byte {
	b := []byte{f.first, byte(len(f.payload))}
	if len(f.payload) > 125 {
		b = binary.BigEndian.AppendUint16([]byte{f.first, 126}, uint16(len(f.payload)))
	}
	if !masked {
		return append(b, f.payload...)
	}
	b[1] |= 0x80
	mask := []byte("mask")
	b = append(b, mask...)
	for i, c := range f.payload {
		b = append(b, c^mask[i%4])
	}
	return b
}

// readFrame reads one of less than 64 KiB, masked or not.
func readFrame(from io.Reader) (frame, error) {
	var head [2]byte
	if _, err := io.ReadFull(from, head[:]); err != nil {
		return frame{}, err
	}
	size, mask := int(head[1]&0x7f), make([]byte, 4)
	switch size {
	case 126:
		var long [2]byte
		if _, err := io.ReadFull(from, long[:]); err != nil {
			return frame{}, err
		}
		size = int(binary.BigEndian.Uint16(long[:]))
	case 127:
		return frame{}, errLong
	}
	if head[1]&0x80 != 0 {
		if _, err := io.ReadFull(from, mask); err != nil {
			return frame{}, err
		}
	}
	f := frame{head[0], make([]byte, size)}
	_, err := io.ReadFull(from, f.payload)
	for i := range f.payload {
		f.payload[i] ^= mask[i%4]
	}
	return f, err
}

// acceptOf is what an application proves by that it has read the handshake (RFC 6455, section 4.2.2).
func acceptOf(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}
