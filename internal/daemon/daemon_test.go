package daemon

import (
	"crypto/rand"
	"encoding/base64"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/server"
	"github.com/gatehouse-iap/gatehouse/internal/signin"
	"github.com/gatehouse-iap/gatehouse/internal/systemd"
)

func TestAHostThatAManifestAddsAnswersWithoutARestart(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start()
	if a := w.get(0, "http://app.localhost/"); a.status != 200 || !strings.Contains(a.body, "app sees app.localhost") {
		t.Fatalf("at first %d %s", a.status, a.body)
	}
	if a := w.get(0, "http://wiki.localhost/"); a.status != 404 {
		t.Fatalf("an unknown host gets %d", a.status)
	}
	w.write("apps.yaml", w.app("app", "app.localhost")+w.app("wiki", "wiki.localhost"))
	w.look()
	if a := w.get(0, "http://wiki.localhost/"); a.status != 200 {
		t.Errorf("the new host gets %d %s", a.status, a.body)
	}
	w.expectMetric(`gatehouse_reloads_total{result="success",what="manifests"} 1`)
}

func TestAManifestWithAFaultKeepsWhatWasThereAndIsToldLoudly(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start()
	w.write("apps.yaml", strings.Replace(w.app("app", "app.localhost"), "hosts:", "hots:", 1)+w.app("wiki", "wiki.localhost"))
	w.look()
	if a := w.get(0, "http://app.localhost/"); a.status != 200 {
		t.Errorf("the app gets %d", a.status)
	}
	if a := w.get(0, "http://wiki.localhost/"); a.status != 404 {
		t.Errorf("half of the file was applied: %d", a.status)
	}
	r := w.readyz()
	if r.Status != "ready" || r.Manifests.State != "kept" || len(r.Manifests.Faults) == 0 || !strings.Contains(r.Manifests.Faults[0], "apps.yaml:5:") {
		t.Errorf("/readyz says %+v", r)
	}
	w.expectMetric(`gatehouse_reload_successful{what="manifests"} 0`)
	if len(w.log.lines("level=ERROR")) < 2 {
		t.Error("the log does not say so")
	}
	w.write("apps.yaml", w.app("app", "app.localhost")+w.app("wiki", "wiki.localhost"))
	w.look()
	if a := w.get(0, "http://wiki.localhost/"); a.status != 200 || w.readyz().Manifests.State != "current" {
		t.Errorf("put right, the new host gets %d, and /readyz says %+v", a.status, w.readyz())
	}
	w.expectMetric(`gatehouse_reload_successful{what="manifests"} 1`)
}

func TestAFileThatIsStillBeingWrittenIsNotRead(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	files := watch{paths: func() []string { return []string{w.path("apps.yaml")} }}
	files.begin()
	for i, step := range []struct {
		text string // written before the look, unless empty
		want bool
	}{{"", false}, {"one", false}, {"one, two", false}, {"", true}, {"", false}, {"three and more", false}, {"", true}, {"", false}} {
		if step.text != "" {
			w.write("apps.yaml", step.text)
		}
		if got := files.changed(); got != step.want {
			t.Errorf("look %d: changed is %v", i, got)
		}
	}
	remove(w, "apps.yaml")
	if files.changed() || !files.changed() {
		t.Error("a file that is gone is not noticed")
	}
}

func TestADirectoryOfManifestsIsWatched(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if err := os.MkdirAll(w.path("apps/team"), 0o755); err != nil {
		t.Fatal(err)
	}
	w.write("apps/app.yaml", w.app("app", "app.localhost"))
	w.edit("gatehouse.yaml", "apps.yaml", "apps")
	w.start()
	w.write("apps/team/wiki.yaml", w.app("wiki", "wiki.localhost"))
	w.look()
	if a := w.get(0, "http://wiki.localhost/"); a.status != 200 {
		t.Errorf("the new host gets %d", a.status)
	}
}

func TestAConfigurationIsTakenUpWhereARunningServerCan(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start()
	seen := func() string { return w.get(0, "http://app.localhost/", "X-Forwarded-For: 192.0.2.7").body }
	if strings.Contains(seen(), "192.0.2.7") {
		t.Fatal("a stranger is believed")
	}
	if len(w.log.lines("trustedProxies: [127.0.0.1/32]")) != 1 {
		t.Error("the log does not name the line to add")
	}
	w.write("gatehouse.yaml", plainConfig+"trustedProxies: [127.0.0.1/32]\nlog: {level: error}\n")
	w.look()
	if !strings.Contains(seen(), "192.0.2.7") {
		t.Error("the proxy that was added is not believed")
	}
	w.write("wiki.yaml", w.app("wiki", "wiki.localhost"))
	w.edit("gatehouse.yaml", "[apps.yaml]", "[apps.yaml, wiki.yaml]")
	w.look()
	w.look() // the manifests come after the file that names them
	if a := w.get(0, "http://wiki.localhost/"); a.status != 200 {
		t.Errorf("the host of a manifest that was added gets %d", a.status)
	}
	if len(w.log.lines("name=wiki")) > 0 {
		t.Error("the log's level is as before")
	}
}

func TestAConfigurationWithAFaultKeepsWhatWasThere(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ old, new, fault string }{
		"an unknown key":              {"manifests:", "manifest:", "did you mean manifests?"},
		"no YAML":                     {"project:", "[", "this is not YAML"},
		"a change that needs a start": {"dataDir: data", "dataDir: other", "does not take up a change of dataDir: restart it"},
		"another listener":            {`[{address: "127.0.0.1:0"}]`, `[{address: "127.0.0.1:0"}, {address: "127.0.0.1:0"}]`, "a change of listeners"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.start()
			w.write("gatehouse.yaml", strings.Replace(plainConfig, c.old, c.new, 1)+"trustedProxies: [127.0.0.1/32]\n")
			w.look()
			if body := w.get(0, "http://app.localhost/", "X-Forwarded-For: 192.0.2.7").body; strings.Contains(body, "192.0.2.7") {
				t.Error("a part of it was taken up")
			}
			r := w.readyz()
			if r.Status != "ready" || r.Config.State != "kept" || !strings.Contains(strings.Join(r.Config.Faults, "\n"), c.fault) {
				t.Errorf("/readyz says %+v", r)
			}
			w.expectMetric(`gatehouse_reload_successful{what="config"} 0`)
			w.write("gatehouse.yaml", plainConfig)
			w.look()
			if r := w.readyz(); r.Config.State != "current" {
				t.Errorf("put right, /readyz says %+v", r)
			}
		})
	}
}

func TestSIGHUPReadsEverythingAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start()
	w.sighup()
	for _, what := range []string{"config", "certificates", "manifests"} {
		w.expectMetric(`gatehouse_reloads_total{result="success",what="` + what + `"} 1`)
	}
	w.edit("gatehouse.yaml", "project:", "projet:")
	w.sighup()
	w.sighup()
	if n := len(w.log.lines("did you mean project?")); n != 2 {
		t.Errorf("a fault that was asked about twice is told %d times", n)
	}
}

const tlsConfig = `project: {id: test-project, number: 42}
externalURL: https://auth.localhost
dataDir: data
listeners:
  - {address: "127.0.0.1:0", tls: {certificates: [{certFile: one.crt, keyFile: one.key}]}}
  - {address: "127.0.0.1:0"}
admin: {address: "127.0.0.1:0"}
manifests: [apps.yaml]
`

func TestCertificatesAreTakenUpWhenTheirFilesChange(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write("gatehouse.yaml", tlsConfig)
	w.certificate("one", "app.localhost", "one.test")
	w.start()
	names := func(url string) string {
		return strings.Join(w.get(0, url).tls.PeerCertificates[0].DNSNames, " ")
	}
	if a := w.get(0, "https://app.localhost/"); a.status != 200 || names("https://app.localhost/") != "app.localhost one.test" {
		t.Fatalf("%d by %s", a.status, names("https://app.localhost/"))
	}
	w.certificate("one", "app.localhost", "two.test")
	w.look()
	if got := names("https://app.localhost/"); got != "app.localhost two.test" || w.readyz().Certificates.State != "current" {
		t.Errorf("the renewed certificate is not shown, but that of %s", got)
	}
	w.expectMetric(`gatehouse_reloads_total{result="success",what="certificates"} 1`)
	w.write("one.key", "broken")
	w.look()
	if r := w.readyz(); names("https://app.localhost/") != "app.localhost two.test" || r.Status != "ready" || r.Certificates.State != "kept" || len(r.Certificates.Faults) != 1 {
		t.Errorf("a broken key: %+v", r)
	}
	w.expectMetric(`gatehouse_reload_successful{what="certificates"} 0`)
	w.certificate("one", "app.localhost", "three.test")
	w.certificate("more", "more.localhost")
	w.edit("gatehouse.yaml", "keyFile: one.key}", "keyFile: one.key}, {certFile: more.crt, keyFile: more.key}")
	w.look()
	if got := names("https://app.localhost/") + ", " + names("https://more.localhost/"); got != "app.localhost three.test, more.localhost" || w.readyz().Certificates.State != "current" {
		t.Errorf("with a second pair: %s, %+v", got, w.readyz())
	}
}

func TestPlainHTTPLeadsToHTTPSUnlessToldOtherwise(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write("gatehouse.yaml", tlsConfig)
	w.certificate("one", "app.localhost")
	w.start()
	if a := w.get(1, "http://app.localhost/x?y"); a.status != http.StatusMovedPermanently || a.header.Get("Location") != "https://app.localhost/x?y" {
		t.Errorf("%d to %s", a.status, a.header.Get("Location"))
	}
	w.edit("gatehouse.yaml", `{address: "127.0.0.1:0"}
admin`, `{address: "127.0.0.1:0", redirectToHTTPS: false}
admin`)
	w.look()
	if a := w.get(1, "http://app.localhost/"); a.status != 200 {
		t.Errorf("told otherwise: %d", a.status)
	}
}

func TestManifestsWithAFaultStopOnlyTheFirstStart(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.edit("apps.yaml", "hosts:", "hots:")
	if got := w.refused(); !strings.Contains(got, "apps.yaml:5:") || !strings.Contains(got, "hots") {
		t.Errorf("refused with %s", got)
	}
	w.edit("apps.yaml", "hots:", "hosts:")
	w.start()
	if err := w.stop(); err != nil {
		t.Fatal(err)
	}
	w.edit("apps.yaml", "hosts:", "hots:")
	w.start()
	if a := w.get(0, "http://app.localhost/"); a.status != 200 || w.readyz().Manifests.State != "kept" {
		t.Errorf("%d, %+v", a.status, w.readyz())
	}
}

func TestTheRootKeyIsMadeWithAnEmptyStoreAndNeverLater(t *testing.T) {
	t.Parallel()
	key := func() string {
		b := make([]byte, 32)
		rand.Read(b)
		return base64.StdEncoding.EncodeToString(b)
	}
	for name, c := range map[string]struct {
		line    string // of the configuration
		spoil   func(w *world)
		refused string
	}{
		"in the data directory, gone":      {"", func(w *world) { remove(w, "data/root.key") }, "root.key is missing"},
		"in the data directory, replaced":  {"", func(w *world) { w.write("data/root.key", key()) }, "root key"},
		"elsewhere, gone":                  {"rootKey: {file: the.key}", func(w *world) { remove(w, "the.key") }, "the.key is missing"},
		"elsewhere, readable by others":    {"rootKey: {file: the.key}", func(w *world) { chmod(w, "the.key", 0o644) }, "chmod 600"},
		"in a variable, gone":              {"rootKey: {env: KEY}", func(w *world) { delete(w.env, "KEY") }, "the variable KEY is not set"},
		"in a variable, another":           {"rootKey: {env: KEY}", func(w *world) { w.env["KEY"] = key() }, "root key"},
		"in a variable, no key":            {"rootKey: {env: KEY}", func(w *world) { w.env["KEY"] = "x" }, "is not the base64 of 32 bytes"},
		"in a variable, a newer before it": {"rootKey: {env: KEY}", func(w *world) { w.env["KEY"] = key() + "\n" + w.env["KEY"] }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.env["KEY"] = key()
			w.write("gatehouse.yaml", plainConfig+c.line+"\n")
			w.start()
			if err := w.stop(); err != nil {
				t.Fatal(err)
			}
			made, err := filepath.Glob(w.path("*/root.key"))
			if err != nil || (len(made) == 1) != (c.line == "") {
				t.Errorf("made %q, %v", made, err)
			}
			c.spoil(w)
			if c.refused == "" {
				w.start()
				return
			}
			if got := w.refused(); !strings.Contains(got, c.refused) {
				t.Errorf("refused with %s", got)
			}
		})
	}
}

func remove(w *world, name string) {
	w.t.Helper()
	if err := os.Remove(w.path(name)); err != nil {
		w.t.Fatal(err)
	}
}

func chmod(w *world, name string, mode os.FileMode) {
	w.t.Helper()
	if err := os.Chmod(w.path(name), mode); err != nil {
		w.t.Fatal(err)
	}
}

func TestADirectoryOfTheEmulatorIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ctx, cancel := contextOf(t)
	made, err := server.New(ctx, server.Options{
		DataDir: w.path("data"), Listener: l, External: signin.External{Scheme: "http", Port: 8080}, AuthHost: "auth.localhost",
		ProjectID: "test-project", ProjectNumber: 42, Dev: true, Log: discard,
	})
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := made.Serve(ctx); err != nil {
		t.Fatal(err)
	}
	if got := w.refused(); !strings.Contains(got, "made by `gatehouse dev`") {
		t.Errorf("refused with %s", got)
	}
}

func TestASecondServerOnTheSameDirectoryIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start()
	second := newWorld(t)
	second.edit("gatehouse.yaml", "dataDir: data", "dataDir: "+w.path("data"))
	if got := second.refused(); !strings.Contains(got, "in use") {
		t.Errorf("refused with %s", got)
	}
}

func TestTheServiceManagerIsToldOfEachStep(t *testing.T) {
	w := newWorld(t)
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: w.path("notify"), Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	t.Setenv("NOTIFY_SOCKET", w.path("notify"))
	if w.notify, err = systemd.FromEnvironment(); err != nil {
		t.Fatal(err)
	}
	hear := func(want string) {
		t.Helper()
		buffer := make([]byte, 1024)
		_ = socket.SetReadDeadline(time.Now().Add(time.Minute))
		n, err := socket.Read(buffer)
		if err != nil || !strings.HasPrefix(string(buffer[:n]), want) {
			t.Errorf("the manager hears %q, %v, not %s", buffer[:n], err, want)
		}
	}
	w.start()
	hear("READY=1\nSTATUS=answers for http://auth.localhost:8080")
	w.sighup()
	hear("RELOADING=1")
	hear("READY=1\nSTATUS=answers for http://auth.localhost:8080")
	w.edit("apps.yaml", "hosts:", "hots:")
	w.look()
	hear("STATUS=answers for http://auth.localhost:8080; manifests: what is there now has faults")
	if err := w.stop(); err != nil {
		t.Fatal(err)
	}
	hear("STOPPING=1")
}

func TestTheHealthListenerAnswersNothingElse(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start()
	for url, want := range map[string]int{
		"http://localhost/healthz": 200, "http://localhost/readyz": 200, "http://localhost/metrics": 200,
		"http://localhost/": 404, "http://app.localhost/": 404, "http://auth.localhost/iap/verify/public_key": 404,
		"http://localhost/debug/pprof/": 404,
	} {
		if a := w.get(-1, url); a.status != want {
			t.Errorf("%s gets %d", url, a.status)
		}
	}
	for _, url := range []string{"http://app.localhost/readyz", "http://app.localhost/metrics"} {
		if a := w.get(0, url); !strings.Contains(a.body, "app sees") {
			t.Errorf("%s is not the application's: %s", url, a.body)
		}
	}
	for _, url := range []string{"http://localhost/healthz", "http://127.0.0.1/computeMetadata/v1/", "http://localhost/emulator/v1/info"} {
		if a := w.get(0, url); a.status != 404 {
			t.Errorf("%s gets %d from the listener for clients", url, a.status)
		}
	}
}
