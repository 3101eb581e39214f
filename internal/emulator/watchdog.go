package emulator

import (
	"io"
	"os/exec"
	"strconv"
	"syscall"
)

// watchdog is a shell that kills a process group when this program ends without having dismissed it,
// kill -9 included: its standard input ends when the last process that holds the pipe does.
type watchdog struct {
	line io.WriteCloser
	cmd  *exec.Cmd
}

// watchdogScript outlives the terminal and Ctrl-C, because it is needed just then.
const watchdogScript = `trap '' HUP INT TERM; read -r dismissed || kill -s KILL -- "-$1"`

// startWatchdog returns nil where there is no shell: it is the last of three ways, so the command runs without.
func startWatchdog(group int) *watchdog {
	cmd := exec.Command("/bin/sh", "-c", watchdogScript, "gatehouse-watchdog", strconv.Itoa(group))
	cmd.Env = []string{}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	line, err := cmd.StdinPipe()
	if err != nil {
		return nil
	}
	if err := cmd.Start(); err != nil {
		line.Close()
		return nil
	}
	return &watchdog{line: line, cmd: cmd}
}

// dismiss ends the watchdog without harm.
func (w *watchdog) dismiss() {
	if w == nil {
		return
	}
	_, _ = io.WriteString(w.line, "dismissed\n")
	_ = w.cmd.Wait() // closes the pipe
}
