package oauthserver

import (
	"math"
	"mime"
	"net/http"
	"net/netip"
	"strconv"
	"sync"
	"time"
)

// The limiter lets a network make a burst of requests, and some every second after that. A company's programs may share
// one address, so the numbers are large; what fails counts as several.
const (
	burst     = 300.0
	perSecond = 30.0
	// failure is what a refused request costs besides: thirty guesses, then three a second.
	failure = 9
	// maxNetworks bounds how many are counted at once.
	maxNetworks = 10_000
)

type limiter struct {
	mu       sync.Mutex
	networks map[netip.Prefix]*allowance
}

type allowance struct {
	left float64
	at   time.Time
}

// take counts a request, or returns how long to wait when the network has made too many.
func (l *limiter) take(peer netip.Addr, cost float64, now time.Time) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	a := l.allowance(networkOf(peer), now)
	if a.left < 1 {
		return time.Duration((1 - a.left) / perSecond * float64(time.Second))
	}
	a.left -= cost
	return 0
}

// charge counts what a request cost besides.
func (l *limiter) charge(peer netip.Addr, cost float64, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.allowance(networkOf(peer), now).left -= cost
}

func (l *limiter) allowance(network netip.Prefix, now time.Time) *allowance {
	a := l.networks[network]
	if a == nil {
		if l.networks == nil {
			l.networks = map[netip.Prefix]*allowance{}
		}
		if len(l.networks) >= maxNetworks {
			l.evict(now)
		}
		a = &allowance{left: burst, at: now}
		l.networks[network] = a
	}
	a.left = math.Min(burst, a.left+now.Sub(a.at).Seconds()*perSecond)
	a.at = now
	return a
}

// evict drops, of a few networks that the map hands out in no order that one could aim at, the one that is furthest from
// its limit: a flood of new addresses pushes out itself.
func (l *limiter) evict(now time.Time) {
	const sample = 16
	var victim netip.Prefix
	most, seen := math.Inf(-1), 0
	for network, a := range l.networks {
		if left := a.left + now.Sub(a.at).Seconds()*perSecond; left > most {
			victim, most = network, left
		}
		if seen++; seen == sample {
			break
		}
	}
	delete(l.networks, victim)
}

// networkOf returns the network that an address stands for: itself, or the /64 that one customer of IPv6 has.
func networkOf(peer netip.Addr) netip.Prefix {
	peer = peer.Unmap().WithZone("")
	bits := 32
	if peer.Is6() {
		bits = 64
	}
	network, _ := peer.Prefix(bits) // no address at all: all of those share one allowance
	return network
}

func tooMany(w http.ResponseWriter, wait time.Duration) *fault {
	w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(wait.Seconds()))))
	return &fault{http.StatusTooManyRequests, errRateLimit, "there were too many requests from this address; ID tokens last an hour, so keep them"}
}

func mediaType(header string) string {
	kind, _, err := mime.ParseMediaType(header)
	if err != nil {
		return ""
	}
	return kind
}
