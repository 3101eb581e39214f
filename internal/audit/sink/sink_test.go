package sink

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/audit"
)

var silent = slog.New(slog.DiscardHandler)

func one(t *testing.T, o Options, stdout io.Writer) *Sink {
	t.Helper()
	sinks := Open(o, stdout, silent, time.Now)
	if len(sinks) != 1 {
		t.Fatalf("%d sinks", len(sinks))
	}
	t.Cleanup(func() { _ = sinks[0].Close() })
	return sinks[0]
}

func taken(lines ...string) audit.Copied {
	return audit.Copied{Lines: []byte(strings.Join(lines, "\n") + "\n"), Count: len(lines)}
}

func eventually(t *testing.T, what string, f func() bool) {
	t.Helper()
	for end := time.Now().Add(2 * time.Second); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
		if f() {
			return
		}
	}
	t.Fatalf("not in two seconds: %s", what)
}

// buffer is a bytes.Buffer for two goroutines.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func TestLinesSayWhichRecordTheyAreOf(t *testing.T) {
	t.Parallel()
	var out buffer
	s := one(t, Options{Stdout: true}, &out)
	s.Take(taken(`{"id":"A"}`, `{"id":"B"}`))
	entry := audit.Entry{Seq: 7, Time: time.Unix(0, 0).UTC(), Actor: audit.Actor{Kind: "uid", Name: "0"}, Action: "users.create", Target: "x", After: json.RawMessage(`{"a":1}`)}
	if err := s.TakeEntry(t.Context(), entry); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	want := `{"type":"decision","id":"A"}` + "\n" + `{"type":"decision","id":"B"}` + "\n" +
		`{"type":"change","seq":7,"time":"1970-01-01T00:00:00Z","actor":{"kind":"uid","name":"0"},"action":"users.create","target":"x","after":{"a":1}}` + "\n"
	if out.String() != want {
		t.Errorf("got\n%swant\n%s", out.String(), want)
	}
	if got := s.State(); got != (State{To: "stdout", Written: 3}) {
		t.Errorf("State = %+v", got)
	}
}

func TestAFileThatIsRenamedIsBegunAnewAndNoLineIsLost(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	if err := os.WriteFile(path, []byte(`{"torn":`), 0o600); err != nil {
		t.Fatal(err)
	}
	s := one(t, Options{File: path}, nil)
	lines := 0
	write := func() {
		t.Helper()
		lines++
		s.Take(taken(`{"id":1}`))
		eventually(t, "a line is written", func() bool { return s.State().Written == uint64(lines) })
	}
	write()
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	s.Reopen()
	eventually(t, "the signal is seen", func() bool { return len(s.hangup) == 0 })
	write()
	if err := os.Rename(path, path+".2"); err != nil { // nobody signals
		t.Fatal(err)
	}
	eventually(t, "the new file is there", func() bool {
		write()
		_, err := os.Stat(path)
		return err == nil
	})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, name := range []string{path, path + ".1", path + ".2"} {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Error(err)
		}
		found += strings.Count(string(b), `{"type":"decision","id":1}`+"\n")
	}
	if first, _ := os.ReadFile(path + ".1"); !strings.HasPrefix(string(first), `{"torn":`+"\n{") {
		t.Errorf("what a crash had torn runs on: %q", first)
	}
	if found != lines {
		t.Errorf("%d lines of %d are in the three files", found, lines)
	}
}

func TestAPlaceThatIsNoFileIsNamedAndTriedAgain(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "late", "audit.jsonl")
	s := one(t, Options{File: path}, nil)
	s.Take(taken("{}"))
	eventually(t, "the problem is told", func() bool { return strings.Contains(s.State().Problem, "no such file") })
	if err := os.Mkdir(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the line is written", func() bool { return s.State() == State{To: path, Written: 1} })
	fifo := one(t, Options{File: dir}, nil)
	fifo.Take(taken("{}"))
	eventually(t, "a directory is refused", func() bool { return fifo.State().Problem != "" })
	if CheckFile(path) != nil || CheckFile(filepath.Join(dir, "none", "x")) == nil || CheckFile(filepath.Join(path, "x")) == nil {
		t.Error("CheckFile")
	}
}

// stuck is a place that takes nothing until it is let go.
type stuck struct{ release chan struct{} }

func (s stuck) Write(p []byte) (int, error) {
	<-s.release
	return len(p), nil
}

func TestAPlaceThatHangsKeepsNobodyWaitingAndWhatItMissesIsCounted(t *testing.T) {
	t.Parallel()
	to := stuck{make(chan struct{})}
	s := one(t, Options{Stdout: true}, to)
	line := `{"id":"` + strings.Repeat("x", 1<<20) + `"}`
	for range 20 { // would hang here
		s.Take(taken(line))
	}
	if got := s.State().Dropped; got < 11 || got > 13 {
		t.Errorf("of 20 MiB %d lines are dropped, and 8 MiB may wait", got)
	}
	ctx, cancel := context.WithCancel(t.Context())
	waited := make(chan error, 1)
	go func() {
		waited <- s.TakeEntry(ctx, audit.Entry{Target: strings.Repeat("y", 2<<20)})
	}()
	cancel()
	if err := <-waited; !errors.Is(err, context.Canceled) {
		t.Errorf("an entry that has to wait: %v", err)
	}
	go func() { waited <- s.TakeEntry(t.Context(), audit.Entry{Target: strings.Repeat("y", 2<<20)}) }()
	close(to.release)
	if err := <-waited; err != nil {
		t.Errorf("an entry that there is room for again: %v", err)
	}
}

var message = regexp.MustCompile(`^<(\d+)>1 \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z \S+ gatehouse \d+ (decision|change) - (\{.*\})$`)

func checkMessage(t *testing.T, got, priority, kind, text string) {
	t.Helper()
	if m := message.FindStringSubmatch(got); m == nil || m[1] != priority || m[2] != kind || m[3] != text {
		t.Errorf("the message is %q", got)
	}
}

func TestSyslogMessagesAreThoseOfTheStandard(t *testing.T) {
	t.Parallel()
	entry := audit.Entry{Seq: 1, Action: "a", Target: "t"}
	decision, change := `{"type":"decision","id":"A"}`, `{"type":"change","seq":1,"time":"0001-01-01T00:00:00Z","actor":{"kind":"","name":""},"action":"a","target":"t"}`
	send := func(t *testing.T, s *Sink) {
		t.Helper()
		passed := taken(`{"id":"A"}`)
		passed.Passed = true
		s.Take(passed)
		s.Take(taken(`{"id":"A"}`))
		if err := s.TakeEntry(t.Context(), entry); err != nil {
			t.Fatal(err)
		}
	}
	check := func(t *testing.T, next func() string) {
		t.Helper()
		checkMessage(t, next(), "86", "decision", decision)
		checkMessage(t, next(), "85", "decision", decision)
		checkMessage(t, next(), "85", "change", change)
	}
	short, err := os.MkdirTemp("", "gh")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(short) })
	for _, network := range []string{"unixgram", "udp"} {
		t.Run(network, func(t *testing.T) {
			t.Parallel()
			at := map[string]string{"unixgram": filepath.Join(short, "log"), "udp": "127.0.0.1:0"}[network]
			conn, err := net.ListenPacket(network, at)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			s := one(t, Options{Syslog: Address{strings.TrimSuffix(network, "gram"), conn.LocalAddr().String()}}, nil)
			s.Take(taken(`{"id":"`+strings.Repeat("x", 4<<20)+`"}`, `{"id":"small"}`))
			send(t, s)
			space := make([]byte, 1<<16)
			next := func() string {
				_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
				n, _, err := conn.ReadFrom(space)
				if err != nil {
					t.Fatal(err)
				}
				return string(space[:n])
			}
			checkMessage(t, next(), "85", "decision", `{"type":"decision","id":"small"}`)
			check(t, next)
			eventually(t, "all are sent", func() bool { return s.State().Written == 4 })
			if got := s.State(); got.Dropped != 1 || got.Problem != "" {
				t.Errorf("one line is too large for a datagram, and %+v", got)
			}
		})
	}
	for _, network := range []string{"unix", "tcp", "tls"} {
		t.Run(network+" stream", func(t *testing.T) {
			t.Parallel()
			var l net.Listener
			o, err := Options{}, error(nil)
			switch network {
			case "unix":
				l, err = net.Listen("unix", filepath.Join(short, "stream"))
			case "tcp":
				l, err = net.Listen("tcp", "127.0.0.1:0")
			case "tls":
				l, o.SyslogCAFile = encrypted(t)
			}
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			o.Syslog = Address{network, l.Addr().String()}
			s := one(t, o, nil)
			send(t, s)
			conn, err := l.Accept()
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
			in := bufio.NewReader(conn)
			check(t, func() string {
				if network == "unix" {
					line, err := in.ReadString('\n')
					if err != nil {
						t.Fatal(err)
					}
					return strings.TrimSuffix(line, "\n")
				}
				digits, err := in.ReadString(' ')
				if err != nil {
					t.Fatal(err)
				}
				n, err := strconv.Atoi(strings.TrimSuffix(digits, " "))
				if err != nil {
					t.Fatal(err)
				}
				text := make([]byte, n)
				if _, err := io.ReadFull(in, text); err != nil {
					t.Fatal(err)
				}
				return string(text)
			})
		})
	}
}

func TestACollectorThatComesBackGetsWhatHasWaited(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	s := one(t, Options{Syslog: Address{"tcp", address}}, nil)
	s.Take(taken(`{"id":1}`))
	eventually(t, "the problem is told", func() bool { return s.State().Problem != "" })
	if l, err = net.Listen("tcp", address); err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
	if text, err := bufio.NewReader(conn).ReadString('}'); err != nil || !strings.HasSuffix(text, `{"type":"decision","id":1}`) {
		t.Errorf("it got %q, %v", text, err)
	}
}

func TestAddressesOfSyslogAreReadInOneWay(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Address{
		"unix:///dev/log": {"unix", "/dev/log"}, "udp://10.0.0.1": {"udp", "10.0.0.1:514"}, "tcp://log.example.com": {"tcp", "log.example.com:601"},
		"tcp://[::1]:6514/": {"tcp", "[::1]:6514"}, "tls://log.example.com": {"tls", "log.example.com:6514"}, "tls://h/x": {}, "udp://h:99999": {}, "udp://": {}, "tcp://h/x": {}, "unix://h/dev/log": {}, "unix:log": {}, "http://h": {}, "/dev/log": {},
		"tcp://u:p@h": {}, "tcp://h?x": {}, "tcp://h:0": {}, "tcp://h#x": {}, "": {},
	} {
		got, err := ParseAddress(text)
		if got != want || (err == nil) != (want != Address{}) {
			t.Errorf("%q: %v, %v", text, got, err)
		}
		if err == nil {
			if again, err := ParseAddress(got.String()); again != got || err != nil {
				t.Errorf("%s is not read again: %v", fmt.Sprint(got), err)
			}
		}
	}
}

func FuzzParseAddress(f *testing.F) {
	for _, seed := range []string{"unix:///dev/log", "udp://[::1]", "tcp://a:1", "tls://a"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		a, err := ParseAddress(text)
		if err == nil && a.Target == "" {
			t.Errorf("%q leads nowhere", text)
		}
	})
}
