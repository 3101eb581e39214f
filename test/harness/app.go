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
	path, err := exec.LookPath(program)
	if err != nil {
		t.Fatalf("%s is not installed: run make setup (%v)", program, err)
	}
	cmd := exec.Command(path, filepath.Join("..", filepath.FromSlash(file)))
	cmd.Env = append(append(os.Environ(), "PYTHONUNBUFFERED=1"), env...)
	return "http://127.0.0.1:" + startProcess(t, file, cmd).awaitLine(t, "listening on ")
}
