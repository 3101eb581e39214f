package listener

import (
	"testing"
	"time"
)

func TestMemoryIsGivenBackAfterABurstOfConnectionsAndNotBefore(t *testing.T) {
	t.Parallel()
	var (
		pauses    []func()
		givenBack int
	)
	b := &burst{
		after:    func(_ time.Duration, over func()) { pauses = append(pauses, over) },
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
	add(1)
	passes()
	if givenBack != 2 {
		t.Fatalf("after the next burst: given back %d times", givenBack)
	}
}
