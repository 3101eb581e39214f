package listener

import (
	"runtime/debug"
	"sync/atomic"
	"time"
)

const (
	// burstSize is how many new connections leave enough behind to be worth a collection.
	burstSize = 1000
	// burstPause is how long hardly any may come until a burst counts as over, and burstRest how many still may: those
	// of who checks our health, and of the odd person.
	burstPause = time.Second
	burstRest  = 10
	// burstEvery is how much time there is at least between two collections. They cost everybody, and connections that
	// say nothing cost who opens them next to nothing.
	burstEvery = time.Minute
)

// burst gives memory back after many connections have come, as when everybody connects again to a gate that was
// restarted. A handshake of TLS leaves behind more than the connection needs from then on, and the runtime keeps that
// room for what may come: where the connections are idle, nothing does.
type burst struct {
	now      func() time.Time
	after    func(time.Duration, func())
	giveBack func()
	come     atomic.Int64 // connections since memory was given back
	given    time.Time    // when it was; belongs to whoever awaits the end of the burst
}

func newBurst() *burst {
	return &burst{now: time.Now, after: func(d time.Duration, f func()) { time.AfterFunc(d, f) }, giveBack: debug.FreeOSMemory}
}

// add notes one more connection.
func (b *burst) add() {
	if b.come.Add(1) == burstSize {
		b.awaitEnd(burstSize)
	}
}

// awaitEnd gives memory back after a pause in which hardly any connection has come besides those known.
func (b *burst) awaitEnd(known int64) {
	b.after(max(burstPause, burstEvery-b.now().Sub(b.given)), func() {
		if come := b.come.Load(); come > known+burstRest {
			b.awaitEnd(come)
			return
		}
		b.given = b.now()
		b.come.Store(0)
		b.giveBack()
	})
}
