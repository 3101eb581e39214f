package upstream

import (
	"sync"
	"sync/atomic"
	"time"
)

// stall calls a function once nothing has happened for a while. Noting that something has is one write to memory; the
// timer looks whether it was.
type stall struct {
	limit time.Duration
	fire  func()
	began time.Time
	last  atomic.Int64 // when something happened, since began; zero while nobody waits

	mu      sync.Mutex // of the timer
	timer   *time.Timer
	stopped bool
}

func newStall(limit time.Duration, fire func()) *stall {
	return &stall{limit: limit, fire: fire, began: time.Now()}
}

// note says that something has happened just now, and that it is waited for more.
func (s *stall) note() { s.last.Store(int64(time.Since(s.began)) + 1) }

// pause says that nothing is waited for.
func (s *stall) pause() { s.last.Store(0) }

// start lets the time run. It may be called again.
func (s *stall) start() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.timer == nil && !s.stopped {
		s.timer = time.AfterFunc(s.limit, s.look)
	}
}

// stop ends it. The function may be under way still.
func (s *stall) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopped = true
	if s.timer != nil {
		s.timer.Stop()
	}
}

func (s *stall) look() {
	left := s.limit
	if last := s.last.Load(); last != 0 {
		left -= time.Since(s.began) - time.Duration(last)
	}
	s.mu.Lock()
	stopped := s.stopped
	if !stopped && left > 0 {
		s.timer.Reset(left)
	}
	s.mu.Unlock()
	if !stopped && left <= 0 {
		s.fire()
	}
}
