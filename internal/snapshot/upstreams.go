package snapshot

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/catalog"
	"github.com/gatehouse-iap/gatehouse/internal/resource"
	"github.com/gatehouse-iap/gatehouse/internal/upstream"
)

// UpstreamConfig is how the application of a service is reached.
func UpstreamConfig(service catalog.Service) upstream.Config {
	config := upstream.Config{URL: strings.Join(service.UpstreamURLs(), " "), Host: service.UpstreamHost}
	if t := service.UpstreamTimeouts; t != nil {
		config.Timeouts = upstream.Timeouts{Connect: seconds(t.ConnectSec), FirstByte: seconds(t.FirstByteSec), Idle: seconds(t.IdleSec)}
	}
	if service.HealthCheck != nil {
		c := service.HealthCheck.WithDefaults()
		config.HealthCheck = upstream.HealthCheck{
			Path: c.RequestPath, Host: c.Host, Interval: seconds(c.CheckIntervalSec), Timeout: seconds(c.TimeoutSec),
			Healthy: int(c.HealthyThreshold), Unhealthy: int(c.UnhealthyThreshold),
		}
	}
	if t := service.UpstreamTLS; t != nil {
		config.TLS = upstream.TLS{
			CAFile: t.CAFile, ServerName: t.ServerName, CertFile: t.CertFile, KeyFile: t.KeyFile,
			InsecureSkipVerify: t.InsecureSkipVerify,
		}
	}
	return config.Canonical()
}

func seconds(n int64) time.Duration { return time.Duration(n) * time.Second }

// UpstreamFiles lists the files that the upstreams of all services name, sorted: what is to be watched.
func (s *Snapshot) UpstreamFiles() []string {
	files := map[string]struct{}{}
	for _, served := range s.served {
		for _, file := range UpstreamConfig(served.Service).Files() {
			files[file] = struct{}{}
		}
	}
	return slices.Sorted(maps.Keys(files))
}

// UpstreamFaults says which upstreams cannot be used, or not as their files are now, by service; nil when all is well.
func (s *Snapshot) UpstreamFaults() []string { return s.upstreamFaults }

// UpstreamState is what is known of the addresses of a service's application.
type UpstreamState struct {
	Service   catalog.Service
	Addresses []upstream.AddressState
}

// Upstreams tells the state of all addresses as it is now, in the order of the services' names.
func (s *Snapshot) Upstreams() []UpstreamState {
	states := make([]UpstreamState, 0, len(s.served))
	for _, served := range s.served {
		states = append(states, UpstreamState{served.Service, served.Upstream.Addresses()})
	}
	slices.SortFunc(states, func(a, b UpstreamState) int { return strings.Compare(a.Service.Name, b.Service.Name) })
	return states
}

// faults gathers the problems of the pools for a snapshot's services.
func (b *Builder) faults(served map[resource.Name]*Served) (faults []string) {
	problems := b.pools.Problems()
	if problems == nil {
		return nil
	}
	for _, s := range served {
		if problem := problems[UpstreamConfig(s.Service)]; problem != nil {
			faults = append(faults, fmt.Sprintf("service %s: %v", s.Service.Name, problem))
		}
	}
	slices.Sort(faults)
	return faults
}

// report says in the log what is wrong with the way to an application that has come into the view.
func (b *Builder) report(before, now *Served) {
	b.reportCookieDomain(before, now)
	if insecure(now) && (before == nil || !insecure(before)) {
		b.Log.Warn("the certificate of this application is NOT verified: whoever can reach the network between can read and change everything; "+
			"name its authority in upstreamTls.caFile and take upstreamTls.insecureSkipVerify out",
			"service", now.Service.Name, "upstream", now.where())
	}
	if problem := now.Upstream.Problem; problem != nil {
		b.Log.Error("an application cannot be reached: requests to it are answered with 502 until this is put right and the configuration is reloaded",
			"service", now.Service.Name, "upstream", now.where(), "error", problem)
	}
}

// where is the application, as its administrator wrote it.
func (s *Served) where() string { return strings.Join(s.Service.UpstreamURLs(), " ") }

func insecure(s *Served) bool {
	return s.Service.UpstreamTLS != nil && s.Service.UpstreamTLS.InsecureSkipVerify
}

// ReloadFiles makes the builder read the files that upstreams name again. It never blocks and may be called from
// anywhere. What changed counts for requests that come later; a file that went bad leaves its upstream as it was.
func (b *Builder) ReloadFiles() {
	b.reload.Store(true)
	b.Wake()
}

// withReloaded returns the snapshot with the upstreams whose files have changed.
func (b *Builder) withReloaded(s *Snapshot) *Snapshot {
	changed, problems := b.pools.Reload()
	next := *s
	next.served = maps.Clone(s.served)
	for name, served := range s.served {
		config := UpstreamConfig(served.Service)
		fresh, found := changed[config]
		if problem := problems[config]; problem != nil && !found {
			b.Log.Error("the files of an upstream cannot be used; it stays as it was, until the next start",
				"service", served.Service.Name, "upstream", served.where(), "error", problem)
		}
		if !found {
			continue
		}
		replaced := *served
		replaced.Upstream = fresh
		next.served[name] = &replaced
		if fresh.Problem == nil {
			b.Log.Info("the files of an upstream were read again", "service", served.Service.Name, "upstream", served.where())
		} else {
			b.report(served, &replaced)
		}
	}
	next.upstreamFaults = b.faults(next.served)
	if len(changed) == 0 && slices.Equal(next.upstreamFaults, s.upstreamFaults) {
		return s
	}
	return &next
}
