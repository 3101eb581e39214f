package harness

import (
	"bytes"
	"strings"
	"testing"
)

func TestTheAcceptKeyIsThatOfTheStandardsExample(t *testing.T) {
	t.Parallel()
	if got := WebSocketAccept("dGhlIHNhbXBsZSBub25jZQ=="); got != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" { // RFC 6455, 1.3
		t.Errorf("accepts with %s", got)
	}
}

func TestAFrameOfAnyLengthIsReadAsItWasWritten(t *testing.T) {
	t.Parallel()
	for _, length := range []int{0, 1, 125, 126, 0xffff, 0x10000} {
		said := strings.Repeat("x", length)
		wire := Frame{First: 0x81, Payload: []byte(said)}.Append(nil)
		space := make([]byte, length)
		read, err := ReadFrame(bytes.NewReader(wire), space)
		if err != nil || read.First != 0x81 || read.Masked || string(read.Payload) != said {
			t.Errorf("%d bytes: %x, %d bytes, masked %v, %v", length, read.First, len(read.Payload), read.Masked, err)
		}
		if _, err := ReadFrame(bytes.NewReader(wire[:len(wire)-1]), space); err == nil {
			t.Errorf("%d bytes: cut short, and read all the same", length)
		}
		if length == 0 {
			continue
		}
		if _, err := ReadFrame(bytes.NewReader(wire), space[1:]); err == nil {
			t.Errorf("%d bytes: read into less room", length)
		}
	}
}

func TestAMaskIsTakenOff(t *testing.T) {
	t.Parallel()
	const masked = "\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58" // RFC 6455, 5.7
	read, err := ReadFrame(strings.NewReader(masked), make([]byte, 5))
	if err != nil || !read.Masked || read.Opcode() != 1 || string(read.Payload) != "Hello" {
		t.Errorf("%+v, %v", read, err)
	}
}
