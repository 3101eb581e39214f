package listener

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

func TestAHeaderIsMeasuredAsHTTP2Does(t *testing.T) {
	t.Parallel()
	fields := func(n, length int) http.Header {
		h := http.Header{}
		for i := range n {
			h.Set(fmt.Sprintf("X-%04d", i), strings.Repeat("v", length))
		}
		return h
	}
	for name, c := range map[string]struct {
		url    string
		header http.Header
		want   Refusal
	}{
		"an ordinary request":                   {"/", fields(20, 100), ""},
		"one field below the limit":             {"/", fields(1, 63<<10), ""},
		"one field of the limit":                {"/", fields(1, 64<<10), HeaderTooLarge},
		"many small fields":                     {"/", fields(2000, 1), HeaderTooLarge},
		"the same field again and again":        {"/", http.Header{"Cookie": slicesOf(20, strings.Repeat("c", 4000))}, HeaderTooLarge},
		"a long URL":                            {"/" + strings.Repeat("u", 30<<10), nil, ""},
		"a URL that is too long":                {"/" + strings.Repeat("u", 32<<10), nil, URLTooLong},
		"a long URL with a long header":         {"/" + strings.Repeat("u", 30<<10), fields(1, 34<<10), HeaderTooLarge},
		"a URL that is too long, by its query":  {"/?" + strings.Repeat("u", 32<<10), nil, URLTooLong},
		"both too long is said about the URL":   {"/?" + strings.Repeat("u", 32<<10), fields(1, 64<<10), URLTooLong},
		"a field without a value has its price": {"/", fields(1800, 0), HeaderTooLarge},
	} {
		r := httptest.NewRequest(http.MethodGet, c.url, nil)
		if r.Header = c.header; Oversized(r) != c.want {
			t.Errorf("%s: %q, want %q", name, Oversized(r), c.want)
		}
	}
}

func slicesOf(n int, s string) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = s
	}
	return list
}

// answered answers every request with a word.
var answered = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "answer") })

// await waits until counters say what is wanted: they are counted beside the connection.
func await(t testing.TB, what string, counts func() map[string]uint64, why Refusal, want uint64) {
	t.Helper()
	deadline := time.After(10 * time.Second)
	for counts()[string(why)] != want {
		select {
		case <-deadline:
			t.Fatalf("%s: counted %v, want %d of %s", what, counts(), want, why)
		case <-time.After(time.Millisecond):
		}
	}
}

// isClosed reads until the server ends the connection, and returns what it said before.
func isClosed(t testing.TB, c net.Conn) string {
	t.Helper()
	said, err := io.ReadAll(c)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("the connection is still open; it said %q", said)
	}
	return string(said)
}

func TestAHeaderThatNeverEndsIsAnsweredAndCounted(t *testing.T) {
	t.Parallel()
	counts := NewCounts()
	c := dial(t, serve(t, Spec{Counts: counts}, answered))
	_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: app.test\r\nX: ")
	for range 40 {
		if _, err := c.Write(bytes.Repeat([]byte("x"), 4<<10)); err != nil {
			break // it is not listened to any more
		}
	}
	if said := isClosed(t, c); !strings.HasPrefix(said, "HTTP/1.1 431 ") {
		t.Errorf("the answer is %q", said)
	}
	await(t, "a long header", counts.Requests, HeaderTooLarge, 1)
}

const (
	request = "GET / HTTP/1.1\r\nHost: app.test\r\n\r\n"
	upload  = "POST / HTTP/1.1\r\nHost: app.test\r\nContent-Length: 4\r\n\r\nbody"
)

func TestWhatDoesNotComeInTimeIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	certificate := newAuthority(t).write("gate", order{names: []string{"gate.test"}})
	for name, c := range map[string]struct {
		first, sent string
		tls         bool
		slow, idle  uint64
	}{
		"a header that stops":                                          {"", "GET / HTTP/1.1\r\nHost: app", false, 1, 0},
		"a second header that stops":                                   {request, "GET ", false, 1, 0},
		"the preface of HTTP/2 that stops":                             {"", "PRI * HTTP/2", false, 1, 0},
		"a handshake that stops":                                       {"", "\x16\x03\x01", true, 1, 0},
		"a client that says nothing":                                   {"", "", false, 0, 1},
		"a connection that nobody uses again":                          {request, "", false, 0, 1},
		"a connection with an upload behind it that nobody uses again": {upload, "", false, 0, 1},
		"a second header that stops, behind an upload":                 {upload, "GET ", false, 1, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			spec := Spec{Counts: NewCounts(), Limits: Limits{HeaderTimeout: 300 * time.Millisecond, IdleTimeout: 300 * time.Millisecond}}
			if c.tls {
				spec.Certificates = load(t, certificate)
			}
			conn := dial(t, serve(t, spec, answered))
			if c.first != "" {
				_, _ = io.WriteString(conn, c.first)
				_, _ = conn.Read(make([]byte, 1000)) // the answer, so that what follows comes by itself
			}
			_, _ = io.WriteString(conn, c.sent)
			isClosed(t, conn)
			await(t, name, spec.Counts.Connections, TooSlow, c.slow)
			await(t, name, spec.Counts.Ended, Idle, c.idle)
		})
	}
}

func TestAClientThatGoesIsNotIdle(t *testing.T) {
	t.Parallel()
	for name, first := range map[string]string{"after a request": request, "after an upload": upload} {
		spec := Spec{Counts: NewCounts()}
		conn := dial(t, serve(t, spec, answered))
		_, _ = io.WriteString(conn, first)
		_, _ = conn.Read(make([]byte, 1000))
		_ = conn.Close()
		for spec.Counts.Open() > 0 {
			time.Sleep(time.Millisecond)
		}
		if n := spec.Counts.Ended()[string(Idle)]; n != 0 {
			t.Errorf("%s: counted %d", name, n)
		}
	}
}

func TestAConnectionOfHTTP2ThatNobodyUsesIsClosedAndThatIsNoFault(t *testing.T) {
	t.Parallel()
	for name, requests := range map[string]int{"after a request": 1, "without any": 0} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			spec := Spec{Counts: NewCounts(), Limits: Limits{IdleTimeout: 300 * time.Millisecond}}
			f := newFrames(t, dial(t, serve(t, spec, answered)))
			for range requests {
				if err := f.ask(true, true); err != nil {
					t.Fatal(err)
				}
			}
			isClosed(t, f.conn)
			for why, n := range spec.Counts.Connections() {
				if n != 0 {
					t.Errorf("%d connections are counted as %s", n, why)
				}
			}
			await(t, name, spec.Counts.Ended, Idle, 1)
		})
	}
}

func TestAnAddressHasSoManyConnectionsAndNoMore(t *testing.T) {
	t.Parallel()
	local := prefixes(t, "127.0.0.1/32")
	for name, c := range map[string]struct {
		spec  Spec
		greet func(i int) string // what a connection begins with
		room  bool               // for the third
		why   Refusal
	}{
		"three of one address": {Spec{Limits: Limits{MaxConnectionsPerAddress: 2}}, nil, false, TooManyOfAddress},
		"three of all":         {Spec{Limits: Limits{MaxConnections: 2}}, nil, false, TooManyConnections},
		"three of a trusted proxy": {
			Spec{Limits: Limits{MaxConnectionsPerAddress: 2}, Trusted: NewTrustedProxies(local, nil)}, nil, true, ""},
		"three of a trusted proxy where there is room for two": {
			Spec{Limits: Limits{MaxConnections: 2}, Trusted: NewTrustedProxies(local, nil)}, nil, false, TooManyConnections},
		"three clients of one load balancer": {
			Spec{Limits: Limits{MaxConnectionsPerAddress: 2}, ProxyFrom: local},
			func(i int) string { return fmt.Sprintf("PROXY TCP4 192.0.2.%d 192.0.2.9 1 1\r\n", i) }, true, ""},
		"one client three times behind a load balancer": {
			Spec{Limits: Limits{MaxConnectionsPerAddress: 2}, ProxyFrom: local},
			func(int) string { return "PROXY TCP4 192.0.2.1 192.0.2.9 1 1\r\n" }, false, TooManyOfAddress},
		"a trusted proxy three times behind a load balancer": {
			Spec{Limits: Limits{MaxConnectionsPerAddress: 2}, ProxyFrom: local, Trusted: NewTrustedProxies(prefixes(t, "192.0.2.1/32"), nil)},
			func(int) string { return "PROXY TCP4 192.0.2.1 192.0.2.9 1 1\r\n" }, true, ""},
		"no limit": {Spec{}, nil, true, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var log lines
			c.spec.Counts, c.spec.Log = NewCounts(), log.logger()
			address := serve(t, c.spec, answered)
			ask := func(i int) (net.Conn, bool) {
				conn, err := net.Dial("tcp", address)
				if err != nil {
					return nil, false // it is closed that soon
				}
				t.Cleanup(func() { conn.Close() })
				_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
				if c.greet != nil {
					_, _ = io.WriteString(conn, c.greet(i))
				}
				_, _ = io.WriteString(conn, request)
				n, err := conn.Read(make([]byte, 1))
				return conn, n == 1 && err == nil
			}
			first, ok := ask(1)
			_, second := ask(2)
			if !ok || !second {
				t.Fatal("there is no room for two")
			}
			if _, third := ask(3); third != c.room {
				t.Errorf("room for a third: %v", third)
			}
			if c.room {
				return
			}
			await(t, name, c.spec.Counts.Connections, c.why, 1)
			if log.count("raise limits.maxConnections") != 1 {
				t.Errorf("nobody is told what to do: %s", log.buf.String())
			}
			first.Close()
			deadline := time.After(10 * time.Second)
			for again := false; !again; _, again = ask(1) {
				select {
				case <-deadline:
					t.Fatal("the place of one that has gone is not given to another")
				default:
				}
			}
		})
	}
}

func TestWhoHasANetworkHasNotManyAddresses(t *testing.T) {
	t.Parallel()
	same := func(a, b string) bool { return household(netip.MustParseAddr(a)) == household(netip.MustParseAddr(b)) }
	if !same("2001:db8::1", "2001:db8::ffff:1") || !same("192.0.2.1", "::ffff:192.0.2.1") {
		t.Error("one customer counts as several")
	}
	if same("2001:db8::1", "2001:db8:0:1::1") || same("192.0.2.1", "192.0.2.2") {
		t.Error("several customers count as one")
	}
}

func TestAClosedConnectionLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	var c crowd
	var p place
	address := netip.MustParseAddr("192.0.2.1")
	if !c.enter(&p, 1) || !c.name(&p, address, 1) || c.name(&place{taken: true}, address, 1) {
		t.Fatal("one has no place, or two have")
	}
	if !c.leave(&p) || c.leave(&p) || c.all != 0 || len(c.of) != 0 {
		t.Errorf("%+v", c.of)
	}
	if c.name(&p, address, 1) || len(c.of) != 0 {
		t.Error("a connection that has gone is counted")
	}
}

// frames is a client of HTTP/2 that does what it likes.
type frames struct {
	*http2.Framer
	conn    net.Conn
	stream  uint32
	encoder *hpack.Encoder
	block   bytes.Buffer
}

func newFrames(t testing.TB, conn net.Conn) *frames {
	t.Helper()
	f := &frames{Framer: http2.NewFramer(conn, conn), conn: conn, stream: 1}
	f.encoder = hpack.NewEncoder(&f.block)
	_, err := io.WriteString(conn, http2.ClientPreface)
	if err = errors.Join(err, f.WriteSettings()); err != nil {
		t.Fatal(err)
	}
	return f
}

// ask begins the next request.
func (f *frames) ask(end, whole bool) error {
	f.block.Reset()
	for _, field := range [][2]string{{":method", "GET"}, {":scheme", "http"}, {":authority", "app.test"}, {":path", "/"}} {
		if err := f.encoder.WriteField(hpack.HeaderField{Name: field[0], Value: field[1]}); err != nil {
			return err
		}
	}
	f.stream += 2
	return f.WriteHeaders(http2.HeadersFrameParam{StreamID: f.stream, BlockFragment: f.block.Bytes(), EndStream: end, EndHeaders: whole})
}

// until reads frames until one is wanted.
func (f *frames) until(t testing.TB, wanted func(http2.Frame) bool) {
	t.Helper()
	for {
		frame, err := f.ReadFrame()
		if err != nil {
			t.Fatal(err)
		}
		if wanted(frame) {
			return
		}
	}
}

// takes discards what the server sends until it ends the connection.
func takes(conn net.Conn) <-chan struct{} {
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = io.Copy(io.Discard, conn)
	}()
	return done
}

func TestWhoTakesRequestsBackAgainAndAgainIsCutOff(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		resets  int
		trusted bool
		besides int // how many run to their end for each
		ended   bool
	}{
		"now and then":            {5, false, 0, false},
		"again and again":         {500, false, 0, true},
		"by a proxy's many users": {500, true, 0, false},
		"as often as not":         {200, false, 1, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			spec := Spec{Counts: NewCounts(), Limits: Limits{MaxResets: 20}}
			if c.trusted {
				spec.Trusted = NewTrustedProxies(prefixes(t, "127.0.0.1/32"), nil)
			}
			begun, ended := make(chan struct{}, 1), make(chan struct{})
			address := serve(t, spec, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				if r.ContentLength == 0 { // the others have a body that does not come
					ended <- struct{}{}
					return
				}
				begun <- struct{}{}
				<-r.Context().Done()
			}))
			f := newFrames(t, dial(t, address))
			gone := takes(f.conn)
			for range c.resets {
				for range c.besides {
					if f.ask(true, true) == nil {
						<-ended // or on a machine with much to do most would end when all is over
					}
				}
				if f.ask(false, true) != nil {
					break
				}
				select {
				case <-begun:
				case <-gone:
				}
				if f.WriteRSTStream(f.stream, http2.ErrCodeCancel) != nil {
					break
				}
			}
			if c.ended {
				<-gone
				await(t, name, spec.Counts.Connections, TooManyResets, 1)
			} else if err := f.ask(false, true); err != nil {
				t.Error(err)
			} else {
				<-begun
			}
		})
	}
}

func TestFloodsEndTheirConnection(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		frame func(f *http2.Framer) error // of which there are many
		begin bool                        // with a header that does not end
		why   Refusal                     // "" where Go may have ended it before, which it tells nobody
	}{
		"pings": {func(f *http2.Framer) error { return f.WritePing(false, [8]byte{}) }, false, ""},
		"settings": {func(f *http2.Framer) error {
			return f.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 16})
		}, false, ""},
		"priorities": {func(f *http2.Framer) error { return f.WritePriority(9, http2.PriorityParam{StreamDep: 3}) }, false, TooMuchAside},
		// A literal field that is not indexed, name "a", value "b".
		"header fields without end": {func(f *http2.Framer) error {
			return f.WriteContinuation(3, false, bytes.Repeat([]byte("\x00\x01a\x01b"), 100))
		}, true, HTTP2Broken},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			counts := NewCounts()
			f := newFrames(t, dial(t, serve(t, Spec{Counts: counts}, answered)))
			gone := takes(f.conn)
			var thousand bytes.Buffer
			for many := http2.NewFramer(&thousand, nil); thousand.Len() < 10_000; {
				if err := c.frame(many); err != nil {
					t.Fatal(err)
				}
			}
			if c.begin {
				if err := f.ask(true, false); err != nil {
					t.Fatal(err)
				}
			}
			for sent := 0; ; sent += thousand.Len() {
				if _, err := f.conn.Write(thousand.Bytes()); err != nil {
					break
				}
				if sent > 10*maxAside {
					t.Fatal("the server takes it without end")
				}
			}
			<-gone
			if c.why != "" {
				await(t, name, counts.Connections, c.why, 1)
			}
		})
	}
}

func TestAConnectionHasSoManyStreamsAndNoMore(t *testing.T) {
	t.Parallel()
	held := make(chan struct{})
	defer close(held)
	spec := Spec{Counts: NewCounts(), Limits: Limits{MaxStreams: 3}}
	f := newFrames(t, dial(t, serve(t, spec, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-held }))))
	for range 4 {
		if err := f.ask(true, true); err != nil {
			t.Fatal(err)
		}
	}
	f.until(t, func(frame http2.Frame) bool {
		if settings, ok := frame.(*http2.SettingsFrame); ok && !settings.IsAck() {
			if n, _ := settings.Value(http2.SettingMaxConcurrentStreams); n != 3 {
				t.Errorf("the server announces room for %d", n)
			}
			if n, _ := settings.Value(http2.SettingMaxFrameSize); n > frameBytes {
				t.Errorf("the server takes frames of %d bytes", n)
			}
		}
		reset, ok := frame.(*http2.RSTStreamFrame)
		if ok && reset.StreamID != f.stream {
			t.Errorf("stream %d is reset", reset.StreamID)
		}
		return ok
	})
	await(t, "a fourth stream", spec.Counts.Requests, TooManyStreams, 1)
}

func TestAStreamWithFramesThatMustNotBeIsResetAndItsConnectionGoesOn(t *testing.T) {
	t.Parallel()
	held := make(chan struct{})
	spec := Spec{Counts: NewCounts()}
	f := newFrames(t, dial(t, serve(t, spec, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-held }))))
	if err := errors.Join(f.ask(true, true), f.WriteData(f.stream, false, []byte("after its end"))); err != nil {
		t.Fatal(err)
	}
	await(t, "data after the end", spec.Counts.Requests, BrokenStream, 1)
	close(held)
	if err := f.ask(true, true); err != nil {
		t.Fatal(err)
	}
	f.until(t, func(frame http2.Frame) bool {
		_, ok := frame.(*http2.HeadersFrame)
		return ok && frame.Header().StreamID == f.stream
	})
}

// What Go does by itself: the answers to frames are not kept without end for a client that does not read them.
func TestAnswersThatNobodyReadsDoNotPileUp(t *testing.T) {
	exchange(t, answered.ServeHTTP, "", func(t *testing.T, conn net.Conn) {
		_ = conn.SetDeadline(time.Now().Add(30 * time.Second)) // before the server's patience for what is not taken ends
		f := newFrames(t, conn)
		sent := 0
		for ; sent < 50_000 && f.WritePing(false, [8]byte{}) == nil; sent++ {
		}
		if sent == 50_000 || sent < 1000 {
			t.Errorf("after %d pings the connection ends", sent)
		}
	})
}

func TestAHeaderOfHTTP2ThatStopsIsNotWaitedFor(t *testing.T) {
	exchange(t, answered.ServeHTTP, Silent, func(t *testing.T, conn net.Conn) {
		begun := time.Now()
		gone := takes(conn)
		f := newFrames(t, conn)
		if err := errors.Join(f.WriteSettingsAck(), f.ask(true, false)); err != nil {
			t.Fatal(err)
		}
		<-gone
		if took := time.Since(begun); took > pingAfter+pingPatience+time.Second {
			t.Errorf("it was waited for for %v", took)
		}
	})
}

func TestAClientThatTakesNothingIsNotWaitedFor(t *testing.T) {
	ended := make(chan error, 1)
	answer := func(w http.ResponseWriter, _ *http.Request) {
		err := http.NewResponseController(w).SetWriteDeadline(time.Time{}) // as whoever forwards does
		if err == nil {
			_, err = w.Write(make([]byte, 1<<20))
		}
		ended <- err
	}
	exchange(t, answer, NotTaken, func(t *testing.T, conn net.Conn) {
		if _, err := io.WriteString(conn, request); err != nil {
			t.Fatal(err)
		}
		time.Sleep(DefaultLimits().SendTimeout*5/4 + time.Second)
		select {
		case err := <-ended:
			if !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Error(err)
			}
		default:
			t.Error("it is waited for")
		}
	})
}

func TestResetsAreForgiven(t *testing.T) {
	t.Parallel()
	var r resets
	now := time.Unix(0, 0)
	for i := range 1000 {
		now = now.Add(time.Second)
		if r.tooMany(now, 60) {
			t.Fatalf("one a second is too many, at the %dth", i)
		}
	}
	for i := range 60 {
		if r.tooMany(now, 60) != (i >= 59) {
			t.Errorf("at once, the %dth", i)
		}
	}
}

func TestWhoAsksALotMayTakeBackALot(t *testing.T) {
	t.Parallel()
	var r resets
	now := time.Unix(0, 0)
	for i := range 1000 {
		if r.forgive(); r.tooMany(now, 10) {
			t.Fatalf("one taken back for each that is not is too many, at the %dth", i)
		}
	}
}

// What Go does by itself: requests that are taken back wait for the places of those that still run, and not without end.
func TestRequestsThatAreTakenBackDoNotPileUp(t *testing.T) {
	t.Parallel()
	held := make(chan struct{})
	defer close(held)
	spec := Spec{Counts: NewCounts(), Limits: Limits{MaxStreams: 2, MaxResets: 1 << 20}}
	f := newFrames(t, dial(t, serve(t, spec, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-held }))))
	gone := takes(f.conn)
	for range 100 {
		if errors.Join(f.ask(true, true), f.WriteRSTStream(f.stream, http2.ErrCodeCancel)) != nil {
			break
		}
	}
	<-gone
	await(t, "resets", spec.Counts.Connections, HTTP2Broken, 1)
}

func TestAConnectionThatHasBecomeAWebSocketMayReceiveAnyAmount(t *testing.T) {
	t.Parallel()
	counts := NewCounts()
	received := make(chan int, 1)
	address := serve(t, Spec{Counts: counts}, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		c, buffered, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		go func() { // and the handler returns
			defer c.Close()
			n, _ := io.Copy(io.Discard, buffered)
			received <- int(n)
		}()
	}))
	c := dial(t, address)
	_, _ = io.WriteString(c, strings.Replace(request, "\r\n\r\n", "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", 1))
	for range 2 {
		if _, err := c.Write(make([]byte, maxAside)); err != nil {
			t.Fatal(err)
		}
	}
	_ = c.(*net.TCPConn).CloseWrite()
	if n := <-received; n != 2*maxAside {
		t.Errorf("%d bytes were received", n)
	}
}

// A client of HTTP/2 may send what fits into its window before the handler of its request has a processor to run on.
func TestABodyThatIsThereBeforeItsHandlerIsNoFlood(t *testing.T) {
	t.Parallel()
	c := &conn{Conn: silent{}, counts: NewCounts(), limits: DefaultLimits()}
	const window = 1 << 20
	for read := 0; read < window+64<<10; read += 16 << 10 {
		if _, err := c.Read(make([]byte, 16<<10)); err != nil {
			t.Fatalf("ended after %d bytes: %v", read, err)
		}
	}
}

// silent is a connection that always has something to read.
type silent struct{ net.Conn }

func (silent) Read(p []byte) (int, error) { return len(p), nil }

func TestEveryLimitHasACounter(t *testing.T) {
	t.Parallel()
	counts := NewCounts()
	for _, why := range []Refusal{HeaderTooLarge, URLTooLong, BodyTooLarge, BodyTooSlow, AnswerUnread} {
		c := &conn{counts: counts}
		CountRefused(httptest.NewRequest(http.MethodGet, "/", nil).WithContext(context.WithValue(t.Context(), connKey{}, c)), why)
		if counts.Requests()[string(why)] != 1 {
			t.Errorf("%s is not counted", why)
		}
	}
	CountRefused(httptest.NewRequest(http.MethodGet, "/", nil), BodyTooLarge) // one that came otherwise
}

// deadlines keeps the deadline of the next write.
type deadlines struct {
	net.Conn
	write time.Time
}

func (d *deadlines) SetWriteDeadline(t time.Time) error {
	d.write = t
	return nil
}

func (d *deadlines) Write(p []byte) (int, error) { return len(p), nil }

func TestAClientHasAllOfItsTimeToTakeWhateverWasSentBefore(t *testing.T) {
	t.Parallel()
	connection := &deadlines{}
	c := connWith(connection, time.Hour)
	for _, ago := range []time.Duration{0, time.Hour / 5, time.Hour / 2} {
		_, _ = c.Write([]byte("a"))
		c.writing.inForce.Add(-int64(ago))
		connection.write = connection.write.Add(-ago)
		began := time.Now()
		_, _ = c.Write([]byte("b"))
		if left := connection.write.Sub(began); left < time.Hour {
			t.Errorf("%s after the deadline was set, a client has %s", ago, left)
		}
	}
}
