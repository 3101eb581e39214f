package bearer

import (
	"crypto/sha256"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/issuer"
)

const (
	// reuse is for how long a verified token is not verified again.
	reuse = 5 * time.Minute
	// shards is a power of two; the first byte of a digest chooses among them.
	shards = 16
)

// digest names a token.
type digest [sha256.Size]byte

func digestOf(token string) digest {
	var space [2048]byte // holds every token that we mint, so that nothing is allocated
	return sha256.Sum256(append(space[:0], token...))
}

// cache keeps verified tokens. What was verified under one key set is forgotten with it, so that withdrawing a
// key ends its tokens at once.
type cache struct {
	capacity int
	current  atomic.Pointer[generation]
}

// generation is what has been verified under one key set.
type generation struct {
	keys   *issuer.KeySet
	shards [shards]shard
}

// shard holds two halves: when the young one is full it becomes the old one, and what nobody asked for since the
// last such change is gone.
type shard struct {
	mu         sync.Mutex
	capacity   int // of one half
	young, old map[digest]entry
}

type entry struct {
	verified Verified
	audience string // for which it was verified; no other counts
	kid      string
	until    time.Time
}

// generation returns the one of a key set, and starts it where another key set was last in use.
func (c *cache) generation(keys *issuer.KeySet) *generation {
	current := c.current.Load()
	if current != nil && current.keys == keys {
		return current
	}
	fresh := &generation{keys: keys}
	for i := range fresh.shards {
		fresh.shards[i].capacity = max(1, c.capacity/shards/2)
	}
	c.current.CompareAndSwap(current, fresh) // a loser's generation serves its one request
	return fresh
}

// holds reports whether a token has been verified lately, even if it would not be now.
func (g *generation) holds(d digest) bool {
	s := &g.shards[d[0]%shards]
	s.mu.Lock()
	defer s.mu.Unlock()
	_, young := s.young[d]
	_, old := s.old[d]
	return young || old
}

// get returns what a token proves to one audience, if it was verified lately and still holds.
func (g *generation) get(d digest, audience string, now time.Time) (Verified, bool) {
	s := &g.shards[d[0]%shards]
	s.mu.Lock()
	defer s.mu.Unlock()
	kept, found := s.young[d]
	if !found {
		if kept, found = s.old[d]; !found {
			return Verified{}, false
		}
		delete(s.old, d)
		s.add(d, kept)
	}
	if kept.audience != audience || !now.Before(kept.until) || kept.verified.IssuedAt.After(now.Add(skew)) {
		return Verified{}, false
	}
	// Time alone ends the publication of a key.
	if _, verifiable := g.keys.Verifiable(issuer.IDToken, kept.kid, now); !verifiable {
		return Verified{}, false
	}
	return kept.verified, true
}

// put keeps e for at most reuse, and not beyond its token's own end.
func (g *generation) put(d digest, e entry, now time.Time) {
	e.until = now.Add(reuse)
	if e.verified.Expires.Before(e.until) {
		e.until = e.verified.Expires
	}
	s := &g.shards[d[0]%shards]
	s.mu.Lock()
	defer s.mu.Unlock()
	s.add(d, e)
}

func (s *shard) add(d digest, e entry) {
	if _, found := s.young[d]; !found && len(s.young) >= s.capacity {
		s.old, s.young = s.young, nil
	}
	if s.young == nil {
		s.young = make(map[digest]entry)
	}
	s.young[d] = e
}
