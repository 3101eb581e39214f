package listener

import (
	"testing"
	"time"
)

func TestMemoryIsGivenBackAfterABurstOfConnectionsAndNotBefore(t *testing.T) {
	t.Parallel()
	var (
		pauses    []func()
		pause     time.Duration // the last one's
		givenBack int
	)
	now := time.Unix(1<<30, 0)
	b := &burst{
		now:      func() time.Time { return now },
		after:    func(d time.Duration, over func()) { pause, pauses = d, append(pauses, over) },
		giveBack: func() { givenBack++ },
	}
	add := func(count int) {
		for range count {
			b.add()
		}
	}
	passes := func() {
		over := pauses
		pauses = nil
		for _, f := range over {
			f()
		}
	}
	add(burstSize - 1)
	if len(pauses) != 0 {
		t.Fatal("few connections are taken for a burst")
	}
	add(1)
	add(burstSize)
	passes()
	if len(pauses) != 1 || givenBack != 0 {
		t.Fatalf("while many come: %d pauses waited for, given back %d times", len(pauses), givenBack)
	}
	add(burstRest)
	passes()
	if len(pauses) != 0 || givenBack != 1 {
		t.Fatalf("after the burst: %d pauses waited for, given back %d times", len(pauses), givenBack)
	}
	add(burstSize - 1)
	if len(pauses) != 0 {
		t.Fatal("the few since then are taken for a burst")
	}
	if pause != burstPause {
		t.Fatalf("the end of the first burst is waited for for %v", pause)
	}
	now = now.Add(10 * time.Second)
	add(1)
	if pause != burstEvery-10*time.Second {
		t.Fatalf("ten seconds after memory was given back, the end of the next burst is waited for for %v", pause)
	}
	now = now.Add(pause)
	passes()
	if givenBack != 2 {
		t.Fatalf("after the next burst: given back %d times", givenBack)
	}
}
