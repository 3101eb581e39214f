package load

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gatehouse-iap/gatehouse/test/harness"
)

// peersOf returns the programs that BENCH_PEER_NAME=PROGRAM names in an environment.
func peersOf(environment []string) (programs []string) {
	for _, variable := range environment {
		name, program, _ := strings.Cut(variable, "=")
		if strings.HasPrefix(name, "BENCH_PEER_") {
			programs = append(programs, program)
		}
	}
	return programs
}

// startPeer runs somebody else's proxy. Its program is told by LISTEN and UPSTREAM where to listen and what is behind it. It
// prints "name: " and what the proxy is called, with its version, and when that is ready "ready: " and the header by which it
// knows who asks, or nothing where it asks nobody.
func startPeer(t testing.TB, program, app string) subject {
	t.Helper()
	program, err := filepath.Abs(program)
	if err != nil {
		t.Fatal(err)
	}
	listen := harness.FreeAddress(t)
	cmd := exec.Command(program)
	cmd.Env = append(os.Environ(), "LISTEN="+listen, "UPSTREAM=http://"+app)
	peer := run(t, proxyCore, program, cmd)
	name := peer.AwaitLine(t, "name:")
	header := peer.AwaitLine(t, "ready:")
	peer.AwaitListener(t, listen)
	if header != "" {
		header += "\r\n"
		answer := harness.Get(t, harness.Client(nil), "http://"+listen+"/bytes/1", "Host", appHost)
		if answer.StatusCode == http.StatusOK {
			t.Fatalf("%s lets in whoever sends no %q", name, header)
		}
	}
	return subject{name, family(t, peer.PID()), target{listen, appHost, header, nil}, target{}}
}

func TestAPeerIsTakenAtItsWord(t *testing.T) {
	t.Parallel()
	app, c := startApplication(t, loadCore), newCertificate(t)
	script := filepath.Join(t.TempDir(), "peer.sh")
	text := fmt.Sprintf("#!/bin/sh\n%s=%s LISTEN_TLS=127.0.0.1:0 CERTIFICATE=%s KEY=%s %s &\ntrap \"kill $!\" TERM\necho something else\necho name: some proxy 1.0\necho ready:\nwait\n",
		roleVariable, roleProxy, c.cert, c.key, os.Args[0])
	if err := os.WriteFile(script, []byte(text), 0o700); err != nil {
		t.Fatal(err)
	}
	named := peersOf([]string{"HOME=/", "BENCH_PEER_SOME_PROXY=" + script})
	if len(named) != 1 {
		t.Fatalf("the environment names %v", named)
	}
	peer := startPeer(t, named[0], app)
	if peer.name != "some proxy 1.0" {
		t.Errorf("its name is %q", peer.name)
	}
	if len(peer.pids) != 2 {
		t.Errorf("%d processes are measured, and the shell and its proxy are two", len(peer.pids))
	}
	for _, s := range scenarios() {
		if s.tls {
			continue
		}
		e, err := s.connect()(peer.plain)
		if err != nil {
			t.Fatal(err)
		}
		if err := e.exchange(); err != nil {
			t.Errorf("%s: %v", s.name, err)
		}
		_ = e.Close()
	}
}
