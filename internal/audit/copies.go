package audit

import (
	"bytes"
	"context"
	"slices"
	"sync/atomic"
)

// Copied is what goes into the log at once: whole lines.
type Copied struct {
	Lines  []byte // for good: neither the log nor who is given them changes them
	Count  int
	Passed bool // the requests reached an application
}

// Copy hears of every line that is written to the log, before that is tried. Take must not wait: the writer calls it.
type Copy interface{ Take(Copied) }

// SetCopies says who hears of every line from now on, besides those who follow.
func (l *Log) SetCopies(copies ...Copy) {
	_ = l.do(context.Background(), func() {
		l.drain() // what was recorded before goes where it went
		l.copies = append(slices.Clone(copies), followersOf(l.copies)...)
	})
}

func followersOf(copies []Copy) []Copy {
	return slices.DeleteFunc(slices.Clone(copies), func(c Copy) bool { _, follows := c.(*follower); return !follows })
}

// copy hands lines on.
func (l *Log) copy(c class, lines []byte, count int) {
	if len(l.copies) == 0 {
		return
	}
	copied := Copied{Lines: bytes.Clone(lines), Count: count, Passed: c.passed()}
	for _, to := range l.copies {
		to.Take(copied)
	}
}

// followerQueue is how many runs of lines may wait for a follower: a megabyte or two.
const followerQueue = 256

// follower is somebody who watches.
type follower struct {
	queue  chan Copied
	missed atomic.Uint64
}

// Take drops what somebody is too slow for, and counts it.
func (f *follower) Take(c Copied) {
	select {
	case f.queue <- c:
	default:
		f.missed.Add(uint64(c.Count))
	}
}

// Follow calls visit with every line from now on, within a second of the decision, until the context ends or visit
// returns an error. missed is how many lines were dropped before, because visit was too slow. began, if it is not nil,
// is called as soon as no line can be missed any more.
func (l *Log) Follow(ctx context.Context, began func() error, visit func(line []byte, missed uint64) error) error {
	f := &follower{queue: make(chan Copied, followerQueue)}
	if err := l.do(ctx, func() { l.drain(); l.copies = append(slices.Clone(l.copies), f) }); err != nil {
		return err
	}
	defer func() {
		_ = l.do(context.WithoutCancel(ctx), func() {
			l.copies = slices.DeleteFunc(slices.Clone(l.copies), func(c Copy) bool { return c == Copy(f) })
		})
	}()
	if began != nil {
		if err := began(); err != nil {
			return err
		}
	}
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-l.done:
			return nil
		case copied := <-f.queue:
			for line := range bytes.Lines(copied.Lines) {
				if err := visit(bytes.TrimSuffix(line, []byte{'\n'}), f.missed.Swap(0)); err != nil {
					return err
				}
			}
		}
	}
}
