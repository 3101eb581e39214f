package metrics

import (
	"maps"
	"sync"
	"sync/atomic"

	"github.com/gatehouse-iap/gatehouse/internal/resource"
)

// maxResources is how many resources have series of their own; all later ones share that of "other".
const maxResources = 1000

// byResource finds what is bound for a resource in an immutable map: readers share no lock.
type byResource[T any] struct {
	new   func(label string) *T
	bound atomic.Pointer[map[resource.Name]*T]
	mu    sync.Mutex // held while a resource gets its own
}

// other is the key of what all further resources share; no resource has that name.
const other resource.Name = "\x00other"

func (b *byResource[T]) of(name resource.Name) *T {
	if bound := b.bound.Load(); bound != nil {
		if found := (*bound)[name]; found != nil {
			return found
		}
		if len(*bound) >= maxResources {
			if found := (*bound)[other]; found != nil {
				return found
			}
		}
	}
	return b.bind(name)
}

func (b *byResource[T]) bind(name resource.Name) *T {
	b.mu.Lock()
	defer b.mu.Unlock()
	next := map[resource.Name]*T{}
	if bound := b.bound.Load(); bound != nil {
		if found := (*bound)[name]; found != nil {
			return found
		}
		next = maps.Clone(*bound)
	}
	label := string(name)
	switch {
	case name == "":
		label = "none"
	case len(next) >= maxResources:
		if found := next[other]; found != nil {
			return found
		}
		name, label = other, "other"
	}
	added := b.new(label)
	next[name] = added
	b.bound.Store(&next)
	return added
}
