package harness

import (
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"io"
	"net/http"
	"strings"
)

// WebSocketAccept is the Sec-WebSocket-Accept that answers a Sec-WebSocket-Key (RFC 6455, 4.2.2).
func WebSocketAccept(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// WebSocketAnswer is what a server says to open the WebSocket that a request asks for, with more headers given as name
// and value in turn.
func WebSocketAnswer(r *http.Request, headers ...string) string {
	var b strings.Builder
	b.WriteString("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ")
	b.WriteString(WebSocketAccept(r.Header.Get("Sec-WebSocket-Key")))
	for i := 0; i+1 < len(headers); i += 2 {
		b.WriteString("\r\n" + headers[i] + ": " + headers[i+1])
	}
	b.WriteString("\r\n\r\n")
	return b.String()
}

// EchoWebSocket opens the WebSocket that a request asks for, with more headers in the answer, and repeats every frame
// until the client closes.
func EchoWebSocket(w http.ResponseWriter, r *http.Request, headers ...string) {
	conn, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, WebSocketAnswer(r, headers...)); err != nil {
		return
	}
	space, answer := make([]byte, maxEchoed), make([]byte, 0, maxEchoed+maxFrameHead)
	for {
		frame, err := ReadFrame(buffered, space)
		if err != nil || !frame.Masked { // what a client sends is masked
			return
		}
		answer = frame.Append(answer[:0])
		if _, err := conn.Write(answer); err != nil || frame.Opcode() == opcodeClose { // Close has been answered
			return
		}
	}
}

const (
	opcodeClose  = 8
	maxEchoed    = 64 << 10
	maxFrameHead = 2 + 8 + 4
)

// Frame is one of a WebSocket's.
type Frame struct {
	First   byte // FIN and the opcode: 0x81 for text in one frame
	Masked  bool // on the wire; Payload is not
	Payload []byte
}

// Opcode is what kind of frame it is.
func (f Frame) Opcode() byte { return f.First & 0x0f }

// Append adds the frame as a server sends it, without a mask.
func (f Frame) Append(to []byte) []byte {
	switch length := len(f.Payload); {
	case length < 126:
		to = append(to, f.First, byte(length))
	case length <= 0xffff:
		to = binary.BigEndian.AppendUint16(append(to, f.First, 126), uint16(length))
	default:
		to = binary.BigEndian.AppendUint64(append(to, f.First, 127), uint64(length))
	}
	return append(to, f.Payload...)
}

// ReadFrame reads a frame, masked or not. Its payload is in space, so that who reads many makes room once; one that
// does not fit there is an error.
func ReadFrame(from io.Reader, space []byte) (Frame, error) {
	head := make([]byte, maxFrameHead)
	if _, err := io.ReadFull(from, head[:2]); err != nil {
		return Frame{}, err
	}
	frame := Frame{First: head[0], Masked: head[1]&0x80 != 0}
	length, extended, mask := uint64(head[1]&0x7f), head[2:2], head[10:10]
	switch length {
	case 126:
		extended = head[2:4]
	case 127:
		extended = head[2:10]
	}
	if frame.Masked {
		mask = head[10:14]
	}
	for _, part := range [][]byte{extended, mask} {
		if _, err := io.ReadFull(from, part); err != nil {
			return Frame{}, err
		}
	}
	switch length {
	case 126:
		length = uint64(binary.BigEndian.Uint16(extended))
	case 127:
		length = binary.BigEndian.Uint64(extended)
	}
	if length > uint64(len(space)) {
		return Frame{}, errors.New("a WebSocket frame is longer than there is room for")
	}
	frame.Payload = space[:length]
	if _, err := io.ReadFull(from, frame.Payload); err != nil {
		return Frame{}, err
	}
	if frame.Masked {
		for i := range frame.Payload {
			frame.Payload[i] ^= mask[i%len(mask)]
		}
	}
	return frame, nil
}
