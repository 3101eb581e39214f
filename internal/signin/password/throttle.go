package password

import (
	"net/netip"
	"sync"
	"time"
)

// The throttle counts wrong attempts in buckets: by account, by the network that the attempt came from, and for a
// browser that is known to the account, in a bucket of its own instead. After some free attempts each further wrong
// one doubles the wait, up to maxWait. Attempts during the wait are not looked at and do not prolong it, or an
// attacker could keep a bucket closed for ever. An hour without any empties it.
const (
	firstWait = time.Second
	maxWait   = 15 * time.Minute
	forget    = time.Hour

	freePerAccount = 5
	freePerDevice  = 5
	// freePerPeer is larger: a company's people may share one address.
	freePerPeer = 100

	// maxBuckets bounds each kind of bucket.
	maxBuckets = 10_000
)

// bucket counts the wrong attempts that share a key.
type bucket struct {
	wrong int
	last  time.Time // when the last was counted
	next  time.Time // when the next may be looked at
}

// buckets are those of one kind.
type buckets struct {
	free  int
	byKey map[string]*bucket
}

type throttle struct {
	now func() time.Time

	mu                      sync.Mutex
	accounts, peers, device buckets
}

func newThrottle(now func() time.Time) *throttle {
	return &throttle{
		now:      now,
		accounts: buckets{freePerAccount, make(map[string]*bucket)},
		peers:    buckets{freePerPeer, make(map[string]*bucket)},
		device:   buckets{freePerDevice, make(map[string]*bucket)},
	}
}

// place is where an attempt was counted.
type place struct {
	in  *buckets
	key string
}

// places returns where an attempt counts.
func (t *throttle) places(a Attempt) []place {
	if a.Device != "" {
		return []place{{&t.device, a.Device}}
	}
	places := []place{{&t.peers, peerKey(a.Peer)}}
	if a.Account != "" {
		places = append(places, place{&t.accounts, a.Account})
	}
	return places
}

// peerKey returns the network that an address stands for: itself, or the /64 that one customer of IPv6 has.
func peerKey(peer netip.Addr) string {
	peer = peer.Unmap().WithZone("")
	if peer.Is6() {
		if network, err := peer.Prefix(64); err == nil {
			return network.String()
		}
	}
	return peer.String()
}

// begin counts an attempt as wrong, or returns how long to wait when it must not be looked at yet.
func (t *throttle) begin(a Attempt) (counted []place, wait time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	places := t.places(a)
	for _, p := range places {
		if b := p.in.byKey[p.key]; b != nil {
			wait = max(wait, b.next.Sub(now))
		}
	}
	if wait > 0 {
		return nil, wait
	}
	for _, p := range places {
		p.in.bucket(p.key, now).count(now, p.in.free)
	}
	return places, 0
}

// forgive takes back what begin counted: the attempt was right, or was never looked at.
func (t *throttle) forgive(counted []place) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, p := range counted {
		b := p.in.byKey[p.key]
		if b == nil {
			continue
		}
		b.next = time.Time{}
		if b.wrong--; b.wrong <= 0 {
			delete(p.in.byKey, p.key)
		}
	}
}

// count notes one wrong attempt.
func (b *bucket) count(now time.Time, free int) {
	b.wrong++
	b.last = now
	if b.wrong < free {
		return
	}
	wait := maxWait
	if doublings := b.wrong - free; doublings < 10 { // 2^10 s is more than maxWait
		wait = min(maxWait, firstWait<<doublings)
	}
	b.next = now.Add(wait)
}

// bucket returns the bucket of a key, emptied if it had been quiet for long.
func (s *buckets) bucket(key string, now time.Time) *bucket {
	b := s.byKey[key]
	if b != nil && now.Sub(b.last) < forget {
		return b
	}
	if b == nil && len(s.byKey) >= maxBuckets {
		s.evict(now)
	}
	b = &bucket{}
	s.byKey[key] = b
	return b
}

// evict makes room: of a few buckets, which the map hands out in no order that one could aim at, it drops the
// one with the fewest wrong attempts. A flood of new keys so pushes out itself, not the bucket under attack.
func (s *buckets) evict(now time.Time) {
	const sample = 16
	var victim string
	var least *bucket
	seen := 0
	for key, b := range s.byKey {
		if now.Sub(b.last) >= forget {
			delete(s.byKey, key)
			return
		}
		if least == nil || b.wrong < least.wrong || b.wrong == least.wrong && b.last.Before(least.last) {
			victim, least = key, b
		}
		if seen++; seen == sample {
			break
		}
	}
	delete(s.byKey, victim)
}
