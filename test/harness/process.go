package harness

import (
	"bufio"
	"errors"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Process is a program that runs beside a test and ends with it.
type Process struct {
	name   string
	cmd    *exec.Cmd
	output *buffer
	exited chan struct{}
}

// startProcess starts a program. What it printed is told when the test fails.
func startProcess(t testing.TB, name string, cmd *exec.Cmd) *Process {
	t.Helper()
	p := &Process{name: name, cmd: cmd, output: &buffer{}, exited: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = p.output, p.output
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = cmd.Wait()
		close(p.exited)
	}()
	t.Cleanup(func() {
		p.Stop(t)
		if t.Failed() {
			t.Logf("what %s printed:\n%s", name, p.output)
		}
	})
	return p
}

// awaitLine waits for a line that contains a text, and returns what follows the text in it.
func (p *Process) awaitLine(t testing.TB, text string) string {
	t.Helper()
	look := time.NewTicker(2 * time.Millisecond)
	defer look.Stop()
	tooLate := time.After(Patience)
	for {
		printed := p.output.String()
		lines := bufio.NewScanner(strings.NewReader(printed[:strings.LastIndexByte(printed, '\n')+1])) // whole ones
		for lines.Scan() {
			if _, rest, found := strings.Cut(lines.Text(), text); found {
				return strings.TrimSpace(rest)
			}
		}
		select {
		case <-look.C:
		case <-p.exited:
			t.Fatalf("%s ended before it said %q: %v", p.name, text, p.cmd.ProcessState)
		case <-tooLate:
			t.Fatalf("%s has not said %q within %v", p.name, text, Patience)
		}
	}
}

// Output is what the program has printed so far.
func (p *Process) Output() string { return p.output.String() }

// PID is the process, for what measures it.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Stop ends the program as SIGTERM does and waits for it.
func (p *Process) Stop(t testing.TB) {
	t.Helper()
	p.signal(t, syscall.SIGTERM)
	select {
	case <-p.exited:
	case <-time.After(Patience):
		t.Errorf("%s has not ended within %v of SIGTERM", p.name, Patience)
		p.Kill(t)
	}
}

// Kill ends the program as a power cut does: nothing runs in it any more.
func (p *Process) Kill(t testing.TB) {
	t.Helper()
	p.signal(t, syscall.SIGKILL)
	<-p.exited
}

func (p *Process) signal(t testing.TB, s syscall.Signal) {
	t.Helper()
	select {
	case <-p.exited: // its number may be somebody else's by now
		return
	default:
	}
	var err error
	if attributes := p.cmd.SysProcAttr; attributes != nil && attributes.Setpgid {
		err = syscall.Kill(-p.cmd.Process.Pid, s)
	} else {
		err = p.cmd.Process.Signal(s)
	}
	if err != nil && !errors.Is(err, os.ErrProcessDone) && !errors.Is(err, syscall.ESRCH) {
		t.Errorf("signal %v: %v", s, err)
	}
}

// Exited is closed when the process has ended.
func (p *Process) Exited() <-chan struct{} { return p.exited }
