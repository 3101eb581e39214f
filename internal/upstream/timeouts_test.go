package upstream_test

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/upstream"
	"github.com/gatehouse-iap/gatehouse/internal/upstream/http1"
)

// short is a timeout that something is meant to exceed.
const short = 60 * time.Millisecond

// silentListener accepts connections, reads nothing and says nothing.
func silentListener(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var held []net.Conn
	t.Cleanup(func() {
		l.Close()
		mu.Lock()
		defer mu.Unlock()
		for _, conn := range held {
			conn.Close()
		}
	})
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			held = append(held, conn)
			mu.Unlock()
		}
	}()
	return l.Addr().String()
}

// endless is a body without an end.
type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }
func (endless) Close() error               { return nil }

// asH2C returns the URL of a server with the scheme h2c.
func asH2C(url string) string { return "h2c" + strings.TrimPrefix(url, "http") }

// stuck is an application that takes nothing and answers nothing until the test ends.
func stuck(t *testing.T, protocols func(*http.Protocols)) string {
	t.Helper()
	server := application(t, nil, protocols)
	ended := make(chan struct{})
	server.Config.Handler = http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-ended:
		case <-r.Context().Done():
		}
	})
	t.Cleanup(func() { close(ended) }) // before the server is closed
	return server.URL
}

// resetting is an application that speaks HTTP/2 so far as to reset every request as a mistake of the client's.
func resetting(t *testing.T) string {
	t.Helper()
	return accept(t, nil, func(conn net.Conn) {
		const settings, headers, resetStream = 4, 1, 3
		header := make([]byte, len("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"))
		if _, err := io.ReadFull(conn, header); err != nil {
			return
		}
		_, _ = conn.Write([]byte{0, 0, 0, settings, 0, 0, 0, 0, 0})
		for header = header[:9]; ; {
			if _, err := io.ReadFull(conn, header); err != nil {
				return
			}
			size := int64(header[0])<<16 | int64(header[1])<<8 | int64(header[2])
			if _, err := io.CopyN(io.Discard, conn, size); err != nil {
				return
			}
			if header[3] == headers {
				_, _ = conn.Write(append([]byte{0, 0, 4, resetStream, 0}, append(header[5:9:9], 0, 0, 0, 1)...))
			}
		}
	})
}

func TestAnApplicationThatTakesTooLongIsGivenUpWithTheSettingNamed(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		url      string
		timeouts upstream.Timeouts
		method   string // POST when empty
		body     io.ReadCloser
		setting  string
		is       string
	}{
		"connecting": {
			url: "http://" + silentListener(t), timeouts: upstream.Timeouts{Connect: time.Nanosecond},
			setting: "upstreamTimeouts.connectSec", is: "could not be connected to",
		},
		"the TLS handshake": {
			url: "https://" + silentListener(t), timeouts: upstream.Timeouts{Connect: short},
			setting: "upstreamTimeouts.connectSec", is: "TLS handshake",
		},
		"answering over HTTP/1.1": {
			url: stuck(t, onlyHTTP1), timeouts: upstream.Timeouts{FirstByte: short},
			setting: "upstreamTimeouts.firstByteSec", is: "did not begin its answer",
		},
		"answering over HTTP/2": {
			url: asH2C(stuck(t, h2c)), timeouts: upstream.Timeouts{FirstByte: short},
			setting: "upstreamTimeouts.firstByteSec", is: "did not begin its answer",
		},
		"answering anything after it was connected to": {
			url: "http://" + silentListener(t), timeouts: upstream.Timeouts{FirstByte: short},
			setting: "upstreamTimeouts.firstByteSec", is: "did not begin its answer",
		},
		"answering over HTTP/2, where it resets every request": {
			url: "h2c://" + resetting(t), timeouts: upstream.Timeouts{Connect: short, FirstByte: short}, method: http.MethodGet,
			setting: "upstreamTimeouts.firstByteSec", is: "did not begin its answer",
		},
		"taking a body over HTTP/1.1": {
			url: "http://" + silentListener(t), timeouts: upstream.Timeouts{FirstByte: short}, body: endless{},
			setting: "upstreamTimeouts.firstByteSec", is: "took nothing more",
		},
		"taking a body over HTTP/2": {
			url: asH2C(stuck(t, h2c)), timeouts: upstream.Timeouts{FirstByte: short}, body: endless{},
			setting: "upstreamTimeouts.firstByteSec", is: "took nothing more",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			up := one(t, &upstream.Pools{}, upstream.Config{URL: c.url, Timeouts: c.timeouts})
			request, err := http.NewRequestWithContext(t.Context(), cmp.Or(c.method, http.MethodPost), up.Scheme+"://"+up.Address, nil)
			if err != nil {
				t.Fatal(err)
			}
			if c.body != nil {
				request.Body, request.ContentLength = c.body, -1
			}
			_, err = up.Send(request, http1.Whole{Request: request})
			var timeout *upstream.TimeoutError
			if !errors.As(err, &timeout) || timeout.Setting != c.setting || !strings.Contains(err.Error(), c.is) || !strings.Contains(err.Error(), "raise "+c.setting) {
				t.Fatalf("error %v", err)
			}
			if status, after := upstream.Answer(err); status != http.StatusGatewayTimeout || after != 0 {
				t.Errorf("status %d, Retry-After %v", status, after)
			}
			if state := up.Addresses()[0]; state.InFlight != 0 {
				t.Errorf("%+v", state)
			}
		})
	}
}

// slow is a body that pauses before each of its parts.
type slow struct {
	parts []string
	pause time.Duration
}

func (s *slow) Read(p []byte) (int, error) {
	if len(s.parts) == 0 {
		return 0, io.EOF
	}
	<-time.After(s.pause)
	n := copy(p, s.parts[0])
	s.parts = s.parts[1:]
	return n, nil
}

func TestASlowUploadIsNotTheApplicationsFault(t *testing.T) {
	t.Parallel()
	for name, url := range map[string]string{"HTTP/1.1": newCounted(t, echo).URL, "HTTP/2": asH2C(echoing(t, h2c))} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			up := one(t, &upstream.Pools{}, upstream.Config{URL: url, Timeouts: upstream.Timeouts{FirstByte: 2 * short}})
			request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, up.Scheme+"://"+up.Address, &slow{[]string{"a", "b", "c"}, 3 * short})
			if err != nil {
				t.Fatal(err)
			}
			response, err := up.Send(request, http1.Whole{Request: request})
			if err != nil {
				t.Fatal(err)
			}
			if got := read(t, response); got != "abc" {
				t.Errorf("%q came back", got)
			}
		})
	}
}

func echoing(t *testing.T, protocols func(*http.Protocols)) string {
	t.Helper()
	server := application(t, nil, protocols)
	server.Config.Handler = http.HandlerFunc(echo)
	return server.URL
}

// dripping is an application that sends its header and count parts with pauses between them, and then waits.
func dripping(t *testing.T, protocols func(*http.Protocols), count int, pause time.Duration) string {
	t.Helper()
	server := application(t, nil, protocols)
	server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		control := http.NewResponseController(w)
		_ = control.Flush()
		for range count {
			_, _ = io.WriteString(w, "x")
			_ = control.Flush()
			select {
			case <-time.After(pause):
			case <-r.Context().Done():
				return
			}
		}
		if r.URL.Path != "/ends" {
			<-r.Context().Done()
		}
	})
	return server.URL
}

func TestSilenceIsBoundedOnlyWhereThatIsConfigured(t *testing.T) {
	t.Parallel()
	type protocol struct {
		protocols func(*http.Protocols)
		url       func(string) string
	}
	for name, p := range map[string]protocol{
		"HTTP/1.1": {onlyHTTP1, func(url string) string { return url }}, "HTTP/2": {h2c, asH2C},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			get := func(t *testing.T, app string, timeouts upstream.Timeouts, path string) (body, log string, up *upstream.Upstream, err error) {
				t.Helper()
				var lines bytes.Buffer
				pools := &upstream.Pools{Log: slog.New(slog.NewTextHandler(&lines, nil))}
				up = one(t, pools, upstream.Config{URL: p.url(app), Timeouts: timeouts})
				ctx, cancel := context.WithTimeout(t.Context(), 20*short)
				defer cancel()
				request, err := http.NewRequestWithContext(ctx, http.MethodGet, up.Scheme+"://"+up.Address+path, nil)
				if err != nil {
					t.Fatal(err)
				}
				response, err := up.Send(request, http1.Whole{Request: request})
				if err != nil {
					t.Fatal(err)
				}
				content, err := io.ReadAll(response.Body)
				response.Body.Close()
				return string(content), lines.String(), up, err
			}
			t.Run("what falls silent is ended, and the log names the setting", func(t *testing.T) {
				t.Parallel()
				body, log, up, err := get(t, dripping(t, p.protocols, 1, 0), upstream.Timeouts{Idle: short}, "/")
				var timeout *upstream.TimeoutError
				if body != "x" || !errors.As(err, &timeout) || timeout.Setting != "upstreamTimeouts.idleSec" {
					t.Errorf("%q, error %v", body, err)
				}
				if strings.Count(log, "raise upstreamTimeouts.idleSec") != 1 {
					t.Errorf("logged %q", log)
				}
				if state := up.Addresses()[0]; state.InFlight != 0 {
					t.Errorf("%+v", state)
				}
			})
			t.Run("what says nothing after its header is ended", func(t *testing.T) {
				t.Parallel()
				_, _, _, err := get(t, dripping(t, p.protocols, 0, 0), upstream.Timeouts{Idle: short}, "/")
				var timeout *upstream.TimeoutError
				if !errors.As(err, &timeout) {
					t.Errorf("error %v", err)
				}
			})
			t.Run("what goes on slowly is not", func(t *testing.T) {
				t.Parallel()
				body, log, _, err := get(t, dripping(t, p.protocols, 6, short), upstream.Timeouts{Idle: 4 * short}, "/ends")
				if body != "xxxxxx" || err != nil || log != "" {
					t.Errorf("%q, error %v, logged %q", body, err, log)
				}
			})
			t.Run("without the setting nothing is", func(t *testing.T) {
				t.Parallel()
				_, log, _, err := get(t, dripping(t, p.protocols, 1, 0), upstream.Timeouts{}, "/")
				if !errors.Is(err, context.DeadlineExceeded) || log != "" { // the client's own
					t.Errorf("error %v, logged %q", err, log)
				}
			})
		})
	}
}

// switching is an application that switches to a protocol in which it sends back what it gets.
func switching(t *testing.T) string {
	t.Helper()
	server := application(t, nil, onlyHTTP1)
	server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		conn, buffered, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
		_, _ = io.Copy(conn, buffered)
	})
	return server.URL
}

func TestATunnelThatFallsSilentIsCutAndOneInUseIsNot(t *testing.T) {
	t.Parallel()
	up := one(t, &upstream.Pools{Log: slog.New(slog.DiscardHandler)}, upstream.Config{URL: switching(t), Timeouts: upstream.Timeouts{Idle: 4 * short}})
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+up.Address, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header = http.Header{"Connection": {"Upgrade"}, "Upgrade": {"x"}}
	response, err := up.Send(request, http1.Whole{Request: request})
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	tunnel, both := response.Body.(io.ReadWriter)
	if !both || response.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("%s, %T", response.Status, response.Body)
	}
	for range 6 {
		<-time.After(short)
		if _, err := io.WriteString(tunnel, "x"); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(tunnel, make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
	}
	if count := inFlight(up)[0]; count != 1 {
		t.Errorf("%d under way", count)
	}
	_, err = tunnel.Read(make([]byte, 1))
	var timeout *upstream.TimeoutError
	if !errors.As(err, &timeout) {
		t.Errorf("error %v", err)
	}
}

func TestTheEndOfWhatIsSentReachesTheOtherEndOfATunnel(t *testing.T) {
	t.Parallel()
	up := one(t, &upstream.Pools{}, upstream.Config{URL: switching(t)})
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+up.Address, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header = http.Header{"Connection": {"Upgrade"}, "Upgrade": {"x"}}
	response, err := up.Send(request, http1.Whole{Request: request})
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	tunnel, half := response.Body.(interface {
		io.ReadWriter
		CloseWrite() error
	})
	if !half {
		t.Fatalf("%T cannot say that it is done", response.Body)
	}
	if _, err := io.WriteString(tunnel, "all of it"); err != nil {
		t.Fatal(err)
	}
	if err := tunnel.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(tunnel); string(got) != "all of it" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}

func TestAnAddressThatDoesNotAnswerIsNotTriedByEverybody(t *testing.T) {
	t.Parallel()
	clock := time.Unix(1_000_000, 0)
	pools := &upstream.Pools{Now: func() time.Time { return clock }, Log: slog.New(slog.DiscardHandler)}
	up := one(t, pools, upstream.Config{URL: "http://" + silentListener(t), Timeouts: upstream.Timeouts{Connect: time.Nanosecond}})
	for range 5 {
		if status, _ := upstream.Answer(tried(t, up)); status != http.StatusGatewayTimeout {
			t.Fatalf("status %d", status)
		}
	}
	err := tried(t, up)
	if status, after := upstream.Answer(err); status != http.StatusServiceUnavailable || after < time.Second || !strings.Contains(err.Error(), "nothing was sent") {
		t.Errorf("error %v, status %d, Retry-After %v", err, status, after)
	}
	clock = clock.Add(2 * time.Second)
	if status, _ := upstream.Answer(tried(t, up)); status != http.StatusGatewayTimeout {
		t.Errorf("status %d: no attempt was made when it was due", status)
	}
}

func TestAnAddressThatDoesNotAnswerIsFoundOutThoughClientsAreImpatient(t *testing.T) {
	t.Parallel()
	address, listen := bound(t)
	listen(0)
	for full := false; !full; { // nobody accepts: once there is no room, connecting waits
		conn, err := net.DialTimeout("tcp", address, short)
		if full = err != nil; !full {
			t.Cleanup(func() { conn.Close() })
		}
	}
	up := one(t, &upstream.Pools{Log: slog.New(slog.DiscardHandler)}, upstream.Config{URL: "http://" + address})
	leave := func(patience time.Duration) {
		var together sync.WaitGroup
		for range 5 {
			together.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), patience)
				defer cancel()
				request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address, nil)
				if err != nil {
					t.Error(err)
					return
				}
				if _, err := up.Send(request, http1.Whole{Request: request}); err == nil {
					t.Error("answered")
				} else if status, _ := upstream.Answer(err); status != http.StatusGatewayTimeout {
					t.Errorf("error %v", err)
				}
			})
		}
		together.Wait()
	}
	if leave(short); up.Addresses()[0].Circuit != upstream.CircuitClosed {
		t.Error("clients that leave at once close an application")
	}
	if leave(1100 * time.Millisecond); up.Addresses()[0].Circuit == upstream.CircuitClosed {
		t.Error("everybody waits for it again")
	}
}

// tried returns the error of a request.
func tried(t *testing.T, up *upstream.Upstream) error {
	t.Helper()
	response, err := send(t, up, "GET", "")
	if err == nil {
		response.Body.Close()
	}
	return err
}
