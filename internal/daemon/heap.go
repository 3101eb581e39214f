package daemon

import (
	"io/fs"
	"runtime"
	"strings"
)

// heapReserve is how many bytes of address space stand for live memory. Nobody writes there, so that no memory of the
// machine does. But Go collects when as much has been allocated as lives, and the little that lives in a gate would have it
// collect a dozen times a second under load (decision 0023).
const heapReserve = 24 << 20

// roomyEnough is how much memory a gate under load with the reserve and some people who sign in does not come to.
const roomyEnough = 192 << 20

// reserveHeap holds the reserve until release is called. Whoever configures the collector is not interfered with, and where
// the control groups of the process, whose files are below root, allow it little memory there is no reserve.
func reserveHeap(lookup func(string) (string, bool), root fs.FS) (release func()) {
	if limit, limited := memoryLimit(root); limited && limit < roomyEnough {
		return func() {}
	}
	for _, variable := range [...]string{"GOGC", "GOMEMLIMIT"} {
		if _, set := lookup(variable); set {
			return func() {}
		}
	}
	reserve := new(strings.Builder) // whose memory is not cleared, as make does with what was in use before: that would touch it
	reserve.Grow(heapReserve)
	return func() { runtime.KeepAlive(reserve) }
}
