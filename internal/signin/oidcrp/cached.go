package oidcrp

import (
	"context"
	"sync"
	"time"
)

// cached is something that a provider publishes, fetched when it is needed. It is fetched once for all who wait; when
// it grows old it is fetched anew in the background while the old one serves, and only when it is too old is it
// waited for.
type cached[T any] struct {
	fetch func(ctx context.Context) (T, error)
	now   func() time.Time
	// failed hears of fetches in the background that fail.
	failed func(error)

	mu      sync.Mutex
	value   T
	fetched time.Time // zero before the first
	tried   time.Time
	err     error // of the last try
	flight  chan struct{}
}

const (
	// freshFor is how long a published document is used without looking again: how long a key that a provider
	// withdraws is still taken.
	freshFor = 15 * time.Minute
	// usableFor is how long it serves when the provider does not answer.
	usableFor = 24 * time.Hour
	// retryAfter spaces tries while nothing is there, refreshEvery those that an unknown key asks for.
	retryAfter   = 5 * time.Second
	refreshEvery = time.Minute
)

// get returns what is published, not older than usableFor.
func (c *cached[T]) get(ctx context.Context) (T, error) {
	c.mu.Lock()
	age := c.now().Sub(c.fetched)
	usable := !c.fetched.IsZero() && age < usableFor
	if usable {
		if age >= freshFor && c.now().Sub(c.tried) >= refreshEvery && c.flight == nil {
			c.start(ctx)
		}
		defer c.mu.Unlock()
		return c.value, nil
	}
	if c.flight == nil {
		if c.err != nil && c.now().Sub(c.tried) < retryAfter {
			defer c.mu.Unlock()
			return c.value, c.err
		}
		c.start(ctx)
	}
	return c.wait(ctx)
}

// renew returns what is published now, or, when that was asked less than a minute ago, what was published then.
func (c *cached[T]) renew(ctx context.Context) (T, error) {
	c.mu.Lock()
	if c.flight == nil {
		if c.now().Sub(c.tried) < refreshEvery {
			defer c.mu.Unlock()
			return c.value, nil
		}
		c.start(ctx)
	}
	return c.wait(ctx)
}

// wait gives c.mu back and waits for the fetch in flight.
func (c *cached[T]) wait(ctx context.Context) (T, error) {
	flight := c.flight
	c.mu.Unlock()
	select {
	case <-flight:
	case <-ctx.Done():
		var none T
		return none, context.Cause(ctx)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.value, c.err
}

// start fetches in the background: that whoever asked goes away does not fail the others. c.mu is held.
func (c *cached[T]) start(ctx context.Context) {
	flight := make(chan struct{})
	c.flight, c.tried = flight, c.now()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), requestTimeout)
	go func() {
		defer cancel()
		value, err := c.fetch(ctx)
		c.mu.Lock()
		if c.err = err; err == nil {
			c.value, c.fetched = value, c.now()
		}
		c.flight = nil
		c.mu.Unlock()
		close(flight)
		if err != nil {
			c.failed(err)
		}
	}()
}

// heard tells somebody how each fetch went.
func heard[T any](fetch func(context.Context) (T, error), hear func(error)) func(context.Context) (T, error) {
	return func(ctx context.Context) (T, error) {
		value, err := fetch(ctx)
		hear(err)
		return value, err
	}
}
