package http1

import "golang.org/x/net/http/httpguts"

// nameByte says what a byte is in the name of a header.
type nameByte uint8

const (
	foreign nameByte = iota // makes it none
	lower
	upper
	dash
	other
)

var nameBytes = func() (table [256]nameByte) {
	for c := range table {
		switch {
		case !httpguts.IsTokenRune(rune(c)):
		case c >= 'a' && c <= 'z':
			table[c] = lower
		case c >= 'A' && c <= 'Z':
			table[c] = upper
		case c == '-':
			table[c] = dash
		default:
			table[c] = other
		}
	}
	return table
}()

// isName reports whether a name is one of a header, and whether http.CanonicalHeaderKey would leave it as it is. It
// looks at each byte once for both.
func isName(name string) (valid, canonical bool) {
	canonical = true
	wrong := lower // at the beginning of a word
	for i := range len(name) {
		switch kind := nameBytes[name[i]]; kind {
		case foreign:
			return false, false
		case dash:
			wrong = lower
		default:
			if kind == wrong {
				canonical = false
			}
			wrong = upper
		}
	}
	return len(name) > 0, canonical
}
