package snapshot

import (
	"context"
	"sync/atomic"
	"time"
)

// Holder keeps the current snapshot behind one atomic pointer.
type Holder struct {
	published atomic.Pointer[publication]
	confirmed atomic.Int64 // Unix nanoseconds when the store last confirmed the position
}

type publication struct {
	snapshot *Snapshot
	replaced chan struct{} // closed when a newer one is published
}

// Current returns the snapshot that requests read now; nil before the first one.
func (h *Holder) Current() *Snapshot {
	if p := h.published.Load(); p != nil {
		return p.snapshot
	}
	return nil
}

// Confirmed returns when the store last said that the current snapshot is up to date.
func (h *Holder) Confirmed() time.Time { return time.Unix(0, h.confirmed.Load()) }

// Settle waits until requests see the change at a position of the feed, or returns the context's error.
func (h *Holder) Settle(ctx context.Context, position int64) error {
	for {
		p := h.published.Load()
		if p == nil {
			return context.Canceled // the builder has not started: nothing will ever be seen
		}
		if p.snapshot.Position >= position {
			return nil
		}
		select {
		case <-p.replaced:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Replaced returns a channel that is closed when the current snapshot is replaced. Before the first one there is none.
func (h *Holder) Replaced() <-chan struct{} {
	if p := h.published.Load(); p != nil {
		return p.replaced
	}
	return nil
}

func (h *Holder) publish(s *Snapshot) {
	before := h.published.Swap(&publication{snapshot: s, replaced: make(chan struct{})})
	if before != nil {
		close(before.replaced)
	}
}

func (h *Holder) confirm(now time.Time) { h.confirmed.Store(now.UnixNano()) }
