package http1

import "encoding/binary"

// trim takes the whitespace off that may stand around the value of a header.
func trim(value string) string {
	for len(value) > 0 && (value[0] == ' ' || value[0] == '\t') {
		value = value[1:]
	}
	for len(value) > 0 && (value[len(value)-1] == ' ' || value[len(value)-1] == '\t') {
		value = value[:len(value)-1]
	}
	return value
}

// validValue is httpguts.ValidHeaderFieldValue, for values that are long: assertions and cookies are most of a header.
func validValue(value []byte) bool {
	if !hasControl(value) {
		return true
	}
	for _, c := range value { // a tab is none
		if c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

const (
	eachByte = 0x0101010101010101
	eachTop  = 0x80 * eachByte
)

// hasControl reports whether there is a control character among some bytes, a tab or DEL included. It looks at eight at
// a time: subtracting from each byte what it must reach borrows its top bit where it does not.
func hasControl(b []byte) bool {
	for ; len(b) >= 8; b = b[8:] {
		word := binary.LittleEndian.Uint64(b)
		del := word ^ 0x7f*eachByte // zero where it is one
		if ((word-' '*eachByte)&^word|(del-eachByte)&^del)&eachTop != 0 {
			return true
		}
	}
	for _, c := range b {
		if c < ' ' || c == 0x7f {
			return true
		}
	}
	return false
}
