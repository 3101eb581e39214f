package emulator

import (
	"net"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
)

func TestOnlyLoopbackIsListenedOn(t *testing.T) {
	t.Parallel()
	for listen, want := range map[string]string{
		"127.0.0.1:8080": "127.0.0.1:8080", "localhost:0": "127.0.0.1:0", "[::1]:80": "[::1]:80",
		"127.8.9.10:1": "127.8.9.10:1", "[::ffff:127.0.0.1]:1": "127.0.0.1:1",
		":8080": "", "0.0.0.0:8080": "", "[::]:8080": "", "192.0.2.1:8080": "", "example.com:80": "", "app.localhost:80": "",
		"127.0.0.1": "", "8080": "", "127.0.0.1:http": "", "127.0.0.1:65536": "", "127.0.0.1:": "", "[::1%lo]:80": "", "127.1:80": "",
	} {
		address, err := parseListen(listen)
		if got := address.String(); (err == nil) != (want != "") || err == nil && got != want {
			t.Errorf("--listen %s gives %s, %v; want %q", listen, got, err, want)
		}
	}
	err := start(t, Options{Listen: "0.0.0.0:0"}).ends(1)
	if err == nil || !strings.Contains(err.Error(), "anyone who reaches the emulator can sign in as anyone") {
		t.Errorf("the refusal does not say why: %v", err)
	}
}

func TestAPortThatIsTakenNamesItsHolder(t *testing.T) {
	t.Parallel()
	taken := listenLoopback(t)
	err := start(t, Options{Listen: taken.Addr().String()}).ends(1)
	if err == nil || !strings.Contains(err.Error(), "--listen 127.0.0.1:"+strconv.Itoa(taken.Addr().(*net.TCPAddr).Port+1)) {
		t.Fatalf("the error does not name --listen: %v", err)
	}
	if runtime.GOOS == "linux" && !strings.Contains(err.Error(), "by pid "+strconv.Itoa(os.Getpid())+" (emulator.test") {
		t.Errorf("the error does not say who holds the port: %v", err)
	}
}

func TestAPortThatIsTakenLeavesTheOtherRunsReadyFileAlone(t *testing.T) {
	t.Parallel()
	first := start(t, Options{})
	info := first.ready()
	second := start(t, Options{Listen: strings.TrimPrefix(info.URLs.Machine, "http://"), ReadyFile: first.options.ReadyFile})
	second.ends(1)
	if _, err := os.Stat(first.options.ReadyFile); err != nil {
		t.Error(err)
	}
}

func TestTheEmulatorIsNotItsOwnUpstream(t *testing.T) {
	t.Parallel()
	free := listenLoopback(t)
	address := free.Addr().String()
	free.Close()
	_, port, _ := net.SplitHostPort(address)
	for _, upstream := range []string{"http://" + address, "http://localhost:" + port} {
		if err := start(t, Options{Listen: address, Upstream: upstream}).ends(1); err == nil || !strings.Contains(err.Error(), "the emulator itself") {
			t.Errorf("--upstream %s: %v", upstream, err)
		}
	}
}
