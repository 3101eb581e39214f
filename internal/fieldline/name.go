// Package fieldline judges the names and values of header fields (RFC 9110, section 5) as net/http does, and looks at
// them once or eight bytes at a time where net/http looks at each byte again and again.
package fieldline

import "golang.org/x/net/http/httpguts"

// nameByte says what a byte is in the name of a field.
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

// Name reports whether a name is one of a field, and whether http.CanonicalHeaderKey would leave it as it is.
func Name(name string) (valid, canonical bool) {
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
