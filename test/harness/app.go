package harness

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// StartApp runs an application in a file below test/, which listens on a port of its choice and prints
// "listening on PORT", until the test ends. It returns the application's origin.
func StartApp(t testing.TB, program, file string, env ...string) string {
	t.Helper()
	cmd := exec.Command(Program(t, program), filepath.Join("..", filepath.FromSlash(file)))
	cmd.Env = append(append(os.Environ(), "PYTHONUNBUFFERED=1"), env...)
	return "http://127.0.0.1:" + StartProcess(t, file, cmd).AwaitLine(t, "listening on ")
}
