package load

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gatehouse-iap/gatehouse/test/harness"
)

// The proxies have a core of their own; the load and the application share the other.
const (
	proxyCore = 0
	loadCore  = 1
)

// pinned runs start on a core. What is started there stays there.
func pinned(t testing.TB, core int, start func()) {
	t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var before, only unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		t.Fatal(err)
	}
	only.Set(core)
	if err := unix.SchedSetaffinity(0, &only); err != nil {
		t.Fatalf("core %d is not ours to use: %v", core, err)
	}
	defer func() {
		if err := unix.SchedSetaffinity(0, &before); err != nil {
			t.Fatal(err)
		}
	}()
	start()
}

// pinSelf moves this process, with all its threads, to a core.
func pinSelf(t testing.TB, core int) {
	t.Helper()
	var only unix.CPUSet
	only.Set(core)
	for _, task := range tasks(t, os.Getpid()) {
		if err := unix.SchedSetaffinity(task, &only); err != nil && err != unix.ESRCH {
			t.Fatal(err)
		}
	}
	runtime.GOMAXPROCS(1)
}

func tasks(t testing.TB, pid int) []int {
	t.Helper()
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		t.Fatalf("this reads /proc, as Linux has it: %v", err)
	}
	ids := make([]int, 0, len(entries))
	for _, entry := range entries {
		id, err := strconv.Atoi(entry.Name())
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	return ids
}

// spent is the time that the threads of some processes have run.
func spent(t testing.TB, pids []int) time.Duration {
	t.Helper()
	var sum time.Duration
	for _, pid := range pids {
		for _, task := range tasks(t, pid) {
			text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/schedstat", pid, task))
			if err != nil {
				continue // a thread that has ended since
			}
			ns, err := strconv.ParseInt(strings.Fields(string(text))[0], 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			sum += time.Duration(ns)
		}
	}
	return sum
}

// resident is the memory that some processes hold, in bytes.
func resident(t testing.TB, pids []int) (sum int64) {
	t.Helper()
	for _, pid := range pids {
		sum += harness.ResidentBytes(t, pid)
	}
	return sum
}

// family is a process and its children, such as nginx and its workers.
func family(t testing.TB, pid int) []int {
	t.Helper()
	pids := []int{pid}
	lists, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	if err != nil {
		t.Fatal(err)
	}
	for _, list := range lists {
		text, err := os.ReadFile(list)
		if err != nil {
			continue
		}
		for field := range strings.FieldsSeq(string(text)) {
			child, err := strconv.Atoi(field)
			if err != nil {
				t.Fatal(err)
			}
			pids = append(pids, family(t, child)...)
		}
	}
	return pids
}

// run starts a program on a core and ends it with the test.
func run(t testing.TB, core int, name string, cmd *exec.Cmd) (p *harness.Process) {
	t.Helper()
	pinned(t, core, func() { p = harness.StartProcess(t, name, cmd) })
	return p
}
