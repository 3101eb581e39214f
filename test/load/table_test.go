package load

import (
	"cmp"
	"flag"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

var (
	write  = flag.String("write", "", "also write the table to this file")
	micro  = flag.String("micro", "", "output of go test -bench, to be written beside the table")
	rounds = flag.Int("rounds", 13, "how often each proxy is measured, in turn with the others")
	only   = flag.String("only", "", "measure only scenarios whose name contains this")
	length = flag.Duration("length", 750*time.Millisecond, "how long each measurement takes")

	against = flag.String("against", "", "another gatehouse program that takes its turns beside the one under test, to tell what a change is worth")
)

// scenario is what is asked of every proxy.
type scenario struct {
	name        string
	connect     func() dial
	tls         bool
	connections int
	rate        int // for latencies, per second; 0 measures none
	only        func(s subject) bool
}

func scenarios() []scenario {
	return []scenario{
		{"HTTP/1.1, 1 KiB", func() dial { return overHTTP1("/bytes/1024") }, false, 32, 1000, nil},
		{"HTTP/1.1, 100 KiB", func() dial { return overHTTP1("/bytes/102400") }, false, 32, 300, nil},
		{"TLS, 1 KiB", func() dial { return overTLS("/bytes/1024") }, true, 32, 1000, nil},
		{"HTTP/2 over TLS, 1 KiB", func() dial { return overHTTP2("/bytes/1024") }, true, 32, 500, nil},
		{"WebSocket, messages of 64 bytes", func() dial { return overWebSocket("/echo") }, false, 32, 1000, nil},
	}
}

// measurement is one proxy under one scenario, a value for each round.
type measurement struct {
	subject  string
	cpu      []time.Duration // of the proxy, per exchange
	p50, p99 []time.Duration
	memory   int64 // bytes, the most of all rounds
}

// BenchmarkTable measures every proxy in every scenario. Rounds take turns, in an order that is drawn, so that what
// else the machine does falls on all alike; ratios are made within a round.
func BenchmarkTable(b *testing.B) {
	if b.N > 1 {
		b.Fatal("one run is the measurement: give -benchtime=1x")
	}
	app := startApplication(b, loadCore)
	c := newCertificate(b)
	_, _, cookie, bearer := startGate(b, app, c, proxyCore)
	subjects := []subject{startNginx(b, app, c), startBareProxy(b, app, c), cookie, bearer}
	if *against != "" {
		subjects = append(subjects, startOther(b, *against, app, c)...)
	}
	for _, program := range peersOf(os.Environ()) {
		subjects = append(subjects, startPeer(b, program, app))
	}
	pinSelf(b, loadCore)
	report := report{machine: describeMachine(b)}
	for _, s := range scenarios() {
		if !strings.Contains(s.name, *only) {
			continue
		}
		report.results = append(report.results, result{s.name, s.measure(b, subjects)})
		b.Logf("%s: done", s.name)
	}
	if *micro != "" {
		report.micro = readMicro(b, *micro)
	}
	text := report.markdown()
	b.Log("\n" + text)
	if *write != "" {
		if err := os.WriteFile(*write, []byte(text), 0o644); err != nil {
			b.Fatal(err)
		}
	}
}

func (s scenario) measure(t testing.TB, subjects []subject) []measurement {
	t.Helper()
	var taking []subject
	for _, subject := range subjects {
		if !s.tls || subject.tls.address != "" {
			taking = append(taking, subject)
		}
	}
	measured := make([]measurement, len(taking))
	connect := s.connect()
	for range *rounds {
		for _, i := range rand.Perm(len(taking)) {
			m, subject := &measured[i], taking[i]
			to := subject.plain
			if s.tls {
				to = subject.tls
			}
			asFastAsItGoes(t, connect, to, s.connections, *length/8) // connections, caches and pools are there
			before := spent(t, subject.pids)
			all := asFastAsItGoes(t, connect, to, s.connections, *length)
			cpu := spent(t, subject.pids) - before
			m.subject = subject.name
			m.cpu = append(m.cpu, cpu/time.Duration(max(1, all.exchanges)))
			m.memory = max(m.memory, resident(t, subject.pids))
			if s.rate > 0 {
				timed := atRate(t, connect, to, s.connections, s.rate, *length)
				m.p50, m.p99 = append(m.p50, timed.quantile(0.5)), append(m.p99, timed.quantile(0.99))
			}
		}
	}
	return measured
}

func median[T cmp.Ordered](values []T) T {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}
