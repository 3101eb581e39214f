package bearer

import (
	"crypto/sha256"
	"encoding/binary"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// reuse is for how long a proved token is not proved again.
	reuse = 5 * time.Minute
	// ways is how many tokens share a place in the cache.
	ways = 4
)

// DefaultCapacity keeps some 4 MB at most.
const DefaultCapacity = 8 << 10

// digest names a token.
type digest [sha256.Size]byte

func digestOf(token string) digest {
	var space [2048]byte // holds every token that we mint, so that nothing is allocated
	return sha256.Sum256(append(space[:0], token...))
}

// cache keeps proved tokens: a table of fixed size whose places are read and written by atomic pointers, so that
// requests never wait for each other. A token that loses its place is proved again.
type cache struct {
	once sync.Once
	sets []set // a power of two
}

type set [ways]atomic.Pointer[proof]

func (c *cache) set(d digest) *set {
	return &c.sets[binary.LittleEndian.Uint64(d[:])&uint64(len(c.sets)-1)]
}

// ready sizes the table at the first use.
func (c *cache) ready(capacity int) {
	c.once.Do(func() {
		if capacity <= 0 {
			capacity = DefaultCapacity
		}
		size := 1
		for size*ways < capacity {
			size *= 2
		}
		c.sets = make([]set, size)
	})
}

// get returns what is known about a token; nil when nothing is.
func (c *cache) get(d digest) *proof {
	set := c.set(d)
	for i := range set {
		if p := set[i].Load(); p != nil && p.digest == d {
			return p
		}
	}
	return nil
}

// put keeps a proof in the place of an older one of the same token, of one that is over, or of the one that is over
// first.
func (c *cache) put(p *proof, now time.Time) {
	set := c.set(p.digest)
	victim, first := &set[0], time.Time{}
	for i := range set {
		kept := set[i].Load()
		if kept == nil || kept.digest == p.digest || !now.Before(kept.until) {
			victim = &set[i]
			break
		}
		if first.IsZero() || kept.until.Before(first) {
			victim, first = &set[i], kept.until
		}
	}
	victim.Store(p)
}
