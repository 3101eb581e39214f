package session

import (
	"maps"
	"sync"
	"sync/atomic"
	"time"
)

// shardCount is the number of parts into which table and revocations are cut, so that requests on different
// cores do not wait for each other. Ids are random and sealed: nobody can aim at one shard.
const shardCount = 64

func shardOf(id ID) int { return int(id[0]) % shardCount }

// revocationMemory is how long the end of a session is remembered at least: long enough that every read of the
// store that began before the end has come back or been given up (storeTimeout). After it, the next sweep takes
// what is left of the session and its children out of memory, and only then is the end forgotten.
const revocationMemory = time.Minute

// revocations remembers which sessions have ended, and when. Reading takes no lock: a shard is replaced as a
// whole. Its zero value is ready for use.
type revocations struct {
	mu     sync.Mutex // held to replace shards
	shards [shardCount]atomic.Pointer[map[ID]int64]
}

// has reports whether a session has ended.
func (r *revocations) has(id ID) bool {
	ended := r.shards[shardOf(id)].Load()
	if ended == nil {
		return false
	}
	_, found := (*ended)[id]
	return found
}

// add remembers that sessions ended.
func (r *revocations) add(now time.Time, ids ...ID) {
	var byShard [shardCount][]ID
	for _, id := range ids {
		if !id.IsZero() { // the parent of those that have none
			byShard[shardOf(id)] = append(byShard[shardOf(id)], id)
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, ids := range byShard {
		if len(ids) == 0 {
			continue
		}
		next := make(map[ID]int64)
		if ended := r.shards[i].Load(); ended != nil {
			next = maps.Clone(*ended)
		}
		for _, id := range ids {
			next[id] = now.UnixMicro()
		}
		r.shards[i].Store(&next)
	}
}

// prune forgets what had ended long enough before a sweep began. Call it after that sweep.
func (r *revocations) prune(sweepBegan time.Time) {
	before := sweepBegan.Add(-revocationMemory).UnixMicro()
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range r.shards {
		ended := r.shards[i].Load()
		if ended == nil {
			continue
		}
		next := maps.Clone(*ended)
		maps.DeleteFunc(next, func(_ ID, at int64) bool { return at < before })
		switch {
		case len(next) == 0:
			r.shards[i].Store(nil)
		case len(next) < len(*ended):
			r.shards[i].Store(&next)
		}
	}
}
