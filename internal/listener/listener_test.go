package listener

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// pipes is a listener in memory, so that time-outs can be tested in no time.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case conn := <-p.conns:
		return conn, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

func (p *pipes) Close() error {
	close(p.done)
	return nil
}

// exchange serves one connection with handler and lets client use it. In the end it is counted for one limit; "" for
// none.
func exchange(t *testing.T, handler http.HandlerFunc, counted Refusal, client func(t *testing.T, conn net.Conn)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		socket, counts := &pipes{conns: make(chan net.Conn, 1), done: make(chan struct{})}, NewCounts()
		l, err := On(socket, Spec{Counts: counts})
		if err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- Serve(ctx, l, handler, slog.New(slog.DiscardHandler), DrainTimeout) }()
		conn, served := net.Pipe()
		socket.conns <- served
		client(t, conn)
		synctest.Wait()
		all := counts.Connections()
		maps.Copy(all, counts.Ended())
		for why, n := range all {
			if want := map[string]uint64{string(counted): 1}[why]; n != want {
				t.Errorf("%d connections are counted as %s, want %d", n, why, want)
			}
		}
		_ = conn.Close()
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

const unfinished = "POST / HTTP/1.1\r\nHost: app.test\r\nContent-Length: 100\r\n\r\n"

func TestABodyThatNeverComesDoesNotHoldTheConnection(t *testing.T) {
	refuse := func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) }
	exchange(t, refuse, "", func(t *testing.T, conn net.Conn) {
		begun := time.Now()
		if _, err := io.WriteString(conn, unfinished); err != nil {
			t.Fatal(err)
		}
		_ = conn.SetReadDeadline(begun.Add(time.Hour))
		if _, err := io.Copy(io.Discard, conn); err != nil && !errors.Is(err, io.ErrClosedPipe) {
			t.Error(err)
		}
		if held := time.Since(begun); held > time.Minute {
			t.Errorf("the connection was held for %v", held)
		}
	})
}

func TestABodyTakesAnyTimeOnceTheDeadlinesAreTakenOff(t *testing.T) {
	read := func(w http.ResponseWriter, r *http.Request) {
		control := http.NewResponseController(w)
		if err := errors.Join(control.SetReadDeadline(time.Time{}), control.SetWriteDeadline(time.Time{})); err != nil {
			t.Error(err)
		}
		body, err := io.ReadAll(r.Body)
		if err != nil || len(body) != 100 {
			t.Errorf("%d bytes of the body were read, then %v", len(body), err)
		}
	}
	exchange(t, read, "", func(t *testing.T, conn net.Conn) {
		if _, err := io.WriteString(conn, unfinished); err != nil {
			t.Fatal(err)
		}
		for range 100 {
			time.Sleep(time.Minute)
			if _, err := io.WriteString(conn, "x"); err != nil {
				t.Fatal(err)
			}
		}
		response, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil || response.StatusCode != http.StatusOK {
			t.Fatal(err)
		}
	})
}

// page is an answer that does not fit into any buffer on the way.
func page(givenUp *atomic.Bool) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		_, err := w.Write(make([]byte, 1<<20))
		givenUp.Store(err != nil)
	}
}

func TestAnAnswerThatIsNotReadIsGivenUp(t *testing.T) {
	var givenUp atomic.Bool
	exchange(t, page(&givenUp), "", func(t *testing.T, conn net.Conn) {
		if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: app.test\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Minute)
		if !givenUp.Load() {
			t.Error("it is still being written after two minutes")
			_ = conn.Close()
		}
	})
}

// A client can leave HTTP/2 streams open and give them no room to be answered in, hundreds on each connection.
func TestAStreamThatIsGivenNoRoomIsGivenUp(t *testing.T) {
	var givenUp atomic.Bool
	exchange(t, page(&givenUp), Silent, func(t *testing.T, conn net.Conn) {
		go func() { _, _ = io.Copy(io.Discard, conn) }() // it reads all, pings included, and answers nothing
		framer := http2.NewFramer(conn, nil)
		var header bytes.Buffer
		encoder := hpack.NewEncoder(&header)
		for _, field := range [][2]string{{":method", "GET"}, {":scheme", "http"}, {":authority", "app.test"}, {":path", "/"}} {
			if err := encoder.WriteField(hpack.HeaderField{Name: field[0], Value: field[1]}); err != nil {
				t.Fatal(err)
			}
		}
		_, err := io.WriteString(conn, http2.ClientPreface)
		err = errors.Join(err, framer.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0}), framer.WriteSettingsAck(),
			framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: header.Bytes(), EndStream: true, EndHeaders: true}))
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Minute)
		if !givenUp.Load() {
			t.Error("it is still being written after two minutes")
			_ = conn.Close()
		}
	})
}

func TestAnAnswerTakesAnyTimeOnceItsDeadlineIsTakenOff(t *testing.T) {
	answer := func(w http.ResponseWriter, _ *http.Request) {
		if err := http.NewResponseController(w).SetWriteDeadline(time.Time{}); err != nil {
			t.Error(err)
		}
		if _, err := w.Write(make([]byte, 1<<20)); err != nil {
			t.Error(err)
		}
	}
	exchange(t, answer, "", func(t *testing.T, conn net.Conn) {
		if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: app.test\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		response, err := http.ReadResponse(bufio.NewReaderSize(slowly{conn}, 16<<10), nil)
		if err != nil {
			t.Fatal(err)
		}
		if body, err := io.ReadAll(response.Body); err != nil || len(body) != 1<<20 {
			t.Errorf("%d bytes, %v", len(body), err)
		}
	})
}

// slowly is a client that takes half a minute before it takes more.
type slowly struct{ net.Conn }

func (s slowly) Read(p []byte) (int, error) {
	time.Sleep(30 * time.Second)
	return s.Conn.Read(p)
}
