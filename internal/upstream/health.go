package upstream

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"time"
)

// health is what the checks of an address have found.
type health struct {
	check   HealthCheck
	state   atomic.Int32
	problem atomic.Pointer[string] // why it is not healthy
}

// An address that no check has decided about yet gets requests: the gate comes up before its first check is back.
const (
	healthUnknown int32 = iota
	healthy
	unhealthy
)

func (h *health) usable() bool { return h.state.Load() != unhealthy }

func (h *health) inherit(from *health) {
	h.state.Store(from.state.Load())
	h.problem.Store(from.problem.Load())
}

// watchHealth checks an address until the context ends. after is time.After.
func (a *address) watchHealth(ctx context.Context, after func(time.Duration) <-chan time.Time) {
	check := a.health.check
	var passed, failed int // one after another
	for {
		next := after(check.Interval) // from the beginning of one check to that of the next
		err := a.checkHealth(ctx)
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			passed, failed = passed+1, 0
		} else {
			passed, failed = 0, failed+1
		}
		a.decideHealth(err, passed, failed)
		select {
		case <-ctx.Done():
			return
		case <-next:
		}
	}
}

// decideHealth draws the conclusion from the newest of several checks, and says in the log when that changes it.
func (a *address) decideHealth(err error, passed, failed int) {
	h := &a.health
	was := h.state.Load()
	switch {
	case err == nil && was == healthUnknown:
		h.state.Store(healthy)
	case err == nil && was == unhealthy && passed >= h.check.Healthy:
		h.problem.Store(nil)
		h.state.Store(healthy)
		a.log.Info("an address of an application is healthy again", "upstream", a.url)
	case err != nil && was != unhealthy && failed >= h.check.Unhealthy:
		text := err.Error()
		h.problem.Store(&text)
		h.state.Store(unhealthy)
		a.log.Warn("an address of an application is unhealthy; it gets no requests while another one is healthy", "upstream", a.url, "error", err)
	case err != nil && was == unhealthy:
		text := err.Error()
		h.problem.Store(&text)
	}
}

// maxHealthBody is what is read of the answer to a check, so that its connection can be used again.
const maxHealthBody = 64 << 10

// checkHealth asks the address once. The request is the gate's own: it has nobody's name, and follows no redirect.
func (a *address) checkHealth(ctx context.Context) error {
	check := a.health.check
	ctx, cancel := context.WithTimeout(ctx, check.Timeout)
	defer cancel()
	scheme := "http" // also for h2c
	if a.secure {
		scheme = "https"
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, scheme+"://"+a.hostport+check.Path, nil)
	if err != nil {
		return err
	}
	r.Host = check.Host // empty for the address
	r.Header.Set("User-Agent", "gatehouse-health-check")
	response, err := a.transport.RoundTrip(r)
	if err != nil {
		if ctx.Err() != nil {
			return fmt.Errorf("it did not answer GET %s within %s (healthCheck.timeoutSec)", check.Path, check.Timeout)
		}
		return explain(err, a.secure)
	}
	defer response.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, maxHealthBody)) // the status has said it
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("it answered GET %s with %d, and 200 is healthy: a check has nobody's name, so healthCheck.requestPath must be a path that needs none",
			check.Path, response.StatusCode)
	}
	return nil
}
