package footprint

import (
	"slices"
	"testing"
	"time"

	"github.com/gatehouse-iap/gatehouse/test/harness"
)

const (
	maxStart     = 300 * time.Millisecond
	maxIdleBytes = 40 << 20
)

// The best of a few starts: the slower ones measure what else the machine was doing.
func TestDevAnswersWithin300Milliseconds(t *testing.T) {
	var starts []time.Duration
	for range 5 {
		gate := harness.Start(t)
		starts = append(starts, gate.Started)
		gate.Stop(t)
	}
	t.Logf("from start to ready file: %v", starts)
	if best := slices.Min(starts); best > maxStart {
		t.Errorf("gatehouse dev takes %v to answer, more than %v", best, maxStart)
	}
}

func TestAnIdleGateStaysUnder40Megabytes(t *testing.T) {
	gate := harness.Start(t)
	// One sign-in's worth of work, so that what is measured is a gate that has been used.
	answer := harness.Get(t, harness.Client(nil), gate.App+"/", "Authorization", "Bearer "+gate.IdentityToken(t, harness.Alice))
	if answer.StatusCode != 200 {
		t.Fatalf("status %d", answer.StatusCode)
	}
	used := harness.ResidentBytes(t, gate.Ready.PID)
	t.Logf("resident: %.1f MB", float64(used)/(1<<20))
	if used > maxIdleBytes {
		t.Errorf("an idle gate holds %.1f MB, more than 40", float64(used)/(1<<20))
	}
}

// The reserve of its heap is address space, and no memory.
func TestAGateThatServesStaysUnder40MegabytesUntilSomebodyComes(t *testing.T) {
	site := harness.NewSite(t)
	site.Init(t, "--host=app.localhost", "--auth-host=auth.localhost", "--domain=example.com", "--upstream=http://127.0.0.1:9")
	gate := site.Serve(t)
	used := harness.ResidentBytes(t, gate.PID())
	t.Logf("resident: %.1f MB", float64(used)/(1<<20))
	if used > maxIdleBytes {
		t.Errorf("a gate that serves nobody holds %.1f MB, more than 40", float64(used)/(1<<20))
	}
}
