package daemon

import (
	"bufio"
	"crypto/rand"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/server"
	"github.com/gatehouse-iap/gatehouse/internal/signin"
	"github.com/gatehouse-iap/gatehouse/internal/signin/password"
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
	w.expectMetric(`gatehouse_certificate_current{file="` + filepath.Join(w.dir, "one.crt") + `"} 0`)
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

// What is wrong with the files of an upstream is seen where everything else is, whether its application never worked
// or goes on as before.
func TestBadFilesOfUpstreamsAreSeenByMonitoring(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	secured := func(text string) string { return strings.Replace(text, w.upstream, "https://127.0.0.1:1", 1) }
	w.write("apps.yaml", w.app("app", "app.localhost")+
		strings.Replace(secured(w.app("safe", "safe.localhost")), `:1"}`, `:1", upstreamTls: {caFile: ca.crt}}`, 1))
	w.start()
	expect := func(when, says string) {
		t.Helper()
		state, gauge := "current", "1"
		if says != "" {
			state, gauge = "kept", "0"
		}
		r := w.readyz()
		if r.Status != "ready" || r.Upstreams.State != state || !strings.Contains(strings.Join(r.Upstreams.Faults, "\n"), says) {
			t.Errorf("%s: /readyz says %+v", when, r)
		}
		w.expectMetric(`gatehouse_reload_successful{what="upstreams"} ` + gauge)
	}
	expect("without the file", "service safe: requests are answered with 502: caFile: open "+w.path("ca.crt"))
	w.certificate("ca", "authority.test")
	await := func(want bool) {
		t.Helper()
		for deadline := time.Now().Add(time.Minute); (w.readyz().Upstreams.State == "current") != want; w.look() { // the builder works beside the daemon
			if time.Now().After(deadline) {
				t.Fatalf("/readyz says %+v", w.readyz())
			}
		}
	}
	w.look()
	await(true)
	expect("with the file", "")
	w.write("ca.crt", "broken")
	w.look()
	await(false)
	expect("with a broken file", "service safe: it stays as it was: caFile "+w.path("ca.crt"))
	if a := w.get(0, "http://app.localhost/"); a.status != 200 {
		t.Errorf("the other application gets %d", a.status)
	}
	w.write("apps.yaml", w.app("app", "app.localhost")+secured(w.app("safe", "safe.localhost")))
	w.look()
	await(true)
}

func TestTheFilesThatDocumentsNameAreWatchedLikeThem(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	hash := func(secret string) string {
		made, err := password.NewChecker(time.Now).Hash(t.Context(), secret)
		if err != nil {
			t.Fatal(err)
		}
		return made
	}
	w.write("alice.hash", hash("one"))
	w.write("apps.yaml", w.app("app", "app.localhost")+"---\napiVersion: gatehouse.dev/v1\nkind: User\nmetadata: {name: alice@example.com}\nspec: {passwordHash: {file: alice.hash}}\n")
	w.start()
	w.look()
	w.expectMetric(`gatehouse_reload_successful{what="manifests"} 1`)
	if n := len(w.log.lines("what=manifests")); n != 0 {
		t.Errorf("read again %d times, and nothing has changed", n)
	}
	w.write("alice.hash", hash("two, and longer"))
	w.look()
	if n := len(w.log.lines("msg=applied action=updated kind=User name=alice@example.com")); n != 1 {
		t.Errorf("the new hash was taken over %d times", n)
	}
	w.write("alice.hash", "no hash at all")
	w.look()
	if r := w.readyz(); r.Manifests.State != "kept" || !strings.Contains(strings.Join(r.Manifests.Faults, "\n"), "spec.passwordHash") {
		t.Errorf("a broken hash: %+v", r)
	}
	w.write("alice.hash", hash("two, and longer"))
	w.look()
	if r := w.readyz(); r.Manifests.State != "current" {
		t.Errorf("put right: %+v", r)
	}
}

func TestASymbolicLinkToADirectoryOfManifestsIsFollowedAndWatched(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, dir := range []string{"one", "two"} {
		if err := os.Mkdir(w.path(dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	w.write("one/app.yaml", w.app("app", "app.localhost"))
	w.write("two/app.yaml", w.app("app", "app.localhost")+w.app("wiki", "wiki.localhost"))
	if err := os.Symlink("one", w.path("current")); err != nil {
		t.Fatal(err)
	}
	w.edit("gatehouse.yaml", "apps.yaml", "current")
	w.start()
	if a := w.get(0, "http://app.localhost/"); a.status != 200 {
		t.Fatalf("what is behind the link is not applied: %d", a.status)
	}
	if err := errors.Join(os.Symlink("two", w.path("next")), os.Rename(w.path("next"), w.path("current"))); err != nil {
		t.Fatal(err)
	}
	w.look()
	if a := w.get(0, "http://wiki.localhost/"); a.status != 200 {
		t.Errorf("a link that is switched is not noticed: %d", a.status)
	}
	w.edit("two/app.yaml", "wiki.localhost", "docs.localhost")
	w.look()
	if a := w.get(0, "http://docs.localhost/"); a.status != 200 {
		t.Errorf("a file behind the link that changes is not noticed: %d", a.status)
	}
}

// A daemon that waits on a pipe would hear neither SIGHUP nor SIGTERM.
func TestAPipeInThePlaceOfAFileHoldsNothingUp(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"gatehouse.yaml", "apps.yaml", "one.crt", "one.key"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.write("gatehouse.yaml", tlsConfig)
			w.certificate("one", "app.localhost")
			w.start()
			remove(w, name)
			if err := syscall.Mkfifo(w.path(name), 0o600); err != nil {
				t.Fatal(err)
			}
			w.look()
			w.sighup()
			r := w.readyz()
			if all := strings.Join(append(append(r.Config.Faults, r.Certificates.Faults...), r.Manifests.Faults...), "\n"); !strings.Contains(all, name+": not an ordinary file") {
				t.Errorf("/readyz says %+v", r)
			}
			if a := w.get(0, "https://app.localhost/"); a.status != 200 {
				t.Errorf("the app gets %d", a.status)
			}
			if err := w.stop(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestTheMinimumVersionOfACertificateIsTakenUpWhileTheServerRuns(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write("gatehouse.yaml", strings.Replace(tlsConfig, "keyFile: one.key}", "keyFile: one.key}, {certFile: two.crt, keyFile: two.key}", 1))
	w.certificate("one", "*.localhost")
	w.certificate("two", "app.localhost")
	w.start()
	works := func(host string, version uint16) bool {
		conn, err := tls.Dial("tcp", w.address(0), &tls.Config{ServerName: host, MaxVersion: version, InsecureSkipVerify: true})
		if err == nil {
			conn.Close()
		}
		return err == nil
	}
	over := func(sni string) int {
		conn, err := tls.Dial("tcp", w.address(0), &tls.Config{ServerName: sni, InsecureSkipVerify: true})
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: app.localhost\r\nConnection: close\r\n\r\n")
		response, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		return response.StatusCode
	}
	expect := func(when string, app, other bool, coalesced int) {
		t.Helper()
		if got := [...]bool{works("app.localhost", tls.VersionTLS12), works("other.localhost", tls.VersionTLS12), works("app.localhost", tls.VersionTLS13)}; got != [...]bool{app, other, true} {
			t.Errorf("%s: TLS 1.2 for app and other, 1.3 for app: %v", when, got)
		}
		if status := over("other.localhost"); status != coalesced {
			t.Errorf("%s: app over the connection of other: %d", when, status)
		}
		if status := over("app.localhost"); status != 200 {
			t.Errorf("%s: app over its own: %d", when, status)
		}
	}
	expect("at first", true, true, 200)
	w.edit("gatehouse.yaml", "keyFile: two.key}", `keyFile: two.key, minVersion: "1.3"}`)
	w.look()
	expect("with a minimum of one certificate", false, true, 421)
	w.edit("gatehouse.yaml", "]}}", `], minVersion: "1.3"}}`)
	w.look()
	expect("with one of the listener", false, false, 200)
	w.edit("gatehouse.yaml", `keyFile: two.key, minVersion: "1.3"}`, `keyFile: two.key, minVersion: "1.2"}`)
	w.look()
	expect("with a lower one of the certificate", true, false, 421)
}

func TestWhoSpeaksThePROXYProtocolIsTakenUpWhileTheServerRuns(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start()
	ask := func() string {
		conn, err := net.Dial("tcp", w.address(0))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(time.Minute))
		fmt.Fprint(conn, "PROXY TCP4 203.0.113.9 127.0.0.1 1 2\r\nGET / HTTP/1.1\r\nHost: app.localhost\r\nConnection: close\r\n\r\n")
		answer, _ := io.ReadAll(conn)
		return string(answer)
	}
	if got := ask(); !strings.Contains(got, "400 Bad Request") {
		t.Fatalf("at first: %s", got)
	}
	w.edit("gatehouse.yaml", `0"}]`, `0", proxyProtocol: {from: [127.0.0.0/8]}}]`)
	w.look()
	if got := ask(); !strings.Contains(got, "app sees app.localhost 203.0.113.9") {
		t.Errorf("turned on: %s", got)
	}
	w.edit("gatehouse.yaml", "127.0.0.0/8", "192.0.2.0/24")
	w.look()
	if got := ask(); !strings.Contains(got, "400 Bad Request") {
		t.Errorf("from others only: %s", got)
	}
}

func TestOtherFilesForTheCertificateOfGoogleEndpointsAreTakenUp(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.certificate("one", "www.gstatic.com", "one.test")
	w.certificate("two", "www.gstatic.com", "two.test")
	w.write("gatehouse.yaml", plainConfig+"googleEndpoints: {gstatic: {address: \"127.0.0.1:0\", certFile: one.crt, keyFile: one.key}}\n")
	w.start()
	names := func() string {
		return strings.Join(w.get(1, "https://www.gstatic.com/iap/verify/public_key").tls.PeerCertificates[0].DNSNames, " ")
	}
	if got := names(); got != "www.gstatic.com one.test" {
		t.Fatalf("at first that of %s", got)
	}
	w.edit("gatehouse.yaml", "certFile: one.crt, keyFile: one.key", "certFile: two.crt, keyFile: two.key")
	w.look()
	if got := names(); got != "www.gstatic.com two.test" || w.readyz().Config.State != "current" {
		t.Errorf("then that of %s, and /readyz says %+v", got, w.readyz())
	}
}
