package emulator

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The test binary plays the processes that the tests need: with roleVariable set it is not a test.
const (
	roleVariable    = "EMULATOR_TEST_ROLE"
	witnessVariable = "EMULATOR_TEST_WITNESS"
	binaryVariable  = "EMULATOR_TEST_BINARY"
)

func TestMain(m *testing.M) {
	if role := os.Getenv(roleVariable); role != "" {
		os.Exit(play(role))
	}
	os.Exit(m.Run())
}

// play is main of a process in a role. Each calls the test's witness, says who it is, and does what the
// witness says; when the connection ends, the process has died.
func play(role string) int {
	conn, err := net.Dial("tcp", os.Getenv(witnessVariable))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 99
	}
	switch role {
	case "app":
		go serveEnvironment("127.0.0.1")
	case "app6":
		go serveEnvironment("::1")
	case "stubborn":
		signals := make(chan os.Signal, 4)
		signal.Notify(signals, syscall.SIGTERM, os.Interrupt, syscall.SIGHUP)
		go func() {
			for range signals {
				fmt.Fprintln(conn, "ignored")
			}
		}()
		go serveEnvironment("127.0.0.1")
	case "parent":
		grandchild := exec.Command(os.Getenv(binaryVariable))
		grandchild.Env = append(os.Environ(), roleVariable+"=stubborn", "PORT=0")
		grandchild.Stdout, grandchild.Stderr = os.Stdout, os.Stderr
		if err := grandchild.Start(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 98
		}
		go serveEnvironment("127.0.0.1")
	case "silent":
		fmt.Println("compiling the app")
		fmt.Fprintln(os.Stderr, "still compiling")
	case "nine": // answers SIGTERM with exit status 9
		signals := make(chan os.Signal, 1)
		signal.Notify(signals, syscall.SIGTERM)
		go func() { <-signals; os.Exit(9) }()
	case "emulator":
		go playEmulator()
	}
	fmt.Fprintln(conn, role, os.Getpid())
	return obey(conn)
}

// obey does what the witness says, and waits for a signal when the witness says no more.
func obey(conn net.Conn) int {
	lines := bufio.NewScanner(conn)
	for lines.Scan() {
		if status, found := strings.CutPrefix(lines.Text(), "exit "); found {
			code, _ := strconv.Atoi(status)
			return code
		}
	}
	select {}
}

func serveEnvironment(host string) {
	listener, err := net.Listen("tcp", net.JoinHostPort(host, os.Getenv("PORT")))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(97)
	}
	_ = http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(os.Environ())
	}))
}

// playEmulator runs `gatehouse dev` with a parent and a stubborn grandchild.
func playEmulator() {
	_, err := Run(context.Background(), Options{
		Listen: "127.0.0.1:0", NewGate: newMemory().newGate, Command: []string{os.Getenv(binaryVariable)},
		Environ: append(os.Environ(), roleVariable+"=parent"), Stdout: os.Stdout, Stderr: os.Stderr,
	})
	fmt.Fprintln(os.Stderr, err)
}

// witness sees processes of roles come and go.
type witness struct {
	listener net.Listener
	arrivals chan *player
	met      map[string]*player
}

// player is one process in a role.
type player struct {
	role string
	pid  int
	conn net.Conn
	said *bufio.Scanner
}

// patience is when a test gives up; nothing waits for it when all is well.
const patience = 60 * time.Second

func newWitness(t *testing.T) *witness {
	t.Helper()
	w := &witness{listener: listenLoopback(t), arrivals: make(chan *player, 8), met: make(map[string]*player)}
	go func() {
		for {
			conn, err := w.listener.Accept()
			if err != nil {
				return
			}
			go func() {
				_ = conn.SetReadDeadline(time.Now().Add(patience))
				p := &player{conn: conn, said: bufio.NewScanner(conn)}
				if !p.said.Scan() {
					return
				}
				if _, err := fmt.Sscan(p.said.Text(), &p.role, &p.pid); err == nil {
					w.arrivals <- p
				}
			}()
		}
	}()
	return w
}

// environ makes the test binary play a role.
func (w *witness) environ(t *testing.T, role string) []string {
	t.Helper()
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return append(os.Environ(), roleVariable+"="+role, witnessVariable+"="+w.listener.Addr().String(), binaryVariable+"="+binary)
}

// meet waits for the process in a role.
func (w *witness) meet(t *testing.T, role string) *player {
	t.Helper()
	for w.met[role] == nil {
		select {
		case p := <-w.arrivals:
			t.Cleanup(func() { p.conn.Close() })
			w.met[p.role] = p
		case <-time.After(patience):
			t.Fatalf("no process in the role %q has come", role)
		}
	}
	return w.met[role]
}

func (p *player) tell(t *testing.T, what string) {
	t.Helper()
	if _, err := fmt.Fprintln(p.conn, what); err != nil {
		t.Fatal(err)
	}
}

// hear waits until the process says something.
func (p *player) hear(t *testing.T, what string) {
	t.Helper()
	for p.said.Scan() {
		if p.said.Text() == what {
			return
		}
	}
	t.Fatalf("%s ended without having said %q", p.role, what)
}

// dies waits until the process has ended.
func (p *player) dies(t *testing.T) {
	t.Helper()
	for p.said.Scan() {
	}
	if err, ok := p.said.Err().(net.Error); ok && err.Timeout() {
		_ = syscall.Kill(p.pid, syscall.SIGKILL)
		t.Fatalf("%s (pid %d) is still alive", p.role, p.pid)
	}
}
