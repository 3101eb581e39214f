package load

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-iap/gatehouse/test/harness"
)

// report is docs/performance.md.
type report struct {
	machine string
	results []result
	micro   []string
}

type result struct {
	scenario string
	measured []measurement
}

const preface = `# Performance

Written by ` + "`make bench`" + `: measured, not typed. Every number of a table comes from one run, in which the proxies took turns.
The proxy has one core to itself; the load and the application share another. Gatehouse runs as ` + "`gatehouse serve`" + ` does, with
its decision log and metrics on; nginx (` + "`proxy_pass`" + ` with kept connections, no access log) and the bare
` + "`httputil.ReverseProxy`" + ` ask nobody who they are.
Other proxies do: [their programs](../test/load/peers) say how they are set up.

- **CPU** is what the proxy's processes spent per request, the median of the rounds; **× nginx** and **× ReverseProxy** are the
  medians of the ratios within each round, with the least and the most in parentheses. Trust the ratios: the microseconds are this machine's.
- **per core** is what one core would carry at that CPU.
- **p50** and **p99** are measured from the moment that a request was due, on a timetable far below what the proxy can carry.
- **memory** is what the proxy's processes held at most while they were measured, of all scenarios so far.

`

func (r report) markdown() string {
	var b strings.Builder
	b.WriteString(preface)
	fmt.Fprintf(&b, "Machine: %s.\n", r.machine)
	for _, result := range r.results {
		fmt.Fprintf(&b, "\n## %s\n\n| proxy | CPU | per core | × nginx | × ReverseProxy | p50 | p99 | p99 × nginx | memory |\n|---|---|---|---|---|---|---|---|---|\n", result.scenario)
		nginx, bare := result.measured[0], result.measured[1]
		for _, m := range result.measured {
			cpu := median(m.cpu)
			fmt.Fprintf(&b, "| %s | %.1f µs | %d/s | %s | %s | %s | %s | %s | %.0f MB |\n", m.subject, microseconds(cpu), int(time.Second/max(1, cpu)),
				ratio(m.cpu, nginx.cpu), ratio(m.cpu, bare.cpu), milliseconds(m.p50), milliseconds(m.p99), ratio(m.p99, nginx.p99), float64(m.memory)/(1<<20))
		}
	}
	if len(r.micro) > 0 {
		b.WriteString("\n## Steps of a request\n\n`go test -bench` on the same machine. **× bare ECDSA** is how many times `ecdsa.VerifyASN1` alone a step takes, both measured in turns:\n" +
			"the median, with the least and the most of ten parts of the run.\n\n" +
			"| step | time | bytes | allocations | × bare ECDSA |\n|---|---|---|---|---|\n")
		for _, row := range r.micro {
			b.WriteString(row + "\n")
		}
	}
	return b.String()
}

func microseconds(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

func milliseconds(rounds []time.Duration) string {
	if len(rounds) == 0 {
		return "–"
	}
	return fmt.Sprintf("%.2f ms", float64(median(rounds))/float64(time.Millisecond))
}

// ratio compares round by round.
func ratio(of, to []time.Duration) string {
	if len(of) == 0 || len(of) != len(to) {
		return "–"
	}
	ratios := make([]float64, len(of))
	for i := range of {
		ratios[i] = float64(of[i]) / float64(max(1, to[i]))
	}
	return fmt.Sprintf("%.2f (%.2f–%.2f)", median(ratios), slices.Min(ratios), slices.Max(ratios))
}

// readMicro takes the rows out of what go test -bench printed. Without -cpu the name ends with the number of cores.
func readMicro(t testing.TB, file string) (rows []string) {
	t.Helper()
	content, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer content.Close()
	pkg := ""
	lines := bufio.NewScanner(content)
	for lines.Scan() {
		if name, found := strings.CutPrefix(lines.Text(), "pkg: "); found {
			pkg = strings.TrimPrefix(strings.TrimPrefix(name, "github.com/gatehouse-iap/gatehouse/"), "internal/")
		}
		fields := strings.Fields(lines.Text())
		if len(fields) < 4 || !strings.HasPrefix(fields[0], "Benchmark") {
			continue
		}
		value := map[string]string{"ns/op": "–", "B/op": "–", "allocs/op": "–"}
		for i := 2; i+1 < len(fields); i += 2 {
			value[fields[i+1]] = fields[i]
		}
		name, _, _ := strings.Cut(strings.TrimPrefix(fields[0], "Benchmark"), "-")
		rows = append(rows, fmt.Sprintf("| %s %s | %s ns | %s | %s | %s |", pkg, name, value["ns/op"], value["B/op"], value["allocs/op"], timesBare(value)))
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	if len(rows) == 0 {
		t.Fatalf("%s holds no results of go test -bench", file)
	}
	return rows
}

// timesBare shows what BenchmarkVerifyFirst of the assertion module reports, and a dash for all others.
func timesBare(value map[string]string) string {
	if value["×bare"] == "" {
		return "–"
	}
	return fmt.Sprintf("%s (%s–%s)", value["×bare"], value["least×bare"], value["most×bare"])
}

func describeMachine(t testing.TB) string {
	t.Helper()
	model := "unknown processor"
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		if _, rest, found := strings.Cut(string(text), "model name"); found {
			model = strings.TrimSpace(strings.TrimLeft(strings.SplitN(rest, "\n", 2)[0], "\t :"))
		}
	}
	kernel, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		t.Fatal(err)
	}
	nginx, err := exec.Command(harness.Program(t, "nginx"), "-v").CombinedOutput()
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%s, %d cores, Linux %s, %s, %s", model, runtime.NumCPU(), strings.TrimSpace(string(kernel)), runtime.Version(),
		strings.TrimSpace(strings.TrimPrefix(string(nginx), "nginx version: ")))
}
