package fieldline

import (
	"net/http"
	"testing"

	"golang.org/x/net/http/httpguts"
)

func TestANameIsValidAndCanonicalWhereNetHTTPSaysSo(t *testing.T) {
	t.Parallel()
	check := func(name string) {
		valid, canonical := Name(name)
		if valid != httpguts.ValidHeaderFieldName(name) || valid && canonical != (http.CanonicalHeaderKey(name) == name) {
			t.Errorf("%q is valid: %v, and canonical: %v", name, valid, canonical)
		}
	}
	check("")
	for c := range 256 {
		one := string([]byte{byte(c)})
		for _, name := range []string{one, "X" + one, "X-" + one, "x" + one, one + "x", one + "X", "Ab-" + one + "a", "Ab" + one + "A"} {
			check(name)
		}
	}
}
