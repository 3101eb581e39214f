package upstreams

import (
	"encoding/binary"

	"github.com/gatehouse-iap/gatehouse/test/harness"
)

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

// longestFrame is room for every frame of the stories.
const longestFrame = 64 << 10

func closing(code uint16) harness.Frame {
	return harness.Frame{First: closeFrame, Payload: binary.BigEndian.AppendUint16(nil, code)}
}

// masked is a frame as clients send it.
func masked(f harness.Frame) []byte {
	const mask = "mask"
	b := f.Append(nil)
	payload := len(b) - len(f.Payload)
	b[1] |= 0x80
	sent := append(b[:payload:payload], mask...)
	for i, c := range f.Payload {
		sent = append(sent, c^mask[i%len(mask)])
	}
	return sent
}
