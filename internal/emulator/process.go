package emulator

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"time"
)

// process is a command that lives no longer than we do, with everything that it starts:
//
//   - It leads a process group of its own, and the group gets our signals, so grandchildren die with it.
//   - On Linux the kernel kills the command itself when we are gone, however we went (PDEATHSIG).
//   - A watchdog kills the whole group when we are gone: a shell that waits for the end of a pipe which only
//     we hold open.
//
// Out of reach is only what leaves the group by itself, as daemons do (setsid).
//
// A group of its own is not the terminal's, and would be stopped when it read from it: standard input is empty.
type process struct {
	name   string
	group  int
	done   chan struct{} // closed once the command has ended
	status int           // valid after done
	once   sync.Once     // stops once: afterwards the group's number may be somebody else's
	output sync.WaitGroup
	ours   []*os.File // our ends of the output pipes
	guard  *watchdog
}

// command says what to start.
type command struct {
	name           string // what people call it in messages
	args           []string
	env            []string
	stdout, stderr io.Writer
}

// startProcess starts the command.
func startProcess(c command) (*process, error) {
	cmd := exec.Command(c.args[0], c.args[1:]...)
	cmd.Env = c.env
	cmd.SysProcAttr = processAttributes()
	p := &process{name: c.name, done: make(chan struct{})}
	theirs, err := p.connect(cmd, c.stdout, c.stderr)
	if err == nil {
		started := make(chan error, 1)
		go p.run(cmd, started)
		err = <-started
	}
	for _, file := range theirs {
		file.Close()
	}
	if err != nil {
		p.closeOutput()
		if errors.Is(err, exec.ErrNotFound) {
			return nil, fmt.Errorf("cannot start %s: there is no program %q in PATH", c.name, c.args[0])
		}
		return nil, fmt.Errorf("cannot start %s: %w", c.name, err)
	}
	return p, nil
}

// ended is closed once the command has ended; never where there is none.
func (p *process) ended() <-chan struct{} {
	if p == nil {
		return nil
	}
	return p.done
}

// exitCode is the command's, and that of one killed while it has not ended.
func (p *process) exitCode() int {
	select {
	case <-p.done:
		return p.status
	default:
		return 128 + int(syscall.SIGKILL)
	}
}

// run starts the command and waits for it. The thread stays the same throughout, because Linux sends
// PDEATHSIG when the thread that started a process ends, not when the program does.
func (p *process) run(cmd *exec.Cmd, started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := cmd.Start(); err != nil {
		started <- err
		return
	}
	p.group = cmd.Process.Pid
	p.guard = startWatchdog(p.group)
	started <- nil
	_ = cmd.Wait() // the state says more than the error
	p.status = exitStatus(cmd.ProcessState)
	close(p.done)
}

// connect gives the command its output. A file is passed on as it is; for any other writer there is a pipe,
// which this process reads itself: exec's own copying would make Wait last until every grandchild has ended.
func (p *process) connect(cmd *exec.Cmd, stdout, stderr io.Writer) (theirs []*os.File, err error) {
	for _, stream := range []struct {
		to   io.Writer
		from *io.Writer
	}{{stdout, &cmd.Stdout}, {stderr, &cmd.Stderr}} {
		if file, ok := stream.to.(*os.File); ok {
			*stream.from = file
			continue
		}
		r, w, err := os.Pipe()
		if err != nil {
			return theirs, fmt.Errorf("cannot make a pipe: %w", err)
		}
		theirs, p.ours = append(theirs, w), append(p.ours, r)
		*stream.from = w
		p.output.Go(func() { drain(stream.to, r) })
	}
	return theirs, nil
}

// drain copies until the pipe ends. It goes on reading when the writer fails, so that the command never
// blocks on us.
func drain(w io.Writer, r io.Reader) {
	if _, err := io.Copy(w, r); err != nil {
		_, _ = io.Copy(io.Discard, r)
	}
}

// exitStatus is what a shell would call it.
func exitStatus(state *os.ProcessState) int {
	if status, ok := state.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal())
	}
	return state.ExitCode()
}

// stopping says how patient to be.
type stopping struct {
	grace <-chan time.Time // how long the group has after SIGTERM
	hurry <-chan struct{}  // closed when nobody wants to wait
}

// stop ends the whole group, also when the command itself has ended before, and waits until it is gone.
func (p *process) stop(s stopping) { p.once.Do(func() { p.end(s) }) }

func (p *process) end(s stopping) {
	p.signal(syscall.SIGTERM)
	p.signal(syscall.SIGCONT) // a stopped process would not see the first one
	if !p.gone(s.grace, s.hurry) {
		p.signal(syscall.SIGKILL)
		p.gone(time.After(2*time.Second), nil) // longer only in the kernel, where nobody can help
	}
	p.guard.dismiss()
	p.closeOutput()
}

func (p *process) signal(s syscall.Signal) { _ = syscall.Kill(-p.group, s) }

// gone waits until the command and its group have ended, and reports whether they have.
func (p *process) gone(timeout <-chan time.Time, hurry <-chan struct{}) bool {
	tick := time.NewTicker(10 * time.Millisecond) // nothing tells us when a group is empty
	defer tick.Stop()
	for {
		select {
		case <-p.done:
			if !groupAlive(p.group) {
				return true
			}
		default:
		}
		select {
		case <-tick.C:
		case <-timeout:
			return false
		case <-hurry:
			return false
		}
	}
}

// closeOutput waits for what is still in the pipes. What left the group may hold them open for ever, so this
// does not wait long.
func (p *process) closeOutput() {
	copied := make(chan struct{})
	go func() { p.output.Wait(); close(copied) }()
	select {
	case <-copied:
	case <-time.After(time.Second):
	}
	for _, file := range p.ours {
		file.Close()
	}
}
