package http1

import (
	"strings"
	"testing"

	"golang.org/x/net/http/httpguts"
)

func TestAValueIsValidWhereHTTPGutsSaysSoWhereverTheByteStands(t *testing.T) {
	t.Parallel()
	for _, around := range []string{"x", "\x00", "\x1f", " ", "\x7f", "\x80", "\xff", "\t"} {
		for c := range 256 {
			for at := range 19 {
				value := strings.Repeat("x", at) + string([]byte{byte(c)}) + strings.Repeat(around, 19-at)
				if validValue([]byte(value)) != httpguts.ValidHeaderFieldValue(value) {
					t.Fatalf("%q is valid: %v", value, validValue([]byte(value)))
				}
				if want := strings.Trim(value, " \t"); trim(value) != want {
					t.Fatalf("%q is trimmed to %q", value, trim(value))
				}
			}
		}
	}
}
