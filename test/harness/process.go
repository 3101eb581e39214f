package harness

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Process is a program that runs beside a test and ends with it.
type Process struct {
	name   string
	cmd    *exec.Cmd
	output *Buffer
	exited chan struct{}
}

// Program is the path of a program that the tests need. Debian keeps daemons where only root's PATH leads.
func Program(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err == nil {
		return path
	}
	if path, sbin := exec.LookPath(filepath.Join("/usr/sbin", name)); sbin == nil {
		return path
	}
	t.Fatalf("%s is not installed: run make setup (%v)", name, err)
	return ""
}

// StartProcess starts a program, which ends with the test. What it printed is told when the test fails.
func StartProcess(t testing.TB, name string, cmd *exec.Cmd) *Process {
	t.Helper()
	p := &Process{name: name, cmd: cmd, output: &Buffer{}, exited: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = p.output, p.output
	if err := cmd.Start(); err != nil {
		t.Fatalf("start %s: %v; make setup installs what the tests need", name, err)
	}
	go func() {
		_ = cmd.Wait()
		close(p.exited)
	}()
	t.Cleanup(func() {
		p.Stop(t)
		if printed := p.Output(); t.Failed() && printed != "" {
			t.Logf("what %s printed:\n%s", name, printed)
		}
	})
	return p
}

// Await looks often until something is so that is said in what, and no longer than the process lives.
func (p *Process) Await(t testing.TB, what string, so func() bool) {
	t.Helper()
	look := time.NewTicker(2 * time.Millisecond)
	defer look.Stop()
	tooLate := time.After(Patience)
	for !so() {
		select {
		case <-look.C:
		case <-p.exited:
			t.Fatalf("%s ended, and was to come to this: %s: %v", p.name, what, p.cmd.ProcessState)
		case <-tooLate:
			t.Fatalf("%s has not come to this within %v: %s", p.name, Patience, what)
		}
	}
}

// AwaitLine waits for a line that contains a text, and returns what follows the text in it.
func (p *Process) AwaitLine(t testing.TB, text string) (rest string) {
	t.Helper()
	p.Await(t, fmt.Sprintf("it says %q", text), func() (found bool) {
		printed := p.output.String()
		for line := range strings.Lines(printed[:strings.LastIndexByte(printed, '\n')+1]) { // whole ones
			if _, rest, found = strings.Cut(line, text); found {
				rest = strings.TrimSpace(rest)
				return true
			}
		}
		return false
	})
	return rest
}

// AwaitListener waits until the process, or whoever it is, takes connections at each address.
func (p *Process) AwaitListener(t testing.TB, addresses ...string) {
	t.Helper()
	for _, address := range addresses {
		p.Await(t, "it takes connections at "+address, func() bool {
			conn, err := net.DialTimeout("tcp", address, time.Second)
			if err != nil {
				return false
			}
			_ = conn.Close()
			return true
		})
	}
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
