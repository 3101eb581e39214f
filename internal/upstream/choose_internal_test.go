package upstream

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/upstream/http1"
)

// fleet is an upstream with addresses to which nothing is ever sent, and a clock that is set.
type fleet struct {
	*Upstream
	clock time.Time
	log   bytes.Buffer
}

func newFleet(addresses int) *fleet {
	f := &fleet{clock: time.Unix(1_000_000, 0)}
	now := func() time.Time { return f.clock }
	log := slog.New(slog.NewTextHandler(&f.log, nil))
	f.Upstream = &Upstream{timeouts: Config{}.Canonical().Timeouts, now: now, log: log}
	for range addresses {
		f.addresses = append(f.addresses, &address{hostport: "10.0.0.1:80", now: now, log: log, health: health{check: HealthCheck{Path: "/", Healthy: 2, Unhealthy: 3}}})
	}
	return f
}

func (f *fleet) chosen(tried uint64) int {
	_, at := f.choose(tried)
	return at
}

// fail makes connecting to an address fail until its circuit opens.
func (f *fleet) fail(at int, err error) {
	for range circuitThreshold {
		f.addresses[at].failed(err)
	}
}

var errRefused = errors.New("connection refused")

func TestARequestGoesWhereTheFewestAreUnderWay(t *testing.T) {
	t.Parallel()
	f := newFleet(3)
	for i, load := range []int64{4, 2, 3} {
		f.addresses[i].inFlight.Store(load)
	}
	for range 100 {
		if got := f.chosen(0); got != 1 {
			t.Fatalf("address %d", got)
		}
	}
	if got := f.chosen(1 << 1); got != 2 {
		t.Errorf("after the first was tried: address %d", got)
	}
}

func TestOfEquallyBusyAddressesEachIsChosenAsOften(t *testing.T) {
	t.Parallel()
	f := newFleet(4)
	f.addresses[2].inFlight.Store(1) // its neighbours must not get its share
	counts := map[int]int{}
	for range 6000 {
		counts[f.chosen(0)]++
	}
	for _, at := range []int{0, 1, 3} {
		if counts[at] < 1800 || counts[at] > 2200 {
			t.Errorf("address %d was chosen %d times of 6000", at, counts[at])
		}
	}
}

func TestOfManyAddressesEachGetsItsShareAndABadOneNone(t *testing.T) {
	t.Parallel()
	f := newFleet(16)
	f.addresses[3].decideHealth(errRefused, 0, 3)
	f.fail(4, errRefused)
	for range 1600 {
		f.addresses[f.chosen(0)].inFlight.Add(1)
	}
	for i, a := range f.addresses {
		load := a.inFlight.Load()
		if bad := i == 3 || i == 4; bad && load > 0 || !bad && (load < 105 || load > 125) {
			t.Errorf("address %d got %d of 1600 requests", i, load)
		}
	}
}

func TestACircuitOpensAfterFiveFailuresInARowAndSaysSoOnce(t *testing.T) {
	t.Parallel()
	f := newFleet(2)
	a := f.addresses[0]
	for range circuitThreshold - 1 {
		a.failed(errRefused)
	}
	a.connected()
	for range circuitThreshold - 1 {
		a.failed(errRefused)
	}
	if !a.circuit.closed() {
		t.Fatal("open, and a connection lay between the failures")
	}
	for range 20 {
		a.failed(errRefused)
	}
	if a.circuit.closed() || a.state().Circuit != CircuitOpen {
		t.Fatalf("state %v", a.state())
	}
	if count := strings.Count(f.log.String(), "level=WARN"); count != 1 {
		t.Errorf("%d lines:\n%s", count, &f.log)
	}
	for range 50 {
		if got := f.chosen(0); got != 1 {
			t.Fatal("a request goes to an address whose circuit is open")
		}
	}
}

func TestAnOpenCircuitLetsOneAttemptThroughAtATimeAndWaitsLongerAfterEachThatFails(t *testing.T) {
	t.Parallel()
	f := newFleet(2)
	a := f.addresses[0]
	f.fail(0, errRefused)
	for i, most := range []time.Duration{time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, 10 * time.Second, 10 * time.Second} {
		wait := time.Unix(0, a.circuit.until.Load()).Sub(f.clock)
		if wait < most*8/10 || wait > most*12/10 {
			t.Fatalf("failure %d: the next attempt is due in %v, and should be in about %v", i, wait, most)
		}
		f.clock = f.clock.Add(wait)
		if state := a.state().Circuit; state != CircuitHalfOpen {
			t.Fatalf("state %s", state)
		}
		if got := f.chosen(0); got != 0 {
			t.Fatal("no attempt was made")
		}
		for range 50 {
			if got := f.chosen(0); got != 1 {
				t.Fatal("a second attempt while one is under way")
			}
		}
		a.failed(errRefused)
		a.failed(errRefused) // of a request that was under way before
	}
	f.clock = f.clock.Add(15 * time.Second)
	if got := f.chosen(0); got != 0 {
		t.Fatal("no attempt was made")
	}
	a.connected()
	if !a.circuit.closed() || a.circuit.level.Load() != 0 || strings.Count(f.log.String(), "connected to again") != 1 {
		t.Errorf("state %v, logged\n%s", a.state(), &f.log)
	}
}

func TestAnAttemptOfWhichNobodyHearsDoesNotKeepACircuitOpenForEver(t *testing.T) {
	t.Parallel()
	f := newFleet(2)
	f.fail(0, errRefused)
	f.clock = f.clock.Add(2 * time.Second)
	if f.chosen(0) != 0 || f.chosen(0) != 1 {
		t.Fatal("not one attempt")
	}
	f.clock = f.clock.Add(f.probeWait())
	if f.chosen(0) != 0 {
		t.Error("no other attempt is made")
	}
}

func TestWhereAllCircuitsAreOpen(t *testing.T) {
	t.Parallel()
	t.Run("addresses that do not answer are left alone, and the client is told when to come back", func(t *testing.T) {
		t.Parallel()
		f := newFleet(2)
		for i, a := range f.addresses {
			f.fail(i, a.timeout("could not be connected to", settingConnect, time.Second))
		}
		if got := f.chosen(0); got != -1 {
			t.Fatalf("address %d", got)
		}
		status, after := Answer(f.unavailable())
		if status != 503 || after < time.Second || after > 2*time.Second {
			t.Errorf("%d, Retry-After %v", status, after)
		}
	})
	t.Run("an address that refuses at once is asked, once for each request", func(t *testing.T) {
		t.Parallel()
		f := newFleet(2)
		f.fail(0, errRefused)
		f.fail(1, errRefused)
		first := f.chosen(0)
		if first < 0 || f.chosen(1<<first) >= 0 {
			t.Errorf("address %d, and then %d", first, f.chosen(1<<first))
		}
	})
}

func TestUnhealthyAddressesGetRequestsOnlyWhenNoneIsHealthyAndTheLogSaysWhy(t *testing.T) {
	t.Parallel()
	f := newFleet(2)
	f.addresses[0].decideHealth(errors.New("it answered GET / with 401"), 0, 3)
	for range 50 {
		if got := f.chosen(0); got != 1 {
			t.Fatal("an unhealthy address gets requests")
		}
	}
	f.addresses[1].decideHealth(errors.New("it answered GET / with 401"), 0, 3)
	seen := map[int]bool{}
	for range 50 {
		seen[f.chosen(0)] = true
	}
	if !seen[0] || !seen[1] || seen[-1] {
		t.Errorf("all are unhealthy, and requests go to %v", seen)
	}
	if strings.Count(f.log.String(), "every address of an application is unhealthy") != 1 || !strings.Contains(f.log.String(), "with 401") {
		t.Errorf("logged\n%s", &f.log)
	}
	f.addresses[0].decideHealth(nil, 2, 0)
	for range 50 {
		if got := f.chosen(0); got != 0 {
			t.Fatal("the healthy address is not the only one")
		}
	}
	if strings.Count(f.log.String(), "get no more requests") != 1 {
		t.Errorf("logged\n%s", &f.log)
	}
	f.fail(0, errRefused)
	if got := f.chosen(0); got != 1 {
		t.Error("an unhealthy address is better than none that can be connected to")
	}
}

func TestHealthChangesAfterAsManyChecksInARowAsConfigured(t *testing.T) {
	t.Parallel()
	bad := errors.New("bad")
	for name, c := range map[string]struct {
		checks string // + passes, - fails
		want   Health
	}{
		"before any check":                            {"", HealthUnknown},
		"one that passes is enough to begin with":     {"+", Healthy},
		"too few failures to begin with":              {"--", HealthUnknown},
		"enough failures to begin with":               {"---", Unhealthy},
		"too few failures":                            {"+--", Healthy},
		"failures with one that passes between them":  {"+--+--", Healthy},
		"enough failures":                             {"+---", Unhealthy},
		"too few that pass":                           {"+---+", Unhealthy},
		"those that pass with a failure between them": {"+---+-+", Unhealthy},
		"enough that pass":                            {"+---++", Healthy},
	} {
		f := newFleet(1)
		a, passed, failed := f.addresses[0], 0, 0
		for _, check := range c.checks {
			if check == '+' {
				passed, failed = passed+1, 0
				a.decideHealth(nil, passed, failed)
			} else {
				passed, failed = 0, failed+1
				a.decideHealth(bad, passed, failed)
			}
		}
		if got := a.state(); got.Health != c.want || (got.Problem != "") != (c.want == Unhealthy) {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestChoosingAnAddressAllocatesNothing(t *testing.T) { // not parallel: it counts allocations
	f := newFleet(8)
	if n := testing.AllocsPerRun(100, func() { f.choose(0) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkChoose(b *testing.B) {
	for name, count := range map[string]int{"1 address": 1, "3 addresses": 3, "64 addresses": 64} {
		b.Run(name, func(b *testing.B) {
			f := newFleet(count)
			b.ReportAllocs()
			var none atomic.Bool
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					a, _ := f.choose(0)
					if a == nil {
						none.Store(true)
						return
					}
					a.inFlight.Add(1)
					a.inFlight.Add(-1)
				}
			})
			if none.Load() {
				b.Fatal("none was chosen")
			}
		})
	}
}

// answering is a transport that answers at once.
type answering struct{}

func (answering) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Request: r, Body: io.NopCloser(nil)}, nil
}

func (answering) CloseIdleConnections() {}

// BenchmarkRoundTrip is what addresses add to a round trip. Two allocations are the transport's here.
func BenchmarkRoundTrip(b *testing.B) {
	for name, count := range map[string]int{"1 address": 1, "3 addresses": 3} {
		b.Run(name, func(b *testing.B) {
			f := newFleet(count)
			for _, a := range f.addresses {
				a.transport = answering{}
			}
			r, err := http.NewRequestWithContext(b.Context(), http.MethodGet, "http://10.0.0.1:80/", nil)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				response, err := f.Send(r, http1.Whole{Request: r})
				if err != nil {
					b.Fatal(err)
				}
				response.Body.Close()
			}
		})
	}
}

// One person can have the gate run out of files or ports, with WebSockets to one application. That says nothing of the
// others, to which idle connections may be open.
func TestThatTheGateHasRunOutOfSomethingOpensNoCircuit(t *testing.T) {
	t.Parallel()
	failure := func(ip string, errno syscall.Errno) error {
		return &net.OpError{Op: "dial", Net: "tcp", Addr: &net.TCPAddr{IP: net.ParseIP(ip), Port: 80}, Err: os.NewSyscallError("connect", errno)}
	}
	for name, c := range map[string]struct {
		err   error
		opens bool
	}{
		"no more files":                     {failure("10.0.0.1", syscall.EMFILE), false},
		"no more files of the machine":      {failure("10.0.0.1", syscall.ENFILE), false},
		"no memory for a socket":            {failure("10.0.0.1", syscall.ENOBUFS), false},
		"no more ports":                     {failure("10.0.0.1", syscall.EADDRNOTAVAIL), false},
		"nothing listens":                   {failure("10.0.0.1", syscall.ECONNREFUSED), true},
		"IPv6 on a machine that has none":   {failure("2001:db8::1", syscall.EADDRNOTAVAIL), true},
		"something that nobody can tell of": {errors.New("broken"), true},
	} {
		a := &address{url: "http://10.0.0.1:80", now: time.Now, log: slog.New(slog.DiscardHandler)}
		for range circuitThreshold {
			a.failed(c.err)
		}
		if a.circuit.closed() == c.opens {
			t.Errorf("%s: the circuit opens: %v", name, !c.opens)
		}
	}
}
