package audit

import (
	"bytes"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/policy"
	"github.com/gatehouse-iap/gatehouse/internal/principal"
)

// ticking starts a log whose ticks the test gives; each has been carried out when it returns.
func ticking(t *testing.T, o LogOptions) (l *Log, tick func()) {
	t.Helper()
	o.Now = func() time.Time { return start }
	l, err := newLog(t.TempDir(), o)
	if err != nil {
		t.Fatal(err)
	}
	ticks := make(chan time.Time)
	go l.run(ticks)
	t.Cleanup(func() { l.Close() })
	return l, func() {
		t.Helper()
		ticks <- start
		mustFindNothing(t, l)
	}
}

// fill makes the disk full under the files of some classes, and returns what makes room again.
func fill(t *testing.T, l *Log, classes ...class) (free func()) {
	t.Helper()
	kept := map[class]*os.File{}
	do := func(f func()) {
		if err := l.do(t.Context(), f); err != nil {
			t.Fatal(err)
		}
	}
	do(func() {
		for _, c := range classes {
			full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
			if err != nil {
				t.Error(err)
			}
			kept[c], l.segments[c].file = l.segments[c].file, full
			l.segments[c].size = 0
		}
	})
	return func() {
		do(func() {
			for c, file := range kept {
				_ = l.segments[c].file.Close()
				l.segments[c].file = file
			}
		})
	}
}

func TestAFullDiskIsCountedToldShownAndNotedInTheFilesOnceThereIsRoom(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	l, tick := ticking(t, LogOptions{Log: slog.New(slog.NewTextHandler(&log, nil))})
	granted, refused := full(start, policy.Granted), full(start, policy.NotGranted)
	tick()
	if l.Failing() != nil {
		t.Fatalf("failing from the start: %+v", l.Failing())
	}
	free := fill(t, l, passes, refusals)
	for range 3 {
		if !l.Record(&granted) {
			t.Error("a pass was stopped, and nobody asked for that")
		}
	}
	l.Record(&refused)
	tick()
	failure := l.Failing()
	if failure == nil || !strings.Contains(failure.Cause, "no space left on device") || !failure.Since.Equal(start) {
		t.Fatalf("the failure is %+v", failure)
	}
	if got := l.Counts(); got.DroppedPasses != 3 || got.DroppedRefusals != 1 || got.Passed != 3 {
		t.Errorf("Counts = %+v", got)
	}
	if !strings.Contains(log.String(), "lost=") || !strings.Contains(log.String(), "no space left") {
		t.Errorf("the log says\n%s", &log)
	}
	tick()
	if l.Failing() == nil {
		t.Error("while the disk is full the failure is over")
	}
	free()
	tick()
	if l.Failing() != nil {
		t.Errorf("with room on the disk it is still failing: %+v", l.Failing())
	}
	later := full(start, policy.Granted)
	if l.Record(&later); mustFind(t, l, later.ID).Reason != policy.Granted {
		t.Error("nothing is recorded after a failure")
	}
	var damage []string
	if err := l.Search(t.Context(), Search{Damaged: func(d Damage) { damage = append(damage, d.String()) }}); err != nil {
		t.Fatal(err)
	}
	if text := strings.Join(damage, "\n"); len(damage) != 2 || !strings.Contains(text, "3 records are missing from 2026-03-01T12:00:00Z to 2026-03-01T12:00:00Z: ") || !strings.Contains(text, "1 records are missing") {
		t.Errorf("a search says of the gap %q", damage)
	}
}

func TestWhereAskedForNothingPassesUnrecordedWhileTheDiskIsFull(t *testing.T) {
	t.Parallel()
	l, tick := ticking(t, LogOptions{Refuse: true})
	granted, nobody, refused := full(start, policy.Granted), brief(start, policy.PublicPath), full(start, policy.NotGranted)
	free := fill(t, l, passes)
	if !l.Record(&granted) {
		t.Error("nobody knows yet that the disk is full")
	}
	tick()
	for what, d := range map[string]*Decision{"a pass": &granted, "a pass of nobody": nobody} {
		if l.Record(d) {
			t.Errorf("%s is let through while records are lost", what)
		}
	}
	if !l.Record(&refused) || mustFind(t, l, refused.ID).Reason != policy.NotGranted {
		t.Error("a refusal is not recorded, where that is possible")
	}
	if got := l.Counts(); got.Passed != 1 || got.DroppedPasses != 1 {
		t.Errorf("Counts = %+v: what was stopped is no pass", got)
	}
	tick() // the file of refusals takes everything; that of passes does not
	if l.Record(&granted) {
		t.Error("passes are let through because refusals can be recorded")
	}
	l.Configure(Retention{}, false)
	if !l.Record(&granted) {
		t.Error("what was configured since does not hold")
	}
	l.Configure(Retention{}, true)
	free()
	tick()
	tick()
	if !l.Record(&granted) {
		t.Errorf("there is room, and passes are stopped: %+v", l.Failing())
	}
}

func TestWhereAskedForNothingPassesUnrecordedWhileTheQueueIsFull(t *testing.T) {
	t.Parallel()
	for _, refuse := range []bool{true, false} {
		l, err := newLog(t.TempDir(), LogOptions{Refuse: refuse, Now: func() time.Time { return start }})
		if err != nil {
			t.Fatal(err)
		}
		l.patience = time.Millisecond // nobody writes
		for i := range bufferLimit {
			if !l.Record(inBuffer(i, policy.Granted)) {
				t.Fatal("stopped while there was room")
			}
		}
		if l.Record(inBuffer(bufferLimit, policy.Granted)) == refuse {
			t.Errorf("refuse is %v, and so does it with a full queue", !refuse)
		}
		if f := l.Failing(); f == nil || !strings.Contains(f.Cause, "the queue is full") {
			t.Errorf("the failure is %+v", f)
		}
		lost := map[bool]uint64{true: 0, false: 1}[refuse]
		if got := l.Counts(); got.DroppedPasses != lost || got.Passed != bufferLimit+lost {
			t.Errorf("Counts = %+v", got)
		}
		l.settle(nil) // a first tick sees what was lost just now
		go l.run(nil)
		mustFindNothing(t, l)
		if err := l.do(t.Context(), func() { l.settle(nil) }); err != nil {
			t.Fatal(err)
		}
		if l.Failing() != nil || !l.Record(inBuffer(0, policy.Granted)) {
			t.Error("the writer has caught up, and the failure goes on")
		}
		mustClose(t, l)
	}
}

func TestFollowersSeeEveryLineAndOneThatIsTooSlowIsToldHowManyItMissed(t *testing.T) {
	t.Parallel()
	l := open(t, t.TempDir(), LogOptions{})
	const extra = 10
	var seen, missed uint64
	err := l.Follow(t.Context(), func() error {
		for range followerQueue + extra {
			l.Record(brief(start, policy.NotGranted))
			mustFindNothing(t, l)
		}
		return nil
	}, func(line []byte, lost uint64) error {
		seen, missed = seen+1, missed+lost
		if !whole(line) {
			t.Errorf("followed %q", line)
		}
		if seen == followerQueue {
			return os.ErrDeadlineExceeded
		}
		return nil
	})
	if err != os.ErrDeadlineExceeded || missed != extra {
		t.Errorf("%d lines seen, %d missed, %v", seen, missed, err)
	}
	if err := l.do(t.Context(), func() {
		if len(l.copies) != 0 {
			t.Error("somebody who has left is still written to")
		}
	}); err != nil {
		t.Fatal(err)
	}
}

// Strangers can fill their queues while the disk is slow. That must not close the gate to people whose own have room.
func TestStrangersWhoFillTheirQueuesDoNotHavePeopleRefused(t *testing.T) {
	t.Parallel()
	for _, strangers := range []policy.Reason{policy.BearerInvalid, policy.PublicPath} {
		l, err := newLog(t.TempDir(), LogOptions{Refuse: true, Now: func() time.Time { return start }})
		if err != nil {
			t.Fatal(err)
		}
		l.patience = time.Millisecond // nobody writes
		for i := range bufferLimit + 1 {
			d := inBuffer(i, strangers)
			d.Identity = principal.Identity{}
			l.Record(d)
		}
		if l.Failing() == nil {
			t.Errorf("%s: nobody is told that records are lost", strangers)
		}
		if d := full(start, policy.Granted); !l.Record(&d) {
			t.Errorf("%s: somebody is refused whose record has room", strangers)
		}
		if d := brief(start, policy.PublicPath); (strangers == policy.PublicPath) == l.Record(d) {
			t.Errorf("%s: a pass of nobody does not fare as its own queue does", strangers)
		}
		go l.run(nil)
		mustClose(t, l)
	}
}
