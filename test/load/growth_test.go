package load

import (
	"net/http"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/gatehouse-iap/gatehouse/test/harness"
)

// appearance is what a gate holds at a moment.
type appearance struct {
	resident   int64 // bytes
	goroutines int
}

var (
	healthAddress = regexp.MustCompile(`(?m)^admin: \{address: "([^"]+)"\}`)
	goroutines    = regexp.MustCompile(`(?m)^go_goroutines (\S+)$`)
)

func (s *soak) look(t *testing.T) appearance {
	t.Helper()
	address := healthAddress.FindStringSubmatch(s.site.Read(t, "gatehouse.yaml"))
	if address == nil {
		t.Fatal("the configuration has no address for metrics")
	}
	metrics := harness.Get(t, http.DefaultClient, "http://"+address[1]+"/metrics")
	count := goroutines.FindStringSubmatch(metrics.Text)
	if count == nil {
		t.Fatalf("/metrics has no go_goroutines: %d\n%s", metrics.StatusCode, metrics.Text)
	}
	n, err := strconv.ParseFloat(count[1], 64)
	if err != nil {
		t.Fatal(err)
	}
	return appearance{resident(t, []int{s.pid}), int(n)}
}

// flat compares the last third of the time with the second: the first is for caches and pools to fill.
func (s *soak) flat(t *testing.T) {
	begun := time.Now()
	third := time.Until(s.end) / 3
	var memory, routines [3][]int64
	for !s.over() {
		now := s.look(t)
		i := min(2, int(time.Since(begun)/third))
		memory[i], routines[i] = append(memory[i], now.resident>>10), append(routines[i], int64(now.goroutines))
		time.Sleep(third / 20)
	}
	for what, of := range map[string][3][]int64{"KiB resident": memory, "goroutines": routines} {
		middle, last := median(of[1]), median(of[2])
		t.Logf("%s: %d, then %d, then %d", what, median(of[0]), middle, last)
		if last > middle+middle/4 {
			t.Errorf("%s grow: %d in the second third of the time, %d in the last", what, middle, last)
		}
	}
}

// settle waits until what the load left behind is gone.
func (s *soak) settle(t *testing.T, before appearance) {
	t.Helper()
	const some = 20 // connections that are kept for the next request
	tooLate := time.Now().Add(harness.Patience)
	for {
		now := s.look(t)
		if now.goroutines <= before.goroutines+some {
			t.Logf("%d goroutines before, %d after; %d MB before, %d MB after", before.goroutines, now.goroutines, before.resident>>20, now.resident>>20)
			return
		}
		if time.Now().After(tooLate) {
			t.Fatalf("%d goroutines before the load, %d long after it", before.goroutines, now.goroutines)
		}
		time.Sleep(100 * time.Millisecond)
	}
}
