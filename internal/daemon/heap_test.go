package daemon

import (
	"runtime"
	"runtime/metrics"
	"testing"
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
	for _, variables := range []map[string]string{{}, {"GOGC": "100"}, {"GOMEMLIMIT": "64MiB"}} {
		release := reserveHeap(func(name string) (string, bool) {
			value, set := variables[name]
			return value, set
		})
		if goal := collectsAt(); (goal > often) != (len(variables) == 0) {
			t.Errorf("with %v the heap is collected at %d MiB", variables, goal>>20)
		}
		release()
	}
	if goal := collectsAt(); goal > often {
		t.Errorf("without the reserve the heap is collected at %d MiB", goal>>20)
	}
}
