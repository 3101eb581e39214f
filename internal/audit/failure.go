package audit

import (
	"bytes"
	"encoding/json"
	"errors"
	"time"
)

// Failure says that records are being lost, or were a moment ago.
type Failure struct {
	Since time.Time
	Cause string
}

// errFull is why a record is lost that the writer had no time for.
var errFull = errors.New("the queue is full: the disk does not keep up")

// Failing returns nil while records are kept. The log finds out by itself when they are again.
func (l *Log) Failing() *Failure { return l.failing.Load() }

// fail notes that a record is lost. The first cause stays until records are kept again.
func (l *Log) fail(cause error) {
	if l.failing.Load() == nil {
		l.failing.CompareAndSwap(nil, &Failure{Since: l.options.Now(), Cause: cause.Error()})
	}
}

// gaps is what the writer knows of records that are lost and not yet noted in the files.
type gaps struct {
	noted [classCount]uint64 // of buffer.dropped, as far as it is noted
	seen  uint64             // of all of them, at the last tick
}

// failDisk notes that the disk takes no records, of whichever class: the others lie beside them.
func (l *Log) failDisk(cause error) {
	for c := range l.shut {
		l.shut[c].Store(true)
	}
	l.fail(cause)
}

// settle ends a tick: after a failure it tries whether records can be kept again, by noting the gap in the very files
// that lack them.
func (l *Log) settle(err error) {
	if err != nil {
		l.failDisk(err)
	}
	l.report(err)
	failure := l.failing.Load()
	if failure == nil {
		return
	}
	var dropped uint64
	for _, n := range l.dropped() {
		dropped += n
	}
	more := dropped != l.gaps.seen
	l.gaps.seen = dropped
	if err != nil || more || errors.Join(l.noteGaps(), l.sync()) != nil {
		return
	}
	l.failing.Store(nil)
	for c := range l.shut { // after failing: whoever shuts a class meanwhile has it set again, for the next tick to open
		l.shut[c].Store(false)
	}
	l.alerts.failing = nil
	l.options.Log.Warn("the decision log keeps records again", "failing_for", l.options.Now().Sub(failure.Since).String(), "cause", failure.Cause)
}

// dropped sums up what is lost of each class.
func (l *Log) dropped() (total [classCount]uint64) {
	for i := range l.buffers {
		b := &l.buffers[i]
		b.mu.Lock()
		for c := range total {
			total[c] += b.dropped[c]
		}
		b.mu.Unlock()
	}
	return total
}

// gap is the line that stands in a file where records are missing.
type gap struct {
	Lost  uint64    `json:"lost"`
	Since time.Time `json:"since"`
	Until time.Time `json:"until"`
	Cause string    `json:"cause"`
}

var gapStart = []byte(`{"lost":`)

func isGap(line []byte) bool { return bytes.HasPrefix(line, gapStart) }

// noteGaps writes down in each class how many of its records are lost; in the refusals' also where there are none, so
// that something tells whether the disk takes anything.
func (l *Log) noteGaps() error {
	failure := l.failing.Load()
	if failure == nil {
		return nil
	}
	now := l.options.Now()
	dropped := l.dropped()
	for c, n := range dropped {
		if n == l.gaps.noted[c] && class(c) != refusals {
			continue
		}
		line, err := json.Marshal(gap{Lost: n - l.gaps.noted[c], Since: failure.Since.UTC(), Until: now.UTC(), Cause: failure.Cause})
		if err != nil {
			return err
		}
		at := idAt(now)
		if err := l.segments[c].write(append(line, '\n'), at, at); err != nil {
			return err
		}
		l.gaps.noted[c] = n
	}
	return nil
}
