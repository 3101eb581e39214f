package fieldline

// Trim takes the whitespace off that may stand around a value.
func Trim(value string) string {
	for len(value) > 0 && (value[0] == ' ' || value[0] == '\t') {
		value = value[1:]
	}
	for len(value) > 0 && (value[len(value)-1] == ' ' || value[len(value)-1] == '\t') {
		value = value[:len(value)-1]
	}
	return value
}

// Value reports whether a value is one of a field: httpguts.ValidHeaderFieldValue, for values that are long. Assertions
// and cookies are most of a header.
func Value[T string | []byte](value T) bool {
	if !HasControl(value) {
		return true
	}
	for i := range len(value) { // a tab is none
		if c := value[i]; c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

// PlainValue reports whether a value consists of visible ASCII, spaces and tabs.
func PlainValue(value string) bool {
	for len(value) >= 8 {
		word := word(value)
		if (controls(word)|word)&eachTop != 0 {
			break // a tab, or what it must not hold
		}
		value = value[8:]
	}
	for i := range len(value) {
		if c := value[i]; c < ' ' && c != '\t' || c >= 0x7f {
			return false
		}
	}
	return true
}

const (
	eachByte = 0x0101010101010101
	eachTop  = 0x80 * eachByte
)

// HasControl reports whether there is a control character in a text, a tab or DEL included.
func HasControl[T string | []byte](text T) bool {
	for ; len(text) >= 8; text = text[8:] {
		if controls(word(text))&eachTop != 0 {
			return true
		}
	}
	for i := range len(text) {
		if c := text[i]; c < ' ' || c == 0x7f {
			return true
		}
	}
	return false
}

// controls has a top bit set where there is a control character among eight bytes: subtracting from each byte what it must
// reach borrows its top bit where it does not. Behind such a byte there may be more top bits than control characters.
func controls(word uint64) uint64 {
	del := word ^ 0x7f*eachByte // zero where it is one
	return (word-' '*eachByte)&^word | (del-eachByte)&^del
}

// word is the first eight bytes of a text, in one load.
func word[T string | []byte](t T) uint64 {
	_ = t[7]
	return uint64(t[0]) | uint64(t[1])<<8 | uint64(t[2])<<16 | uint64(t[3])<<24 | uint64(t[4])<<32 | uint64(t[5])<<40 | uint64(t[6])<<48 | uint64(t[7])<<56
}
