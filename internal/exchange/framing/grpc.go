package framing

import "encoding/binary"

// GRPC follows the messages of one direction of a gRPC call: a flag, four bytes of length, the message. Its zero
// value stands before the first one. Every sequence of bytes is one of messages.
type GRPC struct {
	header [5]byte
	have   uint8
	left   uint32
}

// Next takes the bytes of p up to the end of the message that is under way, at most all, and returns how many those are.
func (f *GRPC) Next(p []byte) (int, error) {
	taken := 0
	for f.left == 0 {
		if taken == len(p) {
			return taken, nil
		}
		f.header[f.have] = p[taken]
		f.have++
		taken++
		if int(f.have) < len(f.header) {
			continue
		}
		f.have = 0
		if f.left = binary.BigEndian.Uint32(f.header[1:]); f.left == 0 {
			return taken, nil // an empty message
		}
	}
	payload := min(uint64(f.left), uint64(len(p)-taken))
	f.left -= uint32(payload)
	return taken + int(payload), nil
}

// Whole reports whether the stream stands between two messages.
func (f *GRPC) Whole() bool { return f.left == 0 && f.have == 0 }
