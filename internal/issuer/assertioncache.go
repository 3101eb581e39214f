package issuer

import (
	"crypto/sha256"
	"errors"
	"sync"
	"time"
)

// assertionShards is a power of two; the first byte of a digest chooses among them.
const assertionShards = 64

// assertionCache is sharded, so that requests for different people do not wait for one lock, and bounded.
type assertionCache struct {
	shards [assertionShards]assertionShard
}

// assertionShard holds two generations. When the young one is full it becomes the old one, and what nobody asked
// for since the last such change is gone: bounded, and close to least-recently-used, without a list to maintain.
type assertionShard struct {
	mu       sync.Mutex
	capacity int // of one generation
	young    map[[sha256.Size]byte]*signing
	old      map[[sha256.Size]byte]*signing

	signed, reused uint64
}

// signing is one assertion, finished or under way.
type signing struct {
	from  time.Time // when it was signed
	until time.Time // the first moment at which it is not handed out any more

	done     chan struct{} // closed when the fields below are set
	prepared *Prepared
	err      error
}

func newAssertionCache(capacity int) *assertionCache {
	c := &assertionCache{}
	for i := range c.shards {
		c.shards[i].capacity = max(1, capacity/assertionShards/2)
	}
	return c
}

// get returns what is kept under a digest, or signs it; requests that miss at the same time share one signing.
func (c *assertionCache) get(digest [sha256.Size]byte, job signingJob) (*Prepared, error) {
	shard := &c.shards[digest[0]%assertionShards]
	entry, mine := shard.claim(digest, job)
	if mine {
		return shard.fill(digest, entry, job)
	}
	<-entry.done
	return entry.prepared, entry.err
}

// claim returns the usable entry of a digest, or makes a new one that the caller must fill.
func (s *assertionShard) claim(digest [sha256.Size]byte, job signingJob) (entry *signing, mine bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	entry, found := s.young[digest]
	if !found {
		if entry, found = s.old[digest]; found {
			delete(s.old, digest)
			s.put(digest, entry)
		}
	}
	if found && entry.fresh(job.now) {
		s.reused++
		return entry, false
	}
	s.signed++
	entry = &signing{done: make(chan struct{}), from: job.now, until: job.until()}
	s.put(digest, entry)
	return entry, true
}

func (s *assertionShard) put(digest [sha256.Size]byte, entry *signing) {
	if _, found := s.young[digest]; !found && len(s.young) >= s.capacity {
		s.old, s.young = s.young, nil
	}
	if s.young == nil {
		s.young = make(map[[sha256.Size]byte]*signing)
	}
	s.young[digest] = entry
}

// fill signs outside the lock. A failure is told to those who wait, and kept for nobody else.
func (s *assertionShard) fill(digest [sha256.Size]byte, entry *signing, job signingJob) (*Prepared, error) {
	entry.err = errors.New("signing was broken off")
	defer func() {
		if entry.err != nil {
			s.drop(digest, entry)
		}
		close(entry.done)
	}()
	entry.prepared, entry.err = job.run()
	return entry.prepared, entry.err
}

func (s *assertionShard) drop(digest [sha256.Size]byte, entry *signing) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, generation := range []map[[sha256.Size]byte]*signing{s.young, s.old} {
		if generation[digest] == entry {
			delete(generation, digest)
		}
	}
}

// fresh reports whether an assertion may be handed out at a moment. A clock that was set back must not
// meet an iat in its future.
func (e *signing) fresh(now time.Time) bool {
	return now.Before(e.until) && now.Sub(e.from) >= -assertionBackdate
}
