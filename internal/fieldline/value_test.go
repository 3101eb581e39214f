package fieldline

import (
	"strings"
	"testing"

	"golang.org/x/net/http/httpguts"
)

func TestAValueIsJudgedAsHTTPGutsDoesWhereverTheByteStands(t *testing.T) {
	t.Parallel()
	for _, around := range []string{"x", "\x00", "\x1f", " ", "\x7f", "\x80", "\xff", "\t"} {
		for c := range 256 {
			for at := range 19 {
				value := strings.Repeat("x", at) + string([]byte{byte(c)}) + strings.Repeat(around, 19-at)
				if want := httpguts.ValidHeaderFieldValue(value); Value(value) != want || Value([]byte(value)) != want {
					t.Fatalf("%q is valid: %v", value, !want)
				}
				if want := !strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r >= 0x7f }); PlainValue(value) != want {
					t.Fatalf("%q is plain: %v", value, !want)
				}
				if want := strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r == 0x7f }); HasControl(value) != want {
					t.Fatalf("%q has a control character: %v", value, !want)
				}
				if want := strings.Trim(value, " \t"); Trim(value) != want {
					t.Fatalf("%q is trimmed to %q", value, Trim(value))
				}
			}
		}
	}
}

func BenchmarkValue(b *testing.B) {
	value := strings.Repeat("a-long.value_", 64)
	for b.Loop() {
		if !PlainValue(value) {
			b.Fatal("it is plain")
		}
	}
}
