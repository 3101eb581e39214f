package daemon

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"testing"
	"testing/fstest"
)

// residentBytes is how much memory of the machine this process holds.
func residentBytes(t *testing.T) int {
	t.Helper()
	statm, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Fatal(err)
	}
	var size, resident int
	if _, err := fmt.Fscan(bytes.NewReader(statm), &size, &resident); err != nil {
		t.Fatal(err)
	}
	return resident * os.Getpagesize()
}

// What the start leaves behind lies where the reserve comes to lie, or a part of it does. It does not run beside other
// tests, whose memory would count.
func TestTheReserveTakesNoMemoryWhateverTheStartLeftBehind(t *testing.T) {
	for megabytes := 2; megabytes <= 64; megabytes *= 2 {
		var garbage [][]byte
		for range megabytes << 10 {
			garbage = append(garbage, bytes.Repeat([]byte{1}, 1<<10))
		}
		runtime.KeepAlive(garbage)
		clear(garbage)
		garbage = nil
		runtime.GC()
		before := residentBytes(t)
		release := reserveHeap(func(string) (string, bool) { return "", false }, fstest.MapFS{})
		if took := residentBytes(t) - before; took > heapReserve/4 {
			t.Errorf("after %d MiB of garbage the reserve takes %d MiB", megabytes, took>>20)
		}
		release()
	}
}
