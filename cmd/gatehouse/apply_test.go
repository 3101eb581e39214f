package main

import (
	"bytes"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/admin"
	"github.com/gatehouse-iap/gatehouse/internal/admin/adminclient"
	"github.com/gatehouse-iap/gatehouse/internal/emulator"
	"github.com/gatehouse-iap/gatehouse/internal/manifest"
)

// A pipeline takes 1 for differences. A mistake must not look like some.
func TestDiffTellsMistakesFromDifferences(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"--no-such-flag"}, {"-f", "x.yaml", "extra"}, {}, {"-f", "/nonexistent"}, {"--prune=perhaps"}} {
		var out bytes.Buffer
		if status := run(append([]string{"diff"}, args...), strings.NewReader(""), &out, &out); status != 2 || out.Len() == 0 {
			t.Errorf("diff %q: %d %s", args, status, &out)
		}
	}
}

func TestDocumentsAreReadFromPipesOfTheShell(t *testing.T) {
	t.Parallel()
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = os.WriteFile(pipe, []byte("apiVersion: gatehouse.dev/v1\nkind: User\nmetadata: {name: a@example.com}\n"), 0o600) // it waits for the reader
	}()
	var out bytes.Buffer
	if status := run([]string{"apply", "--offline", "-f", pipe}, strings.NewReader(""), &out, &out); status != 0 || !strings.Contains(out.String(), "Checked 1 document") {
		t.Errorf("%d %s", status, &out)
	}
}

func TestAHostInAManifestAnswersWhenApplyReturns(t *testing.T) {
	t.Parallel()
	info, _ := dev(t, emulator.Options{Listen: "127.0.0.1:0"})
	upstream := http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte("the wiki says hello to " + r.Header.Get("X-Goog-Authenticated-User-Email")))
	})}
	address := serveApplication(t, &upstream)
	file := filepath.Join(t.TempDir(), "wiki.yaml")
	write := func(upstream, member string) {
		t.Helper()
		text := `apiVersion: gatehouse.dev/v1
kind: BackendService
metadata: {name: wiki}
spec:
  hosts: [wiki.localhost]
  upstream: http://` + upstream + `
  oauthClientId: wiki-client
---
apiVersion: gatehouse.dev/v1
kind: IamPolicy
metadata: {name: wiki}
spec:
  resource: projects/dev-project/iap_web/compute/services/wiki
  bindings:
  - {role: roles/iap.httpsResourceAccessor, members: ["user:` + member + `@example.com"]}
`
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	client, err := adminclient.Find(t.Context(), adminclient.Where{DataDir: info.DataDir})
	if err != nil {
		t.Fatal(err)
	}
	apply := func() {
		t.Helper()
		documents, err := manifest.Load(file)
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		if _, err := client.Apply(t.Context(), documents, admin.ApplyOptions{}); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("applying took %v", took)
		}
	}
	alice, err := emulator.FetchIDToken(t.Context(), info.URLs.Machine, "alice@example.com", "wiki-client")
	if err != nil {
		t.Fatal(err)
	}
	if status, body := ask(t, info, "wiki.localhost", "/", alice); status != http.StatusMisdirectedRequest && status != http.StatusNotFound {
		t.Fatalf("before: %d %s", status, body)
	}
	write(address, "alice")
	apply()
	if status, body := ask(t, info, "wiki.localhost", "/", alice); status != 200 || body != "the wiki says hello to accounts.google.com:alice@example.com" {
		t.Errorf("after: %d %s", status, body)
	}
	write(address, "bob")
	apply()
	if status, body := ask(t, info, "wiki.localhost", "/", alice); status != 403 {
		t.Errorf("after alice is taken out: %d %s", status, body)
	}
}

// serveApplication runs an application until the test ends.
func serveApplication(t *testing.T, server *http.Server) (address string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
		<-done
	})
	return listener.Addr().String()
}

func TestDevStartsAgainOnDataWhoseServiceBelongsToAManifest(t *testing.T) {
	t.Parallel()
	o := emulator.Options{Listen: "127.0.0.1:0", DataDir: filepath.Join(t.TempDir(), "data")}
	info, stop := dev(t, o)
	client, err := adminclient.Find(t.Context(), adminclient.Where{DataDir: info.DataDir})
	if err != nil {
		t.Fatal(err)
	}
	documents, err := client.Documents(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if plan, err := client.Apply(t.Context(), documents, admin.ApplyOptions{Source: "/exported.yaml"}); err != nil || plan.Adopted == 0 {
		t.Fatalf("%+v, %v", plan, err)
	}
	stop()
	info, _ = dev(t, o)
	if status, body := ask(t, info, "app.localhost", "/", tokenOf(t, info, "alice@example.com")); status != http.StatusOK {
		t.Errorf("alice gets %d: %s", status, body)
	}
}
