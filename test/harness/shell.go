package harness

import (
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"
)

// Shell runs a script in a directory as a person's terminal does, until it ends or the test does: signals go to all
// that it has started.
func Shell(t testing.TB, dir, script string, env ...string) *Process {
	t.Helper()
	cmd := exec.Command("bash", "-ec", script)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return startProcess(t, script, cmd)
}

// AwaitLine waits for a line that contains a text, and returns what follows the text in it.
func (p *Process) AwaitLine(t testing.TB, text string) string {
	t.Helper()
	return p.awaitLine(t, text)
}

// AwaitEnd waits until the program ends by itself, and returns its exit code.
func (p *Process) AwaitEnd(t testing.TB, patience time.Duration) int {
	t.Helper()
	select {
	case <-p.exited:
		return p.cmd.ProcessState.ExitCode()
	case <-time.After(patience):
		t.Fatalf("%s has not ended within %v", p.name, patience)
		return -1
	}
}
