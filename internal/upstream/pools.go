package upstream

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"
)

// Pools are the upstreams in use by configuration, and their addresses. Only the snapshot's builder uses it, from one
// goroutine.
type Pools struct {
	Log   *slog.Logger                         // nil is the default
	Now   func() time.Time                     // nil is time.Now
	After func(time.Duration) <-chan time.Time // nil is time.After; health checks wait for it

	open      map[Config]*Upstream
	addresses map[Config]*address // by configurations with one URL
	kept      map[Config]error    // why what the files hold now is not in use; the upstream is the one before

	checking context.Context // of health checks; nil until Run
	checks   sync.WaitGroup
}

// Run begins the health checks, and returns what waits for their end, which is that of the context.
func (p *Pools) Run(ctx context.Context) (wait func()) {
	p.checking = ctx
	for _, a := range p.addresses {
		p.check(a)
	}
	return p.checks.Wait
}

// check begins the checks of an address that has some. Each address has its own, so that a slow one delays no other.
func (p *Pools) check(a *address) {
	if p.checking == nil || a.health.check.Path == "" || a.stop != nil {
		return
	}
	after := p.After
	if after == nil {
		after = time.After
	}
	ctx, stop := context.WithCancel(p.checking)
	a.stop = stop
	p.checks.Go(func() { a.watchHealth(ctx, after) })
}

// Keep returns the upstreams for the wanted configurations, which are canonical, with the addresses that are there
// already, their connections and what is known of them. It closes the idle connections of addresses that nobody wants
// any more; exchanges under way on them go on to their end. An upstream that cannot be used is there all the same, with
// its Problem.
func (p *Pools) Keep(wanted map[Config]struct{}) map[Config]*Upstream {
	upstreams := make(map[Config]*Upstream, len(wanted))
	before := p.addresses
	p.addresses = make(map[Config]*address, len(before))
	for config := range wanted {
		for _, single := range config.single() {
			if a, found := before[single]; found {
				p.addresses[single] = a
			}
		}
	}
	for config := range wanted {
		up, found := p.open[config]
		if !found {
			up = p.newUpstream(config)
		}
		upstreams[config] = up
	}
	for config := range p.open {
		if _, wanted := upstreams[config]; !wanted {
			delete(p.kept, config)
		}
	}
	for single, a := range before {
		if _, wanted := p.addresses[single]; !wanted {
			a.close()
		}
	}
	p.open = upstreams
	return maps.Clone(upstreams)
}

// newUpstream makes the upstream of a configuration of the addresses that are there, and of new ones. It connects to
// nothing but for health checks.
func (p *Pools) newUpstream(config Config) *Upstream {
	u := &Upstream{Scheme: "http", Address: config.URL, Host: config.Host, timeouts: config.Timeouts, now: p.now(), log: p.log()}
	var addresses []*address
	for _, single := range config.single() {
		a, found := p.addresses[single]
		if !found {
			var err error
			if a, err = p.newAddress(single); err != nil {
				u.Problem = err
				return u
			}
			p.addresses[single] = a
			p.check(a)
		}
		addresses = append(addresses, a)
	}
	if len(addresses) > MaxAddresses {
		u.Problem = fmt.Errorf("the upstream has %d addresses, and %d is the most", len(addresses), MaxAddresses)
		return u
	}
	u.addresses, u.Address = addresses, addresses[0].hostport
	if addresses[0].secure {
		u.Scheme = "https"
	}
	u.h2c, u.multiplexed = addresses[0].h2c, addresses[0].h2c || addresses[0].secure
	return u
}

// Problems are why upstreams cannot be used, or not as their files are now; nil when all is well.
func (p *Pools) Problems() (problems map[Config]error) {
	note := func(config Config, err error) {
		if problems == nil {
			problems = map[Config]error{}
		}
		problems[config] = err
	}
	for config, up := range p.open {
		if up.Problem != nil {
			note(config, fmt.Errorf("requests are answered with 502: %w", up.Problem))
		} else if err := p.kept[config]; err != nil {
			note(config, fmt.Errorf("it stays as it was: %w", err))
		}
	}
	return problems
}

// Reload reads the files of all upstreams again and returns the upstreams that take the places of others: those
// whose files hold something else by now. Where they cannot be used any more, the upstream stays as it was, and the
// reason is in problems. A new one of the same kind replaces an upstream that has a Problem.
func (p *Pools) Reload() (changed map[Config]*Upstream, problems map[Config]error) {
	changed, problems = map[Config]*Upstream{}, map[Config]error{}
	for config, old := range p.open {
		if len(config.Files()) == 0 {
			continue
		}
		if err := p.reloadAddresses(config); err != nil {
			problems[config] = err
			if old.Problem == nil {
				continue
			}
		}
		fresh := p.newUpstream(config)
		if fresh.Problem != nil {
			problems[config] = fresh.Problem
		}
		if old.Problem == nil && slices.Equal(fresh.addresses, old.addresses) {
			continue
		}
		p.open[config], changed[config] = fresh, fresh
	}
	p.kept = problems
	return changed, problems
}

// reloadAddresses replaces those addresses of an upstream whose files hold something else: all of them or none.
func (p *Pools) reloadAddresses(config Config) error {
	replaced := map[Config]*address{}
	for _, single := range config.single() {
		old, found := p.addresses[single]
		if !found {
			continue // newUpstream makes it
		}
		fresh, err := p.newAddress(single)
		if err != nil {
			return err
		}
		if fresh.digest == old.digest {
			continue
		}
		fresh.health.inherit(&old.health)
		fresh.circuit.inherit(&old.circuit)
		replaced[single] = fresh
	}
	for single, fresh := range replaced {
		p.addresses[single].close()
		p.addresses[single] = fresh
		p.check(fresh)
	}
	return nil
}

// close ends the checks of an address, and the connections on which nothing is under way.
func (a *address) close() {
	if a.stop != nil {
		a.stop()
	}
	a.transport.CloseIdleConnections()
}

func (p *Pools) now() func() time.Time {
	if p.Now == nil {
		return time.Now
	}
	return p.Now
}

func (p *Pools) log() *slog.Logger {
	if p.Log == nil {
		return slog.Default()
	}
	return p.Log
}
