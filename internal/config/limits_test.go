package config

import (
	"os"
	"strings"
	"testing"

	"github.com/gatehouse-iap/gatehouse/internal/listener"
)

func TestThePageOfLimitsHasEveryKeyAndEveryCounter(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/limits.md")
	if err != nil {
		t.Fatal(err)
	}
	keys, err := Explain("listeners.limits")
	if err != nil || len(keys) != 11 {
		t.Fatalf("%d keys, %v", len(keys), err)
	}
	for _, key := range keys[1:] {
		if row := " | `" + key.name() + "` | " + key.Default + " | "; !strings.Contains(string(page), row) {
			t.Errorf("docs/limits.md has no row with%s", row)
		}
	}
	counts := listener.NewCounts()
	for kind, reasons := range map[string]map[string]uint64{"connections": counts.Connections(), "requests": counts.Requests()} {
		for reason := range reasons {
			if !strings.Contains(string(page), "| "+kind+" `"+reason+"` |") {
				t.Errorf("docs/limits.md has no row with the counter %s %s", kind, reason)
			}
		}
	}
}
