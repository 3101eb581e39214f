package harness

import (
	"os"
	"os/exec"
	"syscall"
	"testing"
)

// Shell runs a script in a directory as a person's terminal does, until it ends or the test does: signals go to all
// that it has started.
func Shell(t testing.TB, dir, script string, env ...string) *Process {
	t.Helper()
	cmd := exec.Command("bash", "-ec", script)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return StartProcess(t, script, cmd)
}
