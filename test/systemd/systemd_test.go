package systemd

import (
	"context"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/gatehouse-iap/gatehouse/test/harness"
)

func TestSystemdFindsNothingWrongWithTheUnits(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, name := range []string{"gatehouse.service", "gatehouse.socket"} {
		text, err := os.ReadFile(filepath.Join("..", "..", "docs", "examples", name))
		if err != nil {
			t.Fatal(err)
		}
		unit := strings.ReplaceAll(string(text), "/usr/local/bin/gatehouse", harness.Binary(t))
		if name == "gatehouse.service" && unit == string(text) {
			t.Fatal("the unit does not start /usr/local/bin/gatehouse")
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(unit), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	verify := func() (string, error) {
		out, err := exec.Command("systemd-analyze", "verify", "--man=no", filepath.Join(dir, "gatehouse.service"), filepath.Join(dir, "gatehouse.socket")).CombinedOutput()
		return string(out), err
	}
	// It ends with 0 where it only warns of a line that it does not know.
	if out, err := verify(); err != nil || strings.Contains(out, dir) {
		t.Errorf("%v\n%s", err, out)
	}
	if err := os.WriteFile(filepath.Join(dir, "gatehouse.socket"), []byte("[Socket]\nListenStream=[::]:443\nBacklogg=1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, _ := verify(); !strings.Contains(out, "Backlogg") {
		t.Errorf("a key that does not exist goes unnoticed:\n%s", out)
	}
}

// The socket stays open while the server restarts, as systemd keeps it: clients that come meanwhile wait.
func TestNoConnectionIsRefusedWhileTheServerRestarts(t *testing.T) {
	t.Parallel()
	site, app := harness.NewSite(t), harness.StartHello(t)
	site.Init(t, "--host=app.localhost", "--upstream="+app.URL)
	l, err := net.Listen("tcp", "127.0.0.1:"+site.Port)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	socket, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()

	ask := func() bool {
		response, err := harness.Client(nil).Get(site.URL("app.localhost") + "/")
		if err != nil || response.StatusCode != http.StatusFound {
			t.Errorf("a client is answered with %v, %v", response, err)
			return false
		}
		return response.Body.Close() == nil
	}
	ctx, enough := context.WithCancel(t.Context())
	var clients sync.WaitGroup
	for range 4 {
		clients.Go(func() {
			for ctx.Err() == nil && ask() {
			}
		})
	}
	for range 3 { // the first starts with clients that have come already
		gate := site.ServeOn(t, socket)
		for n := 0; n < 30 && ask(); n++ {
		}
		gate.Stop(t)
	}
	last := site.ServeOn(t, socket)
	ask()
	enough()
	clients.Wait()
	if strings.Contains(last.Output(), "ERROR") {
		t.Errorf("the log has errors:\n%s", last.Output())
	}
}
