package daemon

import (
	"runtime"
	"strings"
)

// heapReserve is how many bytes of address space stand for live memory. Nobody writes there, so that no memory of the
// machine does. But Go collects when as much has been allocated as lives, and the little that lives in a gate would have it
// collect a dozen times a second under load (decision 0023).
const heapReserve = 24 << 20

// reserveHeap holds the reserve until release is called. Whoever configures the collector is not interfered with.
func reserveHeap(lookup func(string) (string, bool)) (release func()) {
	for _, variable := range [...]string{"GOGC", "GOMEMLIMIT"} {
		if _, set := lookup(variable); set {
			return func() {}
		}
	}
	reserve := new(strings.Builder) // whose memory is not cleared, as make does with what was in use before: that would touch it
	reserve.Grow(heapReserve)
	return func() { runtime.KeepAlive(reserve) }
}
