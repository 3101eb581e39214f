package harness

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
)

// ResidentBytes is the memory that a process holds: its resident set, as Linux tells it.
func ResidentBytes(t testing.TB, pid int) int64 {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatalf("this reads /proc, as Linux has it: %v", err)
	}
	_, rest, found := strings.Cut(string(status), "\nVmRSS:")
	fields := strings.Fields(rest)
	if !found || len(fields) < 2 || fields[1] != "kB" {
		t.Fatalf("/proc/%d/status has no VmRSS in kB", pid)
	}
	kilobytes, err := strconv.ParseInt(fields[0], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return kilobytes << 10
}
