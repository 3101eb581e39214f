package audit

import (
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/policy"
)

func TestAReopenedLogGoesOnAfterACrash(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l := open(t, dir, LogOptions{})
	before := []*Decision{brief(start, policy.NotGranted), brief(start, policy.NotGranted)}
	for _, d := range before {
		l.Record(d)
	}
	mustClose(t, l)
	name := slices.Collect(maps.Keys(files(t, dir, "refused-")))[0]
	torn := full(start, policy.NotGranted)
	half := appendLine(nil, &torn)
	half = half[:len(half)/2]
	file, err := os.OpenFile(filepath.Join(dir, name), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := file.Write(half); err != nil {
		t.Fatal(err)
	}
	file.Close()

	again := open(t, dir, LogOptions{})
	if _, err := again.Find(t.Context(), torn.ID); err == nil {
		t.Error("half a record was found")
	}
	after := brief(start, policy.NotGranted)
	again.Record(after)
	again.Record(&torn)
	for _, d := range append(before, after, &torn) {
		if got := mustFind(t, again, d.ID); got.Reason != policy.NotGranted {
			t.Errorf("found %+v", got)
		}
	}
	if left := files(t, dir, ""); len(left) != 1 || !strings.Contains(left[name], string(half)+"\n{") {
		t.Errorf("the torn line was not closed, or another file begun: %v", slices.Collect(maps.Keys(left)))
	}
}

func TestFilesThatAreNotOursAreLeftAlone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, name := range []string{"refused-x.jsonl", "refused-.jsonl", "notes.txt", "refused-" + NewDecisionID(start, 0).String() + ".jsonl.gz"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("mine"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	l := open(t, dir, LogOptions{Retention: Retention{TotalBytes: 8}})
	d := brief(start, policy.NotGranted)
	l.Record(d)
	mustFind(t, l, d.ID)
	if left := files(t, dir, ""); len(left) != 5 {
		t.Errorf("left are %v", slices.Collect(maps.Keys(left)))
	}
}

func TestSizeIsBounded(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	const total = 64 << 10
	l := open(t, dir, LogOptions{Retention: Retention{TotalBytes: total}, SegmentBytes: 4 << 10})
	pass := brief(start, policy.Granted)
	l.Record(pass)
	var last *Decision
	for i := range 2000 {
		last = brief(start.Add(time.Duration(i)*time.Millisecond), policy.NotGranted)
		last.Path = "/" + strings.Repeat("x", 100)
		l.Record(last)
		if i%20 == 0 {
			mustFind(t, l, last.ID)
			size := 0
			for _, content := range files(t, dir, "refused-") {
				size += len(content)
			}
			if size > total/2 {
				t.Fatalf("refusals take %d bytes", size)
			}
		}
	}
	mustFind(t, l, last.ID)
	mustFind(t, l, pass.ID) // refusals do not displace passes
	names := slices.Sorted(maps.Keys(files(t, dir, "refused-")))
	if len(names) < 4 {
		t.Errorf("files %v", names)
	}
	for _, content := range files(t, dir, "refused-") {
		if len(content) > 4<<10 || !strings.HasSuffix(content, "\n") {
			t.Errorf("a file of %d bytes", len(content))
		}
	}
}

func TestStrangersDoNotWashAwayWhySomebodyWasRefused(t *testing.T) {
	t.Parallel()
	const total = 64 << 10
	l := open(t, t.TempDir(), LogOptions{Retention: Retention{TotalBytes: total}, SegmentBytes: 4 << 10})
	refused := brief(start, policy.NotGranted)
	l.Record(refused)
	reasons := []policy.Reason{
		policy.BearerInvalid, policy.MethodRefused, policy.HostInvalid, policy.HostUnknown, policy.TargetInvalid,
		policy.TargetAmbiguous, policy.PathUnknown, policy.SnapshotStale,
	}
	for i := range 2000 {
		d := brief(start.Add(time.Duration(i)*time.Millisecond), reasons[i%len(reasons)])
		d.Path = "/" + strings.Repeat("x", 100)
		l.Record(d)
	}
	mustFind(t, l, refused.ID)
}

func TestAgeIsBounded(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	now := start
	l, err := newLog(dir, LogOptions{Retention: Retention{MaxAge: 80 * time.Hour}, Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	var all []*Decision
	for range 100 {
		d := brief(now, policy.NotGranted)
		all = append(all, d)
		l.Record(d)
		l.drain()
		now = now.Add(time.Hour)
	}
	l.expire()
	content := strings.Join(slices.Collect(maps.Values(files(t, dir, "refused-"))), "")
	for _, d := range all {
		kept, age := strings.Contains(content, d.ID.String()), now.Sub(d.Time)
		if kept && age > 80*time.Hour || !kept && age < 70*time.Hour {
			t.Errorf("a record of %v ago: kept = %v", age, kept)
		}
	}
	now = now.Add(81 * time.Hour)
	l.expire()
	if left := files(t, dir, ""); len(left) != 0 {
		t.Errorf("a log that nobody writes to keeps %d files", len(left))
	}
	d := brief(now, policy.NotGranted)
	l.Record(d)
	go l.run(nil)
	mustFind(t, l, d.ID)
	mustClose(t, l)
}

func TestFindChoosesFilesByTime(t *testing.T) {
	t.Parallel()
	var list []segment
	for i := range 5 {
		list = append(list, segment{path: string(rune('a' + i)), first: NewDecisionID(start.Add(time.Duration(i)*time.Hour), 0)})
	}
	tests := []struct {
		at   time.Time
		near string
	}{
		{start.Add(-time.Hour), ""},
		{start.Add(-30 * time.Second), "a"},
		{start.Add(30 * time.Minute), "a"},
		{start.Add(time.Hour + 30*time.Second), "ab"},
		{start.Add(2*time.Hour - 30*time.Second), "bc"},
		{start.Add(100 * time.Hour), "e"},
	}
	for _, test := range tests {
		near, far := byTime(list, test.at)
		if strings.Join(near, "") != test.near || len(near)+len(far) != len(list) {
			t.Errorf("%v: near %v, far %v", test.at.Sub(start), near, far)
		}
	}
}

func TestFindReadsEveryFile(t *testing.T) {
	t.Parallel()
	now := start
	l := open(t, t.TempDir(), LogOptions{SegmentBytes: 300, Now: func() time.Time { return now }})
	var all []*Decision
	for i := range 30 {
		// The clock is set back in between, so that ids and files do not agree about time.
		at := start.Add(time.Duration(i%10) * time.Hour)
		d := brief(at, policy.NotGranted)
		all = append(all, d)
		l.Record(d)
		mustFind(t, l, d.ID)
	}
	for _, d := range all {
		mustFind(t, l, d.ID)
	}
	list, err := listSegments(l.segments[refusals].dir, refusals)
	if err != nil || len(list) < 10 {
		t.Errorf("%d files: %v", len(list), err)
	}
}

func TestLossesAreCountedAndSaidOnceAMinute(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	now := start
	var said strings.Builder
	l, err := newLog(dir, LogOptions{Now: func() time.Time { return now }, Log: slog.New(slog.NewTextHandler(&said, nil))})
	if err != nil {
		t.Fatal(err)
	}
	record := func() {
		l.Record(brief(now, policy.NotGranted))
		l.drain()
	}
	record()
	if said.Len() != 0 {
		t.Fatalf("said without a loss: %s", &said)
	}
	l.segments[refusals].file.Close() // every write fails from here on
	for range 10 {
		record()
	}
	if got := l.Counts(); got.DroppedRefusals != 10 || strings.Count(said.String(), "level=ERROR") != 1 {
		t.Errorf("Counts = %+v; said:\n%s", got, &said)
	}
	now = now.Add(time.Minute)
	l.report(nil)
	if strings.Count(said.String(), "level=ERROR") != 2 || !strings.Contains(said.String(), "lost_in_total=10") {
		t.Errorf("said:\n%s", &said)
	}
	now = now.Add(time.Minute)
	l.report(nil)
	if strings.Count(said.String(), "level=ERROR") != 2 {
		t.Errorf("what was said is said again:\n%s", &said)
	}
}

func TestAHalfWrittenLineIsClosedBeforeTheNext(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l := open(t, dir, LogOptions{})
	first, second := brief(start, policy.NotGranted), brief(start, policy.NotGranted)
	l.Record(first)
	mustFind(t, l, first.ID)
	mustClose(t, l)
	l = open(t, dir, LogOptions{})
	l.segments[refusals].torn = true // as after a write that the disk had no room for
	l.Record(second)
	mustFind(t, l, second.ID)
	mustFind(t, l, first.ID)
}
