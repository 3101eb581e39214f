package spelling

import (
	"strings"
	"testing"
)

func TestTheNearestNameIsFound(t *testing.T) {
	t.Parallel()
	known := []string{"hosts", "upstream", "upstreamTls", "id"}
	for name, want := range map[string]string{
		"host": "hosts", "Hosts": "hosts", "upsteram": "upstream", "upstreamtls": "upstreamTls",
		"nothing": "", "xy": "", "": "", strings.Repeat("h", 100): "",
	} {
		if got := Nearest(name, known); got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
}
