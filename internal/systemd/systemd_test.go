package systemd

import (
	"net"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"testing"
	"time"
)

func TestTheServiceManagerIsTold(t *testing.T) {
	dir, err := os.MkdirTemp("", "gh") // a socket's path has little room
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	addresses := map[string]string{"a path": filepath.Join(dir, "notify")}
	if runtime.GOOS == "linux" {
		addresses["an abstract name"] = "@gatehouse-test-" + filepath.Base(dir)
	}
	for name, address := range addresses {
		t.Run(name, func(t *testing.T) {
			manager, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: address, Net: "unixgram"})
			if err != nil {
				t.Fatal(err)
			}
			defer manager.Close()
			t.Setenv(variable, address)
			n, err := FromEnvironment()
			if err != nil || os.Getenv(variable) != "" {
				t.Fatalf("the variable is left to children: %v", err)
			}
			for want, tell := range map[string]func() error{
				"^READY=1\nSTATUS=two lines$":             func() error { return n.Ready("two\nlines") },
				"^STATUS=draining$":                       func() error { return n.Status("draining") },
				"^RELOADING=1(\nMONOTONIC_USEC=[0-9]+)?$": n.Reloading,
				"^STOPPING=1\nSTATUS=draining$":           n.Stopping,
			} {
				if err := tell(); err != nil {
					t.Fatal(err)
				}
				_ = manager.SetReadDeadline(time.Now().Add(10 * time.Second))
				buffer := make([]byte, 1024)
				length, err := manager.Read(buffer)
				if err != nil || !regexp.MustCompile(want).Match(buffer[:length]) {
					t.Errorf("the manager hears %q, %v", buffer[:length], err)
				}
			}
		})
	}
}

func TestWithoutAServiceManagerNothingIsSaid(t *testing.T) {
	t.Parallel()
	var n Notifier
	for _, err := range []error{n.Ready("x"), n.Status("x"), n.Reloading(), n.Stopping()} {
		if err != nil {
			t.Error(err)
		}
	}
	n.socket = filepath.Join(t.TempDir(), "gone")
	if n.Ready("x") == nil {
		t.Error("a manager that is gone is not noticed")
	}
}
