package emulator

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestWhatIgnoresSIGTERMIsKilledAfterTheGrace(t *testing.T) {
	t.Parallel()
	w := newWitness(t)
	grace := make(chan time.Time)
	r := w.command(t, "stubborn", Options{After: func(d time.Duration) <-chan time.Time {
		if d == processGrace {
			return grace
		}
		return time.After(d)
	}})
	r.ready()
	app := w.meet(t, "stubborn")
	r.interrupt()
	app.hear(t, "ignored")
	grace <- time.Now()
	app.dies(t)
	if err := r.ends(0); err != nil {
		t.Error(err)
	}
}

func TestASecondInterruptKillsAtOnce(t *testing.T) {
	t.Parallel()
	w := newWitness(t)
	hurry := make(chan struct{})
	r := w.command(t, "stubborn", Options{Hurry: hurry, After: func(d time.Duration) <-chan time.Time {
		if d == processGrace {
			return nil // for ever
		}
		return time.After(d)
	}})
	r.ready()
	app := w.meet(t, "stubborn")
	r.interrupt()
	app.hear(t, "ignored")
	close(hurry)
	app.dies(t)
	if err := r.ends(0); err != nil {
		t.Error(err)
	}
}

// quick makes the grace nothing, for tests that are not about it.
func quick(d time.Duration) <-chan time.Time {
	if d == processGrace {
		d = 0
	}
	return time.After(d)
}

func TestGrandchildrenDieToo(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(t *testing.T, r *running, parent *player){
		"when we end":          func(_ *testing.T, r *running, _ *player) { r.interrupt() },
		"when the app ends":    func(t *testing.T, _ *running, parent *player) { t.Helper(); parent.tell(t, "exit 0") },
		"when the app crashes": func(_ *testing.T, _ *running, parent *player) { _ = syscall.Kill(parent.pid, syscall.SIGKILL) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWitness(t)
			r := w.command(t, "parent", Options{After: quick})
			r.ready()
			grandchild, parent := w.meet(t, "stubborn"), w.meet(t, "parent")
			end(t, r, parent)
			grandchild.dies(t)
			<-r.done
		})
	}
}

func TestKilledWithoutWarningWeTakeAllWithUs(t *testing.T) {
	t.Parallel()
	w := newWitness(t)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(w.environ(t, "emulator"), "TMPDIR="+t.TempDir())
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	parent, grandchild := w.meet(t, "parent"), w.meet(t, "stubborn")
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	parent.dies(t)
	grandchild.dies(t)
}

func TestTheWatchdogAloneKillsTheGroup(t *testing.T) {
	t.Parallel()
	w := newWitness(t)
	cmd := exec.Command(os.Args[0])
	cmd.Env, cmd.SysProcAttr = append(w.environ(t, "parent"), "PORT=0"), &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) })
	parent, grandchild := w.meet(t, "parent"), w.meet(t, "stubborn")
	guard := startWatchdog(cmd.Process.Pid)
	if guard == nil {
		t.Fatal("no watchdog")
	}
	guard.line.Close() // as our death would
	parent.dies(t)
	grandchild.dies(t)
	_ = guard.cmd.Wait()
	_ = cmd.Wait()
}

func TestADismissedWatchdogDoesNoHarm(t *testing.T) {
	t.Parallel()
	w := newWitness(t)
	cmd := exec.Command(os.Args[0])
	cmd.Env, cmd.SysProcAttr = w.environ(t, "nine"), &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	app := w.meet(t, "nine")
	startWatchdog(cmd.Process.Pid).dismiss()
	app.tell(t, "exit 4")
	if _ = cmd.Wait(); cmd.ProcessState.ExitCode() != 4 {
		t.Errorf("the process ended with %s", cmd.ProcessState)
	}
}

func TestTheExecCommandDecidesTheEnd(t *testing.T) {
	t.Parallel()
	t.Run("its exit code is ours, and it knows the way", func(t *testing.T) {
		t.Parallel()
		w := newWitness(t)
		ready := filepath.Join(t.TempDir(), "ready.json")
		r := w.command(t, "app", Options{ReadyFile: ready, Exec: "cat " + ready + `
			echo "$GATEHOUSE_ENDPOINT $GATEHOUSE_DATA $IAP_AUDIENCE $GATEHOUSE_APP_URL $GATEHOUSE_CLIENT_ID $GATEHOUSE_KEYS_URL"
			exit 7`})
		r.ends(7)
		var info Info
		printed := json.NewDecoder(strings.NewReader(r.stdout.String()))
		if err := printed.Decode(&info); err != nil {
			t.Fatalf("the ready file is not there while the command runs: %v in %q", err, r.stdout)
		}
		want := strings.Join([]string{info.URLs.Machine, info.DataDir, info.Audience, info.URLs.App, info.ClientID, info.URLs.Keys}, " ") + "\n"
		if !strings.HasSuffix(r.stdout.String(), want) {
			t.Errorf("the command sees %q, want %q", r.stdout, want)
		}
		w.meet(t, "app").dies(t)
	})
	t.Run("success is success", func(t *testing.T) {
		t.Parallel()
		r := start(t, Options{Exec: "true"})
		if err := r.ends(0); err != nil {
			t.Error(err)
		}
	})
	t.Run("an app that ends meanwhile is a failure, however it ends", func(t *testing.T) {
		t.Parallel()
		w := newWitness(t)
		r := w.command(t, "app", Options{Exec: roleVariable + `=exec exec "$` + binaryVariable + `"`})
		command := w.meet(t, "exec")
		w.meet(t, "app").tell(t, "exit 0")
		if err := r.ends(1); err == nil || !strings.Contains(err.Error(), "while the --exec command ran") {
			t.Errorf("the error is %v", err)
		}
		command.dies(t)
	})
	t.Run("interrupted, it answers for itself", func(t *testing.T) {
		t.Parallel()
		w := newWitness(t)
		r := w.command(t, "app", Options{Exec: roleVariable + `=nine exec "$` + binaryVariable + `"`})
		w.meet(t, "nine")
		r.interrupt()
		r.ends(9)
	})
	t.Run("interrupted before it could run is no success", func(t *testing.T) {
		t.Parallel()
		w := newWitness(t)
		r := w.command(t, "silent", Options{Exec: "true"})
		w.meet(t, "silent")
		r.interrupt()
		if err := r.ends(1); err == nil || !strings.Contains(err.Error(), "--exec") {
			t.Errorf("the error is %v", err)
		}
	})
}
