package assertion

import (
	"crypto/ecdsa"
	"strings"
	"sync"
)

const (
	cacheShards = 16
	// defaultCacheSize holds a minute's assertions of some thousand busy people in a few megabytes.
	defaultCacheSize = 4096
)

// cache remembers assertions whose signature and claims were found good, and by which key. What changes with
// time (expiry, the key being withdrawn) is not its business: the Verifier asks again at each use. Only
// verified assertions come in, so that a stranger cannot fill it.
//
// The map is keyed by the whole assertion and not by a digest of it: the runtime's keyed hash and one comparison
// take a fraction of the time of SHA-256 over 600 bytes, and a comparison cannot collide.
type cache struct {
	shards [cacheShards]shard
	limit  int // per shard and generation
}

// shard keeps two generations. When the younger is full it becomes the older one, whose entries are forgotten
// unless they were used meanwhile: bounded, and without a list to maintain at each use.
type shard struct {
	mu             sync.RWMutex
	younger, older map[string]*verified
}

type verified struct {
	claims *Claims
	key    *ecdsa.PublicKey
}

func newCache(size int) *cache {
	return &cache{limit: max(1, size/(2*cacheShards))}
}

// shard is chosen by characters of the signature, which are as good as random.
func (c *cache) shard(token string) *shard {
	n := len(token)
	if n < 4 {
		return &c.shards[0]
	}
	return &c.shards[(token[n-3]^token[n-4]<<1)%cacheShards]
}

func (c *cache) get(token string) *verified {
	s := c.shard(token)
	s.mu.RLock()
	v, old := s.younger[token], false
	if v == nil {
		v = s.older[token]
		old = v != nil
	}
	s.mu.RUnlock()
	if old {
		c.put(token, v)
	}
	return v
}

func (c *cache) put(token string, v *verified) {
	s := c.shard(token)
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.younger) >= c.limit {
		s.older, s.younger = s.younger, nil
	}
	if s.younger == nil {
		s.younger = make(map[string]*verified)
	}
	// The caller's string may be a piece of a much larger one.
	s.younger[strings.Clone(token)] = v
}

func (c *cache) remove(token string) {
	s := c.shard(token)
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.younger, token)
	delete(s.older, token)
}
