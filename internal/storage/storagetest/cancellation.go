package storagetest

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"sync"
	"testing"

	"github.com/gatehouse-iap/gatehouse/internal/admin"
	"github.com/gatehouse-iap/gatehouse/internal/signin"
)

func cancellationSentences() []sentence {
	return []sentence{
		{"a context that ends at any moment leaves all or nothing", allOrNothing},
		{"a failed statement ends its transaction, also when its error is ignored", failureSticks},
		{"in sign-in, too, a failed statement ends its transaction", failureSticksInSignIn},
		{"a context that ended before the commit undoes everything", endedBeforeCommit},
		{"waiting for one's turn to write ends with the context", waitingEnds},
	}
}

// countdown is a context that ends when it has been looked at a number of times: each number is another moment.
type countdown struct {
	context.Context
	mu   sync.Mutex
	left int
	done chan struct{}
}

func endingAfter(ctx context.Context, looks int) *countdown {
	return &countdown{Context: ctx, left: looks, done: make(chan struct{})}
}

func (c *countdown) Done() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.left--; c.left == 0 {
		close(c.done)
	}
	return c.done
}

func (c *countdown) Err() error {
	select {
	case <-c.done:
		return context.Canceled
	default:
		return nil
	}
}

func allOrNothing(t *testing.T, s store) {
	before := record("before")
	s.open(before)
	for looks := 1; ; looks++ {
		ctx := endingAfter(t.Context(), looks)
		_, err := s.Do(ctx, entry("test"), func(tx admin.Tx) error { return writeEverywhere(ctx, tx) })
		if there := writtenEverywhere(s, before); !reflect.DeepEqual(there, all(err == nil)) {
			t.Fatalf("ended at moment %d: error %v, written %v", looks, err, there)
		}
		if err == nil {
			if looks < 10 {
				t.Errorf("the context was looked at only %d times", looks)
			}
			return
		}
	}
}

func failureSticks(t *testing.T, s store) {
	ctx := t.Context()
	ended, cancel := context.WithCancel(ctx)
	cancel()
	_, err := s.Do(ctx, entry("test"), func(tx admin.Tx) error {
		must(t, tx.Catalog().PutService(ctx, service("first", "1")))
		if err := tx.Catalog().PutService(ended, service("second", "2")); err == nil {
			t.Error("a statement ran after its context had ended")
		}
		if err := tx.Catalog().PutService(ctx, service("third", "3")); err == nil {
			t.Error("the transaction went on")
		}
		return nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("Do: %v", err)
	}
	s.view(func(ctx context.Context, tx admin.Tx) error {
		if services, err := tx.Catalog().Services(ctx); err != nil || len(services) != 0 {
			t.Errorf("%d services, %v", len(services), err)
		}
		return nil
	})
}

func failureSticksInSignIn(t *testing.T, s store) {
	ctx := t.Context()
	ended, cancel := context.WithCancel(ctx)
	cancel()
	first, second, third := record("first"), record("second"), record("third")
	err := s.SignIn(ctx, func(tx signin.Tx) error {
		must(t, tx.Sessions().OpenSession(ctx, first))
		if err := tx.Sessions().OpenSession(ended, second); err == nil {
			t.Error("a statement ran after its context had ended")
		}
		if err := tx.Sessions().OpenSession(ctx, third); err == nil {
			t.Error("the transaction went on")
		}
		return nil
	})
	if alive := s.alive(first, second, third); !errors.Is(err, context.Canceled) || slices.Contains(alive, true) {
		t.Errorf("SignIn: %v; alive %v", err, alive)
	}
}

func endedBeforeCommit(t *testing.T, s store) {
	ctx, cancel := context.WithCancel(t.Context())
	_, err := s.Do(ctx, entry("test"), func(tx admin.Tx) error {
		must(t, tx.Catalog().PutService(ctx, service("app", "1")))
		cancel()
		return nil
	})
	if !errors.Is(err, context.Canceled) || s.position() != 0 {
		t.Errorf("Do: %v; position %d", err, s.position())
	}
	opened := record("alice")
	ctx, cancel = context.WithCancel(t.Context())
	err = s.SignIn(ctx, func(tx signin.Tx) error {
		must(t, tx.Sessions().OpenSession(ctx, opened))
		cancel()
		return nil
	})
	if !errors.Is(err, context.Canceled) || s.alive(opened)[0] {
		t.Errorf("SignIn: %v; alive %v", err, s.alive(opened))
	}
}

func waitingEnds(t *testing.T, s store) {
	s.do(func(admin.Tx) error { // holds the turn
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() {
			_, err := s.Do(ctx, entry("test"), func(admin.Tx) error {
				t.Error("two transactions wrote at once")
				return nil
			})
			ended <- err
		}()
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("the one that waited: %v", err)
		}
		return nil
	})
}
