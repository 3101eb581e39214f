package daemon

import (
	"runtime"
	"runtime/metrics"
	"testing"
	"testing/fstest"
)

// collectsAt is how large the heap becomes before it is collected next.
func collectsAt() uint64 {
	runtime.GC()
	goal := []metrics.Sample{{Name: "/gc/heap/goal:bytes"}}
	metrics.Read(goal)
	return goal[0].Value.Uint64()
}

// It looks at the collector, which the tests share: it does not run beside them.
func TestAGateUnderLoadCollectsSeldomUnlessItIsToldHow(t *testing.T) {
	const often = 40 << 20
	for name, c := range map[string]struct {
		variable, limit string
		seldom          bool
	}{
		"nothing said":                {"", "max", true},
		"GOGC":                        {"GOGC", "max", false},
		"GOMEMLIMIT":                  {"GOMEMLIMIT", "max", false},
		"a container with 1 GiB":      {"", "1073741824", true},
		"a container with but 64 MiB": {"", "67108864", false},
	} {
		release := reserveHeap(func(name string) (string, bool) { return "100", name == c.variable }, fstest.MapFS{
			"proc/self/cgroup": &fstest.MapFile{Data: []byte("0::/\n")}, "sys/fs/cgroup/memory.max": &fstest.MapFile{Data: []byte(c.limit + "\n")},
		})
		if goal := collectsAt(); (goal > often) != c.seldom {
			t.Errorf("with %s the heap is collected at %d MiB", name, goal>>20)
		}
		release()
	}
	if goal := collectsAt(); goal > often {
		t.Errorf("without the reserve the heap is collected at %d MiB", goal>>20)
	}
}
