package session

import (
	"sync"
	"sync/atomic"
)

// shard is one part of the table. Entries are evicted by CLOCK: the hand passes over those that were used since
// it came by last.
type shard struct {
	mu      sync.RWMutex
	entries map[ID]*entry
	ring    []*entry
	hand    int
	loading map[ID]*load
	// unsaved holds when evicted sessions were last used, until the store knows.
	unsaved map[ID]int64
}

// entry is one session. Its record never changes.
type entry struct {
	record  Record
	seen    atomic.Int64 // last use, in microseconds
	written atomic.Int64 // last use as the store knows it
	used    atomic.Bool  // since the clock's hand came by
	slot    int          // in the ring
}

// insert adds an entry, in place of one that has not been used lately when the shard is full.
func (s *shard) insert(e *entry, capacity int) {
	if s.entries == nil {
		s.entries = make(map[ID]*entry)
		s.unsaved = make(map[ID]int64)
	}
	e.used.Store(true)
	for len(s.ring) >= capacity {
		s.evict()
	}
	e.slot = len(s.ring)
	s.ring = append(s.ring, e)
	s.entries[e.record.ID] = e
}

// maxUnsaved bounds the times of use that a shard keeps for evicted sessions. They are written every half
// minute; with more than this many, a session may be found idle a little early.
const maxUnsaved = 4096

func (s *shard) evict() {
	for {
		if s.hand >= len(s.ring) {
			s.hand = 0
		}
		e := s.ring[s.hand]
		if e.used.CompareAndSwap(true, false) {
			s.hand++
			continue
		}
		if seen := e.seen.Load(); seen > e.written.Load() && len(s.unsaved) < maxUnsaved {
			s.unsaved[e.record.ID] = seen
		}
		s.remove(e)
		return
	}
}

// remove takes an entry out; the last of the ring takes its place.
func (s *shard) remove(e *entry) {
	last := len(s.ring) - 1
	s.ring[e.slot] = s.ring[last]
	s.ring[e.slot].slot = e.slot
	s.ring[last] = nil
	s.ring = s.ring[:last]
	delete(s.entries, e.record.ID)
}
