package hostile

import (
	"context"
	"io"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"
)

// Each attacker has an address of its own, and so have the others. Their p99 may be worse by what it costs to share two
// processors with the attackers' side of the test: the bound is 3 times that of the quiet parts of the same run and
// 20 ms. Other work on the machine can only make it worse, so one of three rounds has to keep to it.
func TestHostileClientsDoNotMoveTheP99OfOthers(t *testing.T) {
	w := start(t)
	people := w.client(t, "127.0.0.2")
	measure(t, people, 200*time.Millisecond) // connections are made, here and to the application
	noticed, held := map[string]int{}, false
	for round := 0; round < 3 && !held; round++ {
		held, noticed = w.attacked(t, people)
	}
	if !held {
		t.Error("the p99 of others is out of bounds in three rounds")
	}
	for _, a := range attacks {
		if noticed[a.shown] == 0 {
			t.Errorf("%s are not counted under %q: %v", a.name, a.shown, noticed)
		}
	}
	if open := noticed["connections"]; open > 250 {
		t.Errorf("%d connections are open while the gate is attacked", open)
	}
	w.awaitQuiet(t)
}

// attacked reports whether people are served as before while the gate is attacked, and what it counted by then.
func (w *world) attacked(t *testing.T, people *http.Client) (bool, map[string]int) {
	t.Helper()
	before := measure(t, people, 1500*time.Millisecond)
	ctx, cancel := context.WithCancel(t.Context())
	var attackers sync.WaitGroup
	for _, a := range attacks {
		for range a.many {
			attackers.Go(func() { a.run(ctx, w) })
		}
	}
	during := measure(t, people, 4*time.Second)
	noticed := w.counts(t)
	cancel()
	attackers.Wait()
	after := measure(t, people, 1500*time.Millisecond)
	bound := 3*max(before, after) + 20*time.Millisecond
	t.Logf("p99 %v before, %v during, %v after, bound %v; counted %v", before, during, after, bound, noticed)
	return during <= bound, noticed
}

// awaitQuiet waits until the connections of the attackers are gone.
func (w *world) awaitQuiet(t *testing.T) {
	t.Helper()
	tooLate := time.After(5 * time.Second)
	for open := w.counts(t)["connections"]; open > 10; open = w.counts(t)["connections"] {
		select {
		case <-tooLate:
			t.Fatalf("%d connections are left behind", open)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// measure asks again and again, and returns the time that 99 of 100 requests take at most. Every one must be answered.
func measure(t *testing.T, client *http.Client, d time.Duration) time.Duration {
	t.Helper()
	var took []time.Duration
	for end := time.Now().Add(d); time.Now().Before(end); {
		begun := time.Now()
		response, err := client.Get("https://" + host + "/")
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		response.Body.Close()
		if err != nil || response.StatusCode != http.StatusOK || string(body) != "hello" {
			t.Fatalf("status %d, %q, %v", response.StatusCode, body, err)
		}
		took = append(took, time.Since(begun))
		<-time.After(2 * time.Millisecond) // people do not ask without a break
	}
	slices.Sort(took)
	return took[len(took)*99/100]
}
