package audit

import (
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/policy"
)

// Log is the decision log: it takes records on the request path without waiting for the disk, and writes them in
// the background. A crash loses the last second at most.
type Log struct {
	options LogOptions
	buffers [bufferCount]buffer
	refuse  atomic.Bool             // LogOptions.Refuse
	failing atomic.Pointer[Failure] // nil while records are kept
	// shut are the classes that take nothing while Refuse is set: all of them where the disk fails, and where only a
	// queue is full, the class whose it is. Strangers can fill theirs, and must not close the gate to people.
	shut [classCount]atomic.Bool
	// patience is for how long a refusal waits for room in a full buffer.
	patience time.Duration
	sampled  atomic.Uint64 // the second in the upper bits, how many were recorded in it in the lowest sampleBits

	segments [classCount]*segments
	scratch  []byte // of the writer
	alerts   alerts // of the writer
	gaps     gaps   // of the writer
	copies   []Copy // of the writer

	wake  chan struct{}
	tasks chan func() // for the writer
	stop  chan struct{}
	once  sync.Once
	done  chan struct{} // closed when the writer has ended
	err   error         // of the writer's end; read after done
}

// LogDir is where the log is in a data directory.
const LogDir = "decisions"

// LogOptions bounds a decision log. Zero fields take the defaults.
type LogOptions struct {
	SegmentBytes int64 // of one file; default 16 MiB
	Retention
	// Refuse has passes refused that cannot be recorded; else they pass, counted as lost.
	Refuse bool
	Now    func() time.Time
	Log    *slog.Logger // told when records are lost
}

// Retention is how much is kept of the log, and for how long. Zero fields take the defaults.
type Retention struct {
	TotalBytes int64         // of all files, an equal part for each class; default 512 MiB
	MaxAge     time.Duration // of a record; default 90 days
}

// The defaults of Retention.
const (
	DefaultTotalBytes = 512 << 20
	DefaultMaxAge     = 90 * 24 * time.Hour
)

func (o LogOptions) withDefaults() LogOptions {
	if o.TotalBytes <= 0 {
		o.TotalBytes = DefaultTotalBytes
	}
	if o.SegmentBytes <= 0 {
		o.SegmentBytes = 16 << 20
	}
	// Files go as a whole: at least four for each class let the bound be kept closely.
	o.SegmentBytes = min(o.SegmentBytes, o.TotalBytes/classCount/4)
	if o.MaxAge <= 0 {
		o.MaxAge = DefaultMaxAge
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// LogCounts says how many decisions a log was given since it was opened, and what became of them.
type LogCounts struct {
	Passed  uint64 `json:"passed"`  // requests that were let through
	Refused uint64 `json:"refused"` // all others
	// Anonymous are those of Refused that merely asked somebody to sign in.
	Anonymous uint64 `json:"anonymous"`
	// Unsampled are those of Anonymous that were counted and not recorded.
	Unsampled uint64 `json:"unsampled"`
	// DroppedPasses and DroppedRefusals should have been recorded and were not: buffer full, or disk failing.
	DroppedPasses   uint64 `json:"droppedPasses"`
	DroppedRefusals uint64 `json:"droppedRefusals"`
}

func (c *LogCounts) add(o LogCounts) {
	c.Passed += o.Passed
	c.Refused += o.Refused
	c.Anonymous += o.Anonymous
	c.Unsampled += o.Unsampled
	c.DroppedPasses += o.DroppedPasses
	c.DroppedRefusals += o.DroppedRefusals
}

// ErrNoDecision reports an id that the log does not hold.
var ErrNoDecision = errors.New("no such decision: it is too old, or nobody was signed in and it was only counted")

// class separates records that must not displace each other.
type class int

const (
	passes class = iota
	// public are passes of whoever was not recognised: anybody can cause any number of these too.
	public
	refusals
	// strangers are refusals of whoever was not recognised. Anybody can cause any number of these, and must not
	// be able to wash away why somebody was refused.
	strangers
	classCount = 4
)

// String is how files of the class begin.
func (c class) String() string { return [...]string{"passed", "public", "refused", "anonymous"}[c] }

// passed reports whether the class is of requests that reached an application.
func (c class) passed() bool { return c <= public }

func classOf(d *Decision) class {
	if !d.Ends.IsZero() {
		return refusals // of somebody who was let in before, whatever the reason is
	}
	switch d.Reason {
	case policy.Granted, policy.GrantedPublic, policy.IAPDisabled, policy.PreflightAllowed, policy.TokenTest, policy.PublicPath:
		if d.Identity.Subject == "" {
			return public
		}
		return passes
	case policy.NoCredential, policy.SessionEnded, policy.CookieInvalid, policy.BearerInvalid, policy.MethodRefused,
		policy.HostInvalid, policy.HostUnknown, policy.DomainRefused, policy.TargetInvalid, policy.TargetAmbiguous, policy.PathUnknown, policy.SnapshotStale,
		policy.SpecialURL, policy.SpecialURLInvalid, policy.SpecialURLRefused, policy.NoExternalPeople, policy.CORSPreflight,
		policy.SignInRefused, policy.SignInLoops, policy.SignInDeclined, policy.ProviderUnavailable, policy.ProviderMisconfigured, policy.ProviderTokenInvalid:
		return strangers
	default:
		return refusals
	}
}

// anonymous reports whether a decision merely asks somebody to sign in, or is a step of signing in or out: anybody can
// cause any number of these.
func anonymous(d *Decision) bool {
	if !d.Ends.IsZero() {
		return false // there are never more of these than of those who were let in
	}
	switch d.Reason {
	case policy.NoCredential, policy.SessionEnded, policy.CookieInvalid, policy.SpecialURL:
		return true
	}
	return false
}

const (
	// bufferCount is a power of two. Requests spread over the buffers by the random part of their ids.
	bufferCount = 16
	// bufferLimit is how many records of a class may wait in one buffer.
	bufferLimit = 256
	// bufferWake is from how many on the writer is woken before its second is over.
	bufferWake = bufferLimit / 2
	// sampleLimit is how many anonymous refusals a second are recorded.
	sampleLimit = 10
	sampleBits  = 8
)

// buffer holds records on their way to the writer.
type buffer struct {
	mu      sync.Mutex
	closed  bool
	pending [classCount][]Decision
	counts  LogCounts
	dropped [classCount]uint64
	room    chan struct{} // closed at the next drain; nil while nobody waits for it

	spare [classCount][]Decision // the writer's alone: takes the place of pending when that is drained
}

// Record takes a decision. It copies d, but not what d.Tried refers to: nobody may write to that afterwards.
// It returns false where the request must not pass, because that could not be recorded: then it has not been counted.
// Otherwise passes that find the buffer full are dropped and counted; refusals wait for the writer, a second at most.
func (l *Log) Record(d *Decision) bool {
	c := classOf(d)
	strict := c.passed() && l.refuse.Load()
	if strict && l.shut[c].Load() {
		return false
	}
	b := &l.buffers[d.ID[len(d.ID)-1]%bufferCount]
	b.mu.Lock()
	if !c.passed() {
		b.counts.Refused++
		if anonymous(d) {
			b.counts.Anonymous++
			if !l.sample(d.Time) {
				b.counts.Unsampled++
				b.mu.Unlock()
				return true
			}
		}
	}
	if len(b.pending[c]) >= bufferLimit && (strict || !c.passed()) {
		l.awaitRoom(b, c)
	}
	if b.closed || len(b.pending[c]) >= bufferLimit {
		if !strict {
			b.counts.pass(c)
			b.drop(c, 1)
		}
		b.mu.Unlock()
		l.shut[c].Store(true)
		l.fail(errFull)
		return !strict
	}
	b.counts.pass(c)
	b.pending[c] = append(b.pending[c], *d)
	waiting := len(b.pending[c])
	b.mu.Unlock()
	if waiting >= bufferWake {
		l.wakeWriter()
	}
	return true
}

// awaitRoom is entered and left with b locked.
func (l *Log) awaitRoom(b *buffer, c class) {
	timer := time.NewTimer(l.patience)
	defer timer.Stop()
	for late := false; !late && !b.closed && len(b.pending[c]) >= bufferLimit; {
		if b.room == nil {
			b.room = make(chan struct{})
		}
		room := b.room
		b.mu.Unlock()
		l.wakeWriter()
		select {
		case <-room:
		case <-timer.C:
			late = true
		}
		b.mu.Lock()
	}
}

func (c *LogCounts) pass(of class) {
	if of.passed() {
		c.Passed++
	}
}

func (b *buffer) drop(c class, n uint64) {
	if c.passed() {
		b.counts.DroppedPasses += n
	} else {
		b.counts.DroppedRefusals += n
	}
	b.dropped[c] += n
}

// sample reports whether one more anonymous refusal may be recorded in the second of t.
func (l *Log) sample(t time.Time) bool {
	second := uint64(t.Unix()) & (1<<(64-sampleBits) - 1)
	for {
		current := l.sampled.Load()
		window, used := current>>sampleBits, current&(1<<sampleBits-1)
		// Requests of one moment come a little out of order; only a clock that was set back starts afresh.
		if second > window || second+5 < window {
			window, used = second, 0
		}
		if used >= sampleLimit {
			return false
		}
		if l.sampled.CompareAndSwap(current, window<<sampleBits|(used+1)) {
			return true
		}
	}
}

func (l *Log) wakeWriter() {
	select {
	case l.wake <- struct{}{}:
	default: // it has been told already
	}
}

// Counts returns the counts since the log was opened.
func (l *Log) Counts() LogCounts {
	var total LogCounts
	for i := range l.buffers {
		b := &l.buffers[i]
		b.mu.Lock()
		total.add(b.counts)
		b.mu.Unlock()
	}
	return total
}
