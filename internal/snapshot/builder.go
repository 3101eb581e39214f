package snapshot

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/issuer"
	"github.com/gatehouse-iap/gatehouse/internal/session"
	"github.com/gatehouse-iap/gatehouse/internal/upstream"
)

// Builder rebuilds the snapshot from the change feed. Its methods other than Wake belong to one goroutine.
type Builder struct {
	Source Source
	// CompileKeys parses signing keys, reusing those of the previous set.
	CompileKeys func(keys []issuer.Key, previous *issuer.KeySet) (*issuer.KeySet, error)
	// SessionsEnded hears of every session that was ended anywhere, once for all that a reading brought: whoever
	// ends the sessions of a whole company must not wait for each.
	SessionsEnded func(ids ...session.ID)
	// Refreshed hears of every reading: how long it took, and whether it changed what requests see; nil for nobody.
	Refreshed func(took time.Duration, changed bool, err error)
	Now       func() time.Time
	Log       *slog.Logger
	// Poll is how often the position is confirmed without being woken.
	Poll time.Duration
	// Coalesce is the least time between two rebuilds: a burst of changes costs one.
	Coalesce time.Duration

	pools  upstream.Pools
	reload atomic.Bool // the files of upstreams are to be read again
	wake   chan struct{}
}

// NewBuilder returns a builder with the usual times: confirmed every 5 s, at most one rebuild in 50 ms.
func NewBuilder(source Source) *Builder {
	return &Builder{
		Source: source, Now: time.Now, Log: slog.Default(), SessionsEnded: func(...session.ID) {},
		Poll: 5 * time.Second, Coalesce: 50 * time.Millisecond, wake: make(chan struct{}, 1),
	}
}

// Wake tells the builder that something was committed. It never blocks and may be called from anywhere.
func (b *Builder) Wake() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// Start builds the first snapshot into h. Its error means that what is stored cannot be served.
func (b *Builder) Start(ctx context.Context, h *Holder) error {
	b.pools.Log, b.pools.Now = b.Log, b.Now
	return b.refresh(ctx, h)
}

// Run keeps h up to date until the context ends. A reading that fails leaves the snapshot as it is, is logged,
// and is tried again; that nothing is confirmed meanwhile closes the gate in the end.
func (b *Builder) Run(ctx context.Context, h *Holder) {
	timer := time.NewTimer(b.Poll)
	defer timer.Stop()
	defer b.pools.Run(ctx)() // health checks
	for {
		select {
		case <-ctx.Done():
			return
		case <-b.wake:
		case <-timer.C:
		}
		wait := b.Poll
		before := h.Current().Position
		if err := b.refresh(ctx, h); err != nil && ctx.Err() == nil {
			b.Log.Error("the policy that requests see could not be brought up to date", "position", before, "error", err)
			wait = min(wait, time.Second)
		}
		timer.Reset(wait)
		if h.Current().Position != before {
			b.pause(ctx)
		}
	}
}

// pause lets a burst gather.
func (b *Builder) pause(ctx context.Context) {
	timer := time.NewTimer(b.Coalesce)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// refresh brings the snapshot up to date, and says how that went.
func (b *Builder) refresh(ctx context.Context, h *Holder) error {
	if b.Refreshed == nil {
		return b.read(ctx, h)
	}
	before, began := h.Current(), time.Now()
	err := b.read(ctx, h)
	if err == nil || ctx.Err() == nil {
		b.Refreshed(time.Since(began), h.Current() != before, err)
	}
	return err
}

// read reads what has changed since the current snapshot and publishes its successor.
func (b *Builder) read(ctx context.Context, h *Holder) error {
	previous := h.Current()
	var next *Snapshot
	var ended []session.ID
	asked := b.Now()
	err := b.Source.Read(ctx, func(view View) error {
		var err error
		if previous == nil {
			next, err = b.buildAll(ctx, view)
			return err
		}
		next, ended, err = b.buildChanges(ctx, view, previous)
		return err
	})
	if len(ended) > 0 {
		b.SessionsEnded(ended...)
	}
	if err != nil {
		return fmt.Errorf("reading the store: %w", err)
	}
	if b.reload.Swap(false) {
		next = b.withReloaded(next)
	}
	h.confirm(asked)
	if next != previous {
		h.publish(next)
	}
	return nil
}
