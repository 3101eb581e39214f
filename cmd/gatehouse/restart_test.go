package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
)

// activated is a `gatehouse serve` that got its listening socket as systemd passes one.
type activated struct {
	cmd   *exec.Cmd
	log   journal
	ended chan error
}

func activate(t *testing.T, configFile string, socket *os.File) *activated {
	t.Helper()
	binary, err := exec.LookPath("gatehouse") // testscript.Main has put this binary there
	if err != nil {
		t.Fatal(err)
	}
	a := &activated{ended: make(chan error, 1)}
	a.log.reset()
	// LISTEN_PID must name the server, whose number only the process itself knows before it starts.
	a.cmd = exec.Command("/bin/sh", "-c", `LISTEN_PID=$$ exec "$0" "$@"`, binary, "serve", "--config", configFile)
	a.cmd.Env = []string{"LISTEN_FDS=1", "LISTEN_FDNAMES=web", "GORACE=atexit_sleep_ms=0"}
	a.cmd.ExtraFiles = []*os.File{socket} // descriptor 3
	a.cmd.Stderr = &a.log
	if err := a.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { a.ended <- a.cmd.Wait() }()
	t.Cleanup(func() { _ = a.cmd.Process.Kill() })
	return a
}

func (a *activated) awaitReady(t *testing.T) {
	t.Helper()
	if err := a.log.await("msg=ready", 1, a.ended); err != nil {
		t.Fatal(err)
	}
}

func (a *activated) terminate(t *testing.T) {
	t.Helper()
	if err := a.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := <-a.ended; err != nil {
		t.Fatalf("ended with %v:\n%s", err, a.log.text())
	}
}

// activatedGate writes a configuration for a listening socket.
func activatedGate(t *testing.T, address string) (configFile string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "gh")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	for name, text := range map[string]string{
		"gatehouse.yaml": fmt.Sprintf("project: {id: test-project, number: 42}\nexternalURL: http://auth.localhost:8080\ndataDir: data\nlisteners: [{address: %q}]\nmanifests: [apps.yaml]\n", address),
		"apps.yaml": fmt.Sprintf(`apiVersion: gatehouse.dev/v1
kind: BackendService
metadata: {name: app}
spec: {hosts: [app.localhost], upstream: %q, iap: {enabled: false}}
`, startUpstream(t)),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "gatehouse.yaml")
}

func TestARestartRefusesNoConnection(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() // held open throughout, as by the service manager, and never accepted on
	socket, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	configFile := activatedGate(t, l.Addr().String())

	first := activate(t, configFile, socket)
	first.awaitReady(t)
	ctx, stop := context.WithCancel(t.Context())
	var answered atomic.Int64
	var clients sync.WaitGroup
	for range 4 {
		clients.Go(func() {
			for ctx.Err() == nil {
				if err := connect(t.Context(), l.Addr().String()); err != nil {
					t.Errorf("after %d answers: %v", answered.Load(), err)
					return
				}
				answered.Add(1)
			}
		})
	}
	await := func(more int64) {
		t.Helper()
		for until := answered.Load() + more; answered.Load() < until && !t.Failed(); {
			if err := connect(t.Context(), l.Addr().String()); err != nil {
				t.Error(err)
			}
		}
	}
	await(50)
	for range 3 {
		first.terminate(t)
		first = activate(t, configFile, socket)
		first.awaitReady(t)
		await(50)
	}
	stop()
	clients.Wait()
	first.terminate(t)
}

// connect asks once on a connection of its own.
func connect(ctx context.Context, address string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/", http.NoBody)
	if err != nil {
		return err
	}
	request.Host = "app.localhost"
	response, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil && (response.StatusCode != http.StatusOK || !strings.Contains(string(body), "app sees")) {
		err = fmt.Errorf("status %d: %s", response.StatusCode, body)
	}
	return err
}

func TestASocketThatNoListenerWantsStopsTheStart(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	socket, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	a := activate(t, activatedGate(t, "127.0.0.1:0"), socket)
	if err := <-a.ended; err == nil || !strings.Contains(a.log.text(), "web ("+l.Addr().String()+")") {
		t.Errorf("ended with %v:\n%s", err, a.log.text())
	}
}
