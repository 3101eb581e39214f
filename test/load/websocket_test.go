package load

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"time"
)

// echoed sends one small masked text frame at a time and reads it back.
type echoed struct {
	net.Conn
	reader *bufio.Reader
	frame  []byte
}

const messageSize = 64

// overWebSocket opens one and leaves it open.
func overWebSocket(path string) dial {
	return func(t target) (exchanger, error) {
		conn, err := net.DialTimeout("tcp", t.address, 5*time.Second)
		if err != nil {
			return nil, err
		}
		if _, err := fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
			"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n%s\r\n", path, t.host, t.header); err != nil {
			return nil, err
		}
		reader := bufio.NewReader(conn)
		answer, err := http.ReadResponse(reader, nil)
		if err != nil {
			return nil, err
		}
		if answer.StatusCode != http.StatusSwitchingProtocols {
			return nil, fmt.Errorf("no WebSocket: %s", answer.Status)
		}
		return &echoed{conn, reader, maskedFrame()}, nil
	}
}

// maskedFrame is a text frame with a mask of zeros, which leaves its payload as it is.
func maskedFrame() []byte {
	frame := []byte{0x81, 0x80 | messageSize, 0, 0, 0, 0}
	for i := range messageSize {
		frame = append(frame, 'a'+byte(i%26))
	}
	return frame
}

func (e *echoed) exchange() error {
	if _, err := e.Write(e.frame); err != nil {
		return err
	}
	head, err := e.reader.Peek(2)
	if err != nil {
		return err
	}
	if head[0] != 0x81 || head[1] != messageSize {
		return fmt.Errorf("a frame that begins %x came back", head)
	}
	_, err = e.reader.Discard(2 + messageSize)
	return err
}
