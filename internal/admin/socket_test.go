package admin_test

import (
	"context"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/gatehouse-iap/gatehouse/internal/admin"
	"github.com/gatehouse-iap/gatehouse/internal/audit"
)

// shortDir is a directory whose sockets every system can bind: those of t.TempDir may be too deep.
func shortDir(t *testing.T) string {
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
	return dir
}

// serve answers on a socket of its own until the test or stop ends it.
func serve(t *testing.T, a *admin.Admin) (dir string, stop func() error) {
	t.Helper()
	dir = shortDir(t)
	listener, err := admin.Listen(dir)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- a.ServeListener(ctx, listener) }()
	stopped := false
	stop = func() error {
		if stopped {
			return nil
		}
		stopped = true
		cancel()
		return <-ended
	}
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
	return dir, stop
}

func overSocket(dir string) *http.Client {
	return &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", filepath.Join(dir, admin.SocketName))
	}}}
}

func TestAPeerOfTheSocketActsUnderItsUID(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	dir, _ := serve(t, f.Admin)
	response, err := overSocket(dir).Post("http://gatehouse/gatehouse/v1/iap/"+string(appName)+":disable", "application/json", nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := response.Body.Close(); err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("%s, %v", response.Status, err)
	}
	want := audit.Actor{Kind: "uid", Name: strconv.Itoa(os.Geteuid())}
	if entry := f.lastEntry(t); entry.Actor != want || entry.Action != "iap.disable" {
		t.Errorf("the entry is %s by %v, want %v", entry.Action, entry.Actor, want)
	}
}

func TestTheSocketIsForItsOwnerAndGoneAfterwards(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	dir, stop := serve(t, f.Admin)
	path := filepath.Join(dir, admin.SocketName)
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode() != fs.ModeSocket|0o600 {
		t.Errorf("the socket has mode %v", info.Mode())
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(path); !os.IsNotExist(err) {
		t.Errorf("after the end the socket is still there: %v", err)
	}
}

func TestACallUnderWayIsAnsweredWhenTheServerStops(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	settling, seen := make(chan struct{}), make(chan struct{})
	f.Settle = func(context.Context, int64) error {
		close(settling)
		<-seen
		return nil
	}
	dir, stop := serve(t, f.Admin)
	code := make(chan int, 1)
	go func() {
		response, err := overSocket(dir).Post("http://gatehouse/gatehouse/v1/iap/"+string(appName)+":disable", "application/json", nil)
		if err != nil {
			t.Error(err)
			code <- 0
			return
		}
		code <- response.StatusCode
		if err := response.Body.Close(); err != nil {
			t.Error(err)
		}
	}()
	<-settling
	stopped := make(chan error, 1)
	go func() { stopped <- stop() }()
	close(seen)
	if got := <-code; got != http.StatusOK {
		t.Errorf("the call was answered %d", got)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}

func TestTheSocketOfADeadServerIsReplaced(t *testing.T) {
	t.Parallel()
	dir := shortDir(t)
	path := filepath.Join(dir, admin.SocketName)
	left, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	left.SetUnlinkOnClose(false) // as kill -9 leaves it
	if err := left.Close(); err != nil {
		t.Fatal(err)
	}
	listener, err := admin.Listen(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := listener.Close(); err != nil {
		t.Error(err)
	}
}

func TestAFileInTheWayOfTheSocketIsLeftAlone(t *testing.T) {
	t.Parallel()
	dir := shortDir(t)
	path := filepath.Join(dir, admin.SocketName)
	if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := admin.Listen(dir); err == nil || !strings.Contains(err.Error(), "not a socket") {
		t.Errorf("the error is %v", err)
	}
	if b, err := os.ReadFile(path); err != nil || string(b) != "precious" {
		t.Errorf("the file is %q, %v", b, err)
	}
}

func TestAPathThatNoSocketFitsSaysWhatToDo(t *testing.T) {
	t.Parallel()
	dir := filepath.Join("/", strings.Repeat("d", 100))
	if _, err := admin.Listen(dir); err == nil || !strings.Contains(err.Error(), "shorter data directory") {
		t.Errorf("the error is %v", err)
	}
}
