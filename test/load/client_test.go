package load

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// target is one proxy as a client sees it.
type target struct {
	address string // HOST:PORT to connect to
	host    string // of the Host header
	header  string // whole lines that a request brings besides, each with its CRLF
	roots   *tls.Config
}

// exchanger sends one request at a time and reads the whole answer.
type exchanger interface {
	exchange() error
	io.Closer
}

// dial makes the connection of a kind; messages go over it until Close.
type dial func(t target) (exchanger, error)

// plain asks for a path over HTTP/1.1, with nothing between the measurement and the socket but a buffer.
type plain struct {
	net.Conn
	request []byte
	reader  *bufio.Reader
}

func overHTTP1(path string) dial {
	return func(t target) (exchanger, error) {
		conn, err := net.DialTimeout("tcp", t.address, 5*time.Second)
		if err != nil {
			return nil, err
		}
		return newPlain(conn, t, path), nil
	}
}

func overTLS(path string) dial {
	return func(t target) (exchanger, error) {
		conn, err := tls.Dial("tcp", t.address, t.roots)
		if err != nil {
			return nil, err
		}
		return newPlain(conn, t, path), nil
	}
}

func newPlain(conn net.Conn, t target, path string) *plain {
	request := fmt.Sprintf("GET %s HTTP/1.1\r\nHost: %s\r\nAccept: */*\r\nUser-Agent: load\r\n%s\r\n", path, t.host, t.header)
	return &plain{conn, []byte(request), bufio.NewReaderSize(conn, 32<<10)}
}

func (p *plain) exchange() error {
	if _, err := p.Write(p.request); err != nil {
		return err
	}
	status, err := p.reader.ReadSlice('\n')
	if err != nil {
		return err
	}
	if len(status) < 12 || string(status[9:12]) != "200" {
		return fmt.Errorf("answered %q", status)
	}
	length := -1
	for {
		line, err := p.reader.ReadSlice('\n')
		if err != nil {
			return err
		}
		if len(line) <= 2 {
			break
		}
		if name, value, _ := strings.Cut(string(line), ":"); strings.EqualFold(name, "Content-Length") {
			if length, err = strconv.Atoi(strings.TrimSpace(value)); err != nil {
				return err
			}
		}
	}
	if length < 0 {
		return fmt.Errorf("an answer without Content-Length")
	}
	_, err = p.reader.Discard(length)
	return err
}

// multiplexed asks over HTTP/2. All exchangers of one target share net/http's connection.
type multiplexed struct {
	client  *http.Client
	request *http.Request
}

func overHTTP2(path string) dial {
	clients := sync.Map{} // by address: one connection for all
	return func(t target) (exchanger, error) {
		protocols := new(http.Protocols)
		protocols.SetHTTP2(true)
		dialer := &net.Dialer{}
		shared, _ := clients.LoadOrStore(t.address, &http.Client{Transport: &http.Transport{
			Protocols: protocols, TLSClientConfig: t.roots, DisableCompression: true,
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return dialer.DialContext(ctx, "tcp", t.address)
			},
		}})
		request, err := http.NewRequest(http.MethodGet, "https://"+t.host+path, nil)
		if err != nil {
			return nil, err
		}
		for line := range strings.SplitSeq(strings.TrimSpace(t.header), "\r\n") {
			if name, value, found := strings.Cut(line, ": "); found {
				request.Header.Set(name, value)
			}
		}
		return &multiplexed{shared.(*http.Client), request}, nil
	}
}

func (m *multiplexed) exchange() error {
	answer, err := m.client.Do(m.request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.ProtoMajor != 2 || answer.StatusCode != http.StatusOK {
		return fmt.Errorf("answered %s %s", answer.Proto, answer.Status)
	}
	_, err = io.Copy(io.Discard, answer.Body)
	return err
}

func (m *multiplexed) Close() error { m.client.CloseIdleConnections(); return nil }

// tally is what a load came to.
type tally struct {
	exchanges int
	latencies []time.Duration // sorted
}

func (l tally) quantile(q float64) time.Duration {
	if len(l.latencies) == 0 {
		return 0
	}
	return l.latencies[min(len(l.latencies)-1, int(q*float64(len(l.latencies))))]
}

// asFastAsItGoes keeps connections busy for a time: the next request leaves when the last is answered.
func asFastAsItGoes(t testing.TB, connect dial, to target, connections int, d time.Duration) tally {
	t.Helper()
	var count atomic.Int64
	end := time.Now().Add(d)
	onEach(t, connect, to, connections, func(_ int, e exchanger) error {
		for time.Now().Before(end) {
			if err := e.exchange(); err != nil {
				return err
			}
			count.Add(1)
		}
		return nil
	})
	return tally{exchanges: int(count.Load())}
}

// atRate sends on a timetable and measures from the moment that a request was due, so that a proxy that stands still
// does not hide the requests that waited for it.
func atRate(t testing.TB, connect dial, to target, connections, perSecond int, d time.Duration) tally {
	t.Helper()
	interval := time.Second * time.Duration(connections) / time.Duration(perSecond)
	each := int(d / interval)
	all := make([][]time.Duration, connections)
	start := time.Now().Add(20 * time.Millisecond)
	onEach(t, connect, to, connections, func(i int, e exchanger) error {
		due := start.Add(interval * time.Duration(i) / time.Duration(connections))
		for range each {
			time.Sleep(time.Until(due))
			if err := e.exchange(); err != nil {
				return err
			}
			all[i] = append(all[i], time.Since(due))
			due = due.Add(interval)
		}
		return nil
	})
	latencies := slices.Concat(all...)
	slices.Sort(latencies)
	return tally{exchanges: len(latencies), latencies: latencies}
}

func onEach(t testing.TB, connect dial, to target, connections int, run func(int, exchanger) error) {
	t.Helper()
	var wg sync.WaitGroup
	errs := make([]error, connections)
	for i := range connections {
		e, err := connect(to)
		if err != nil {
			t.Fatalf("connect to %s: %v", to.address, err)
		}
		wg.Go(func() {
			defer e.Close()
			errs[i] = run(i, e)
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			t.Fatalf("%s at %s: %v", to.host, to.address, err)
		}
	}
}
