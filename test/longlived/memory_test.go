package longlived

import (
	"io"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gatehouse-iap/gatehouse/test/harness"
)

const (
	sockets  = 10_000
	maxBytes = 25_000 // that each may cost
)

// All of them are idle, and authenticated. The gate holds two connections for each WebSocket over HTTP/1.1, and hardly more
// than one for each over HTTP/2: where fewer files may be open than HTTP/1.1 takes, the last ones are over HTTP/2. A
// hundred always are.
func TestTenThousandIdleWebSocketsCostAtMost25KilobytesEach(t *testing.T) {
	most := overHTTP1(t)
	app := listenForSockets(t)
	gate := harness.Start(t, "--upstream", "http://"+app.Addr().String())
	at := place{gate, gate.IdentityToken(t, harness.Alice)}
	overStreams := at.dialStreams(t, sockets-most+warm)
	openSockets(t, warm, at.dial)
	openSockets(t, warm, overStreams)
	cost := at.cost(t)
	clients := openSockets(t, most, at.dial)
	if each := cost(most); each > maxBytes {
		t.Errorf("an idle WebSocket over HTTP/1.1 costs the gate %d bytes, more than %d", each, maxBytes)
	}
	clients = append(clients, openSockets(t, sockets-most, overStreams)...)
	if each := cost(sockets); each > maxBytes {
		t.Errorf("an idle WebSocket costs the gate %d bytes, more than %d", each, maxBytes)
	}
	// They are not merely there: what either side says reaches the other.
	for _, client := range []io.ReadWriteCloser{clients[0], clients[most/2], clients[most-1], clients[most], clients[sockets-1]} {
		speak(t, client)
	}
}

// Where the gate ends TLS, a handshake needs more memory than the connection that it leads to. It is given back once no
// more handshakes come.
func TestIdleWebSocketsOverTLSCostAtMost25KilobytesEach(t *testing.T) {
	const count = 1500
	app := listenForSockets(t)
	gate := harness.Start(t, "--tls=127.0.0.1:0", "--upstream", "http://"+app.Addr().String())
	at := place{gate, gate.IdentityToken(t, harness.Alice)}
	openSockets(t, warm, at.dialTLS)
	cost := at.cost(t)
	clients := openSockets(t, count, at.dialTLS)
	look := time.NewTicker(100 * time.Millisecond)
	defer look.Stop()
	for until := time.Now().Add(harness.Patience); cost(count) > maxBytes; <-look.C {
		if time.Now().After(until) {
			t.Fatalf("an idle WebSocket over TLS costs the gate %d bytes, more than %d", cost(count), maxBytes)
		}
	}
	speak(t, clients[0])
}

// warm is how many are opened first: what is there once is not theirs.
const warm = 100

// cost says what each of as many WebSockets that have been opened since costs the gate at the moment.
func (p place) cost(t *testing.T) func(count int) int {
	t.Helper()
	before := harness.ResidentBytes(t, p.gate.Ready.PID)
	last := 0
	return func(count int) int {
		t.Helper()
		each := int(harness.ResidentBytes(t, p.gate.Ready.PID)-before) / count
		if each/1000 != last/1000 {
			t.Logf("%d WebSockets, %d bytes each", count, each)
		}
		last = each
		return each
	}
}

// speak has a client say something, which is answered.
func speak(t *testing.T, client io.ReadWriteCloser) {
	t.Helper()
	tooLate := time.AfterFunc(harness.Patience, func() { _ = client.Close() })
	defer tooLate.Stop()
	if _, err := io.WriteString(client, "\x81\x84mask\x05\x05\x05\x05"); err != nil {
		t.Fatal(err)
	}
	echo := make([]byte, 6)
	if _, err := io.ReadFull(client, echo); err != nil || string(echo) != "\x81\x04hi!\n" {
		t.Errorf("read %q, %v", echo, err)
	}
}

// overHTTP1 is how many WebSockets fit that take two files, in the gate and in this process, where the others take
// hardly more than one. Go has raised the limit as far as it goes.
func overHTTP1(t *testing.T) int {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Fatalf("this reads /proc; run it on Linux, not on %s", runtime.GOOS)
	}
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	const others = 700 // warm ones among them
	const fewest = sockets + sockets/streams + others
	if limit.Max < fewest+sockets/10 {
		t.Fatalf("%d files may be open here, too few for this test: raise the limit (ulimit -n) to %d", limit.Max, 2*sockets+others)
	}
	return min(sockets-streams, int(min(limit.Max, 1<<20))-fewest)
}
