package framing_test

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse-iap/gatehouse/internal/exchange/framing"
)

type follower interface {
	Next(p []byte) (int, error)
	Whole() bool
}

// boundaries returns the offsets at which a follower that is given pieces of some size stands between two parts.
func boundaries(t *testing.T, f follower, stream []byte, piece int) []int {
	t.Helper()
	var at []int
	for offset := 0; offset < len(stream); {
		end := min(len(stream), offset+piece)
		n, err := f.Next(stream[offset:end])
		if err != nil || n == 0 || n > end-offset {
			t.Fatalf("Next at %d = %d, %v", offset, n, err)
		}
		if offset += n; f.Whole() && !slices.Contains(at, offset) {
			at = append(at, offset)
		}
	}
	return at
}

func TestStreamsAreFollowedHoweverTheyAreCut(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 300)
	huge := strings.Repeat("y", 70_000)
	tests := []struct {
		name     string
		follower func() follower
		parts    []string
	}{
		{"frames with all three forms of length, one empty", func() follower { return &framing.WebSocket{} }, []string{
			"\x81\x05hello", "\x82\x7e\x01\x2c" + long, "\x82\x7f\x00\x00\x00\x00\x00\x01\x11\x70" + huge, "\x81\x00", "\x89\x02hi",
		}},
		{"control frames between the fragments of a message", func() follower { return &framing.WebSocket{} }, []string{
			"\x01\x03abc", "\x89\x00", "\x00\x02de", "\x8a\x01x", "\x80\x01f", "\x81\x01g", "\x88\x02\x03\xe8",
		}},
		{"compressed frames, where that was agreed on", func() follower { return &framing.WebSocket{Extensions: true} }, []string{
			"\xc1\x03abc", "\x41\x01a", "\x80\x01b",
		}},
		{"messages of gRPC", func() follower { return &framing.GRPC{} }, []string{
			"\x00\x00\x00\x00\x03abc", "\x01\x00\x00\x00\x00", "\x00\x00\x00\x01\x2c" + long,
		}},
		{"events that end with LF", func() follower { return &framing.EventStream{} }, []string{
			"data: a\n\n", "id: 1\ndata: b\n\n", ":comment\n\n", "\n",
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			stream := []byte(strings.Join(test.parts, ""))
			var want []int
			end := 0
			for _, part := range test.parts {
				end += len(part)
				want = append(want, end)
			}
			for _, piece := range []int{1, 2, 3, 7, 4096, len(stream)} {
				if got := boundaries(t, test.follower(), stream, piece); !slices.Equal(got, want) {
					t.Errorf("in pieces of %d the parts end at %v, want %v", piece, got, want)
				}
			}
		})
	}
}

func TestEventsEndWithEveryFormOfEmptyLine(t *testing.T) {
	t.Parallel()
	tests := []struct {
		stream string
		whole  bool
	}{
		{"", true},
		{"data: a\r\n\r\n", true},
		{"data: a\r\r", true},
		{"data: a\n\r", true},
		{"data: a\r\n\n", true},
		{"data: a\r\n\r\nd", false},
		{"data: a\r\n", false},
		{"data: a\r", false},
		{"data: a\n", false},
		{"data", false},
	}
	for _, test := range tests {
		for _, piece := range []int{1, 100} {
			var f framing.EventStream
			for rest := []byte(test.stream); len(rest) > 0; {
				n, _ := f.Next(rest[:min(len(rest), piece)])
				rest = rest[n:]
			}
			if f.Whole() != test.whole {
				t.Errorf("after %q in pieces of %d Whole is %t", test.stream, piece, f.Whole())
			}
		}
	}
}

func TestFramesThatNoServerSendsAreRefused(t *testing.T) {
	t.Parallel()
	tests := map[string]string{
		"a masked frame":                              "\x81\x85abcdhello",
		"a reserved bit without an extension":         "\xc1\x01a",
		"an opcode that does not exist":               "\x83\x01a",
		"a control opcode that does not exist":        "\x8b\x01a",
		"a ping in two fragments":                     "\x09\x01a",
		"a ping that is too long":                     "\x89\x7e\x00\x7e",
		"a continuation of nothing":                   "\x80\x01a",
		"a new message inside a fragmented one":       "\x01\x01a\x81\x01b",
		"a length with its highest bit set":           "\x82\x7f\x80\x00\x00\x00\x00\x00\x00\x00",
		"a frame after Close":                         "\x88\x00\x81\x01a",
		"HTTP":                                        "HTTP/1.1 200 OK\r\n\r\n",
		"a second Close":                              "\x88\x00\x88\x00",
		"a continuation after the end of the message": "\x01\x01a\x80\x01b\x80\x01c",
	}
	for name, stream := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var f framing.WebSocket
			if err := f.Follow([]byte(stream)); !errors.Is(err, framing.ErrWebSocket) {
				t.Errorf("Follow(%q) = %v", stream, err)
			}
		})
	}
}

func TestOurCloseIsAFrameThatTheFollowerTakes(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "not_granted", strings.Repeat("a", 500)} {
		var f framing.WebSocket
		frame := framing.Close(framing.PolicyViolation, text)
		if err := f.Follow(frame); err != nil || !f.Whole() || !f.Closed() {
			t.Errorf("Close with %d bytes: %v", len(text), err)
		}
		if len(frame) > 127 || !bytes.HasPrefix(frame[2:], []byte{0x03, 0xf0}) {
			t.Errorf("Close is %x", frame)
		}
	}
}

// FuzzFollowers holds each follower to its promise: the bytes that it takes do not depend on how the stream is cut,
// and it always gets on.
func FuzzFollowers(f *testing.F) {
	for _, seed := range []string{"\x81\x05hello\x88\x02\x03\xe8", "\x01\x03abc\x89\x00\x80\x01f", "\x82\x7f\x00\x00\x00\x00\x00\x00\x00\x01a", "data: a\r\n\r\ndata", "\x00\x00\x00\x00\x03abc"} {
		f.Add([]byte(seed), uint8(3))
	}
	f.Fuzz(func(t *testing.T, stream []byte, piece uint8) {
		for _, pair := range [][2]follower{
			{&framing.WebSocket{}, &framing.WebSocket{}}, {&framing.WebSocket{Extensions: true}, &framing.WebSocket{Extensions: true}},
			{&framing.GRPC{}, &framing.GRPC{}}, {&framing.EventStream{}, &framing.EventStream{}},
		} {
			whole, wholeErr := drain(t, pair[0], stream, len(stream))
			cut, cutErr := drain(t, pair[1], stream, int(piece)+1)
			if whole != cut || (wholeErr == nil) != (cutErr == nil) || pair[0].Whole() != pair[1].Whole() {
				t.Fatalf("%T: whole %d, %v, %t; cut %d, %v, %t", pair[0], whole, wholeErr, pair[0].Whole(), cut, cutErr, pair[1].Whole())
			}
		}
	})
}

func drain(t *testing.T, f follower, stream []byte, piece int) (int, error) {
	taken := 0
	for taken < len(stream) {
		end := min(len(stream), taken+piece)
		n, err := f.Next(stream[taken:end])
		taken += n
		if err != nil {
			return taken, err
		}
		if n == 0 || n > end {
			t.Fatalf("%T took %d bytes", f, n)
		}
	}
	return taken, nil
}
