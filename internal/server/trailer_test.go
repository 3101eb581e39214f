package server_test

import (
	"bytes"
	"net"
	"net/http"
	"strconv"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// frames sends one HTTP/2 request that is complete with its header, written as pairs of name and value that no
// client library would send, and returns the status of the answer; 0 when the stream or connection was refused.
func (g *gate) frames(fields ...string) int {
	g.t.Helper()
	conn, err := net.Dial("tcp", g.address)
	if err != nil {
		g.t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	var block bytes.Buffer
	encoder := hpack.NewEncoder(&block)
	for i := 0; i+1 < len(fields); i += 2 {
		if err := encoder.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]}); err != nil {
			g.t.Fatal(err)
		}
	}
	var out bytes.Buffer
	out.WriteString(http2.ClientPreface)
	framer := http2.NewFramer(&out, conn)
	framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	_ = framer.WriteSettings() // into memory
	_ = framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block.Bytes(), EndHeaders: true, EndStream: true})
	if _, err := conn.Write(out.Bytes()); err != nil {
		g.t.Fatal(err)
	}
	for {
		frame, err := framer.ReadFrame()
		if err != nil {
			g.t.Fatalf("%q was answered with %v", fields, err)
		}
		switch frame := frame.(type) {
		case *http2.MetaHeadersFrame:
			status, _ := strconv.Atoi(frame.PseudoValue("status"))
			return status
		case *http2.RSTStreamFrame, *http2.GoAwayFrame:
			return 0
		}
	}
}

func TestARequestThatAnnouncesTrailersAndHasNoBodyBringsNothingDown(t *testing.T) {
	t.Parallel()
	g := startGate(t)
	for _, method := range []string{"GET", "POST"} {
		status := g.frames(":method", method, ":scheme", "http", ":authority", "open.test", ":path", "/", "trailer", "x-sum")
		if status != http.StatusOK || g.app.last() == "" {
			t.Errorf("%s: status %d", method, status)
		}
	}
}
