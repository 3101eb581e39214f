package listener

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// inheritVariable makes the test binary play a service that was started with sockets: it answers on the address
// in the variable with what it found, and ends with its input.
const inheritVariable = "GATEHOUSE_TEST_INHERIT"

func TestMain(m *testing.M) {
	if address := os.Getenv(inheritVariable); address != "" {
		os.Exit(inheriting(address))
	}
	os.Exit(m.Run())
}

func inheriting(address string) int {
	in, err := Inherit()
	if err != nil {
		_, _ = io.WriteString(os.Stderr, err.Error()+"\n")
		return 1
	}
	l, err := Open(context.Background(), Spec{Address: address}, in)
	if err != nil {
		_, _ = io.WriteString(os.Stderr, err.Error()+"\n")
		return 1
	}
	inherited := l.(*Listener).Inherited()
	answer := strings.Join(in.Left(), " ") + " " + os.Getenv("LISTEN_FDS")
	if !inherited {
		answer = "a socket of its own"
	}
	ctx, cancel := context.WithCancel(context.Background())
	go func() { _, _ = io.Copy(io.Discard, os.Stdin); cancel() }()
	err = Serve(ctx, l, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, answer)
	}), slog.New(slog.DiscardHandler), time.Second)
	if err != nil {
		return 1
	}
	return 0
}

func TestConnectionsWaitOnAnInheritedSocketWhileTheServiceRestarts(t *testing.T) {
	t.Parallel()
	socket := listenTCP(t)
	other := listenTCP(t)
	address := socket.Addr().String()
	waiting := dial(t, address) // nobody serves yet
	if _, err := io.WriteString(waiting, getRoot); err != nil {
		t.Fatal(err)
	}
	stop := startInheriting(t, address, "main:spare", socket, other)
	want := "spare (" + other.Addr().String() + ") "
	if got := bodyFrom(t, waiting); got != want {
		t.Errorf("the first service answers %q", got)
	}
	stop()
	between := dial(t, address) // between two runs
	if _, err := io.WriteString(between, getRoot); err != nil {
		t.Fatal(err)
	}
	startInheriting(t, address, "main:spare", socket, other)
	if got := bodyFrom(t, between); got != want {
		t.Errorf("the second service answers %q", got)
	}
}

func TestAnAddressWithoutAnInheritedSocketIsOpened(t *testing.T) {
	t.Parallel()
	free := listenTCP(t)
	address := free.Addr().String()
	free.Close()
	startInheriting(t, address, "other", listenTCP(t))
	for {
		c, err := net.Dial("tcp", address)
		if err != nil {
			continue // not up yet
		}
		defer c.Close()
		if _, err := io.WriteString(c, getRoot); err != nil {
			t.Fatal(err)
		}
		if got := bodyFrom(t, c); got != "a socket of its own" {
			t.Error(got)
		}
		return
	}
}

func TestAddressesOfOneEndpoint(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		a, b string
		same bool
	}{
		{":443", "[::]:443", true}, {":443", "0.0.0.0:443", true}, {"0.0.0.0:443", "[::]:443", true},
		{"127.0.0.1:443", "127.0.0.1:443", true}, {"127.0.0.1:443", "[::ffff:127.0.0.1]:443", true},
		{":443", ":8443", false}, {"127.0.0.1:443", ":443", false}, {"127.0.0.1:443", "[::1]:443", false},
	} {
		a, _ := net.ResolveTCPAddr("tcp", c.a)
		b, _ := net.ResolveTCPAddr("tcp", c.b)
		if sameEndpoint(a, b) != c.same {
			t.Errorf("%s and %s", c.a, c.b)
		}
	}
}

func listenTCP(t *testing.T) *net.TCPListener {
	t.Helper()
	l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// startInheriting runs the service with sockets, as systemd does: only the process itself knows its pid.
func startInheriting(t *testing.T, address, names string, sockets ...*net.TCPListener) (stop func()) {
	t.Helper()
	command := exec.Command("/bin/sh", "-c", `LISTEN_PID=$$ exec "$0"`, os.Args[0])
	command.Env = append(os.Environ(), inheritVariable+"="+address, "LISTEN_FDS="+string(rune('0'+len(sockets))), "LISTEN_FDNAMES="+names)
	for _, socket := range sockets {
		file, err := socket.File()
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		command.ExtraFiles = append(command.ExtraFiles, file)
	}
	command.Stderr = os.Stderr
	input, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	ended := false
	stop = func() {
		if ended {
			return
		}
		ended = true
		input.Close()
		if err := command.Wait(); err != nil {
			t.Errorf("the service ended with %v", err)
		}
	}
	t.Cleanup(stop)
	return stop
}
