package audit

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/policy"
)

// searchAll returns the ids that a query finds in a log, and the damage.
func searchAll(t testing.TB, a Archive, s Search) (ids []DecisionID, damage []Damage) {
	t.Helper()
	s.Found = func(f Found) error { ids = append(ids, f.ID); return nil }
	s.Damaged = func(d Damage) { damage = append(damage, d) }
	if err := a.Search(context.Background(), s); err != nil {
		t.Fatal(err)
	}
	return ids, damage
}

func TestASearchFindsExactlyWhatItsQuerySelects(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l := open(t, dir, LogOptions{SegmentBytes: 32 << 10})
	var all []Decision
	for i := range 400 {
		d := full(start.Add(time.Duration(i)*time.Minute), []policy.Reason{policy.NotGranted, policy.Granted, policy.HostUnknown, policy.PublicPath}[i%4])
		d.Identity.Email = fmt.Sprintf("p%d@example.com", i%5)
		d.Identity.Subject = fmt.Sprint(1000 + i%5)
		if i%4 >= 2 {
			d.Identity.Email, d.Identity.Subject = "", ""
		}
		d.Host, d.Path = fmt.Sprintf("h%d.example.com", i%3), fmt.Sprintf("/%d/x", i%2)
		if i%7 == 0 {
			d.Resource, d.SessionID, d.Peer = "projects/123/iap_web/appengine-9", "ff", netip.MustParseAddr("192.0.2.9")
		}
		if i%11 == 0 {
			d.RequestID = fmt.Sprintf("Root=1-%d", i%3)
		}
		if i == 60 || i == 61 {
			d.RequestID, d.Ends = map[int]string{61: all[59].ID.String()}[i], map[int]DecisionID{60: all[59].ID}[i]
		}
		all = append(all, d)
	}
	for _, i := range rand.New(rand.NewPCG(1, 2)).Perm(8) {
		for j := i; j < len(all); j += 8 {
			if l.Record(&all[j]); j%50 == 0 {
				mustFind(t, l, all[j].ID)
			}
		}
	}
	mustClose(t, l)
	for name, q := range map[string]Query{
		"all":                      {},
		"a person's address":       {Person: "P3@example.com"},
		"a member":                 {Person: "user:p3@example.com"},
		"a member of another kind": {Person: "serviceAccount:p3@example.com"},
		"a subject":                {Person: "1001"},
		"part of an address":       {Person: "p3@example.co"},
		"a reason":                 {Reasons: []policy.Reason{policy.NotGranted}},
		"two reasons":              {Reasons: []policy.Reason{policy.NotGranted, policy.HostUnknown}},
		"a resource":               {Resource: "projects/123/iap_web/appengine-9"},
		"resources below":          {Resource: "projects/123/iap_web/compute"},
		"no resource's beginning":  {Resource: "projects/123/iap_web/comp"},
		"a host":                   {Host: "h1.example.com"},
		"a path":                   {Path: "/1/"},
		"a peer":                   {Peer: "192.0.2.9"},
		"a session":                {Session: "ff"},
		"a proxy's name":           {RequestID: "Root=1-2"},
		"no part of such a name":   {RequestID: "Root=1"},
		"a request of ours":        {RequestID: all[59].ID.String()},
		"one that was typed":       {RequestID: " " + strings.ToLower(all[59].ID.String())},
		"what passed":              {Outcome: Passed},
		"what was refused":         {Outcome: Refused},
		"since":                    {Since: start.Add(100 * time.Minute)},
		"until":                    {Until: start.Add(100 * time.Minute)},
		"a stretch of time":        {Since: start.Add(100 * time.Minute), Until: start.Add(101 * time.Minute)},
		"an id":                    {ID: all[17].ID},
		"several at once":          {Person: "p1@example.com", Outcome: Refused, Since: start.Add(time.Hour), Host: "h1.example.com"},
	} {
		var want []DecisionID
		for i := range all {
			if q.Matches(&all[i]) {
				want = append(want, all[i].ID)
			}
		}
		if len(want) == 0 && !strings.HasPrefix(name, "no ") && !strings.HasPrefix(name, "part") && !strings.Contains(name, "another kind") {
			t.Errorf("%s: the test selects nothing", name)
		}
		for _, oldestFirst := range []bool{true, false} {
			got, damage := searchAll(t, Archive{Dir: dir}, Search{Query: q, OldestFirst: oldestFirst})
			// They were written by far more out of order than a server does it; another test looks at the order.
			slices.SortFunc(got, func(a, b DecisionID) int { return bytes.Compare(a[:], b[:]) })
			if !slices.Equal(got, want) || len(damage) > 0 {
				t.Errorf("%s: found %d, want %d; damage %v", name, len(got), len(want), damage)
			}
		}
	}
}

func TestARequestIsFoundByWhateverItIsCalled(t *testing.T) {
	t.Parallel()
	first := full(start, policy.Granted)
	ended, step, given := full(start, policy.SessionEnded), full(start, policy.SignInRefused), full(start, policy.Granted)
	ended.Ends, step.RequestID, given.RequestID = first.ID, first.ID.String(), "Root=1-5"
	for name, test := range map[string]struct {
		called string
		want   []*Decision
	}{
		"its decision's id":            {first.ID.String(), []*Decision{&first, &ended, &step}},
		"that id, typed":               {strings.ToLower(first.ID.String()), []*Decision{&first, &ended, &step}},
		"a trusted proxy's id":         {"Root=1-5", []*Decision{&given}},
		"that id, typed wrongly":       {"root=1-5", nil},
		"its decision's, with a proxy": {given.ID.String(), []*Decision{&given}},
	} {
		var got []*Decision
		for _, d := range []*Decision{&first, &ended, &step, &given} {
			if q := (Query{RequestID: test.called}); q.Matches(d) {
				got = append(got, d)
			}
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%s: found %d of %d", name, len(got), len(test.want))
		}
	}
}

func TestASearchIsInOrderAcrossClassesAndBuffers(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l := open(t, dir, LogOptions{SegmentBytes: 16 << 10})
	random := rand.New(rand.NewPCG(3, 4))
	for i := range 40 { // seconds, each of which is written at once
		for range 20 {
			d := full(start.Add(time.Duration(i)*time.Second+time.Duration(random.IntN(1000))*time.Millisecond),
				[]policy.Reason{policy.NotGranted, policy.Granted, policy.HostUnknown}[random.IntN(3)])
			l.Record(&d)
		}
		mustFindNothing(t, l)
	}
	for _, oldestFirst := range []bool{true, false} {
		var got []DecisionID
		if err := l.Search(t.Context(), Search{OldestFirst: oldestFirst, Found: func(f Found) error { got = append(got, f.ID); return nil }}); err != nil {
			t.Fatal(err)
		}
		sorted := slices.IsSortedFunc(got, func(a, b DecisionID) int {
			if oldestFirst {
				return bytes.Compare(a[:], b[:])
			}
			return bytes.Compare(b[:], a[:])
		})
		if len(got) != 800 || !sorted {
			t.Errorf("oldest first %v: %d found, in order: %v", oldestFirst, len(got), sorted)
		}
	}
}

// mustFindNothing has everything written that waits.
func mustFindNothing(t testing.TB, l *Log) {
	t.Helper()
	if err := l.flush(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestASearchTellsHowFarItIs(t *testing.T) {
	t.Parallel()
	l := open(t, t.TempDir(), LogOptions{})
	for i := range 2000 { // more than is read at once
		d := full(start.Add(time.Duration(i)*time.Second), policy.NotGranted)
		l.Record(&d)
	}
	var told []int64
	var all int64
	if err := l.Search(t.Context(), Search{Progress: func(done, total int64) { told, all = append(told, done), total }}); err != nil {
		t.Fatal(err)
	}
	if len(told) < 3 || !slices.IsSorted(told) || told[0] == 0 || told[0] == all || told[len(told)-1] != all {
		t.Errorf("told %v of %d bytes", told, all)
	}
}

func TestADamagedFileIsReadAsFarAsItGoesAndTheDamageIsNamed(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		harm  func(lines [][]byte) []byte
		found int // of 10
		want  []string
	}{
		"cut in the middle of the last line": {
			func(l [][]byte) []byte { b := bytes.Join(l, nil); return b[:len(b)-30] }, 9, []string{"no whole record"}},
		"cut in the middle of a line that others follow": {
			func(l [][]byte) []byte { l[4] = append(l[4][:20:20], '\n'); return bytes.Join(l, nil) }, 9, []string{"21 bytes at byte "}},
		"zeroes at the end, as a power cut leaves them": {
			func(l [][]byte) []byte { return append(bytes.Join(l, nil), make([]byte, 200_000)...) }, 10, []string{"200000 bytes at byte "}},
		"a byte that is none of JSON": {
			func(l [][]byte) []byte { l[3][40] = 1; l[4][40] = 1; return bytes.Join(l, nil) }, 8, []string{"no record that can be read"}},
		"lines that are no records": {
			func(l [][]byte) []byte {
				l[2] = []byte("{}\n")
				l[7] = []byte("{\"id\":\"x\"}\n")
				return bytes.Join(l, nil)
			}, 8, []string{"3 bytes at", "11 bytes at"}},
		"nothing": {func(l [][]byte) []byte { return bytes.Join(l, nil) }, 10, nil},
		"empty":   {func([][]byte) []byte { return nil }, 0, nil},
	} {
		for _, oldestFirst := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, oldest first %v", name, oldestFirst), func(t *testing.T) {
				t.Parallel()
				var lines [][]byte
				for i := range 10 {
					d := full(start.Add(time.Duration(i)*time.Minute), policy.NotGranted)
					lines = append(lines, appendLine(nil, &d))
				}
				dir := t.TempDir()
				first := NewDecisionID(start, 0)
				if err := os.WriteFile(filepath.Join(dir, "refused-"+first.String()+segmentSuffix), test.harm(lines), 0o600); err != nil {
					t.Fatal(err)
				}
				ids, damage := searchAll(t, Archive{Dir: dir}, Search{OldestFirst: oldestFirst})
				var text []string
				for _, d := range damage {
					text = append(text, d.String())
				}
				if !oldestFirst {
					slices.Reverse(text)
				}
				if len(ids) != test.found || len(text) != len(test.want) {
					t.Fatalf("found %d, want %d; damage %q", len(ids), test.found, text)
				}
				for i, want := range test.want {
					if !strings.HasPrefix(text[i], "refused-") || !strings.Contains(text[i], want) {
						t.Errorf("the damage is called %q, want %q", text[i], want)
					}
				}
			})
		}
	}
}

func TestALineOnItsWayIsNoDamageAndATornOneIs(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l := open(t, dir, LogOptions{})
	l.Record(brief(start, policy.NotGranted))
	mustFindNothing(t, l)
	var path string
	for name := range files(t, dir, "refused-") {
		path = filepath.Join(dir, name)
	}
	file, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if _, err := file.WriteString(`{"id":"`); err != nil {
		t.Fatal(err)
	}
	if ids, damage := searchAll(t, Archive{Dir: dir, live: true}, Search{}); len(ids) != 1 || len(damage) != 0 {
		t.Errorf("while it is written: %d found, damage %v", len(ids), damage)
	}
	mustClose(t, l)
	again := open(t, dir, LogOptions{}) // after a crash
	defer again.Close()
	if ids, damage := searchAll(t, Archive{Dir: dir, live: true}, Search{}); len(ids) != 1 || len(damage) != 1 {
		t.Errorf("after a crash: %d found, damage %v", len(ids), damage)
	}
}

func TestNamesOfFilesBoundWhatIsInTheFilesBeforeAlsoWhenTheClockIsSetBack(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l := open(t, dir, LogOptions{SegmentBytes: 1}) // each write begins a file
	late := brief(start.Add(3*time.Hour), policy.NotGranted)
	for _, d := range []*Decision{brief(start, policy.NotGranted), late, brief(start.Add(time.Hour), policy.NotGranted), brief(start.Add(time.Hour), policy.NotGranted)} {
		l.Record(d)
		mustFindNothing(t, l)
	}
	ids, _ := searchAll(t, Archive{Dir: dir}, Search{Query: Query{Since: start.Add(2 * time.Hour)}})
	if !slices.Equal(ids, []DecisionID{late.ID}) {
		t.Errorf("found %v", ids)
	}
	ids, _ = searchAll(t, Archive{Dir: dir}, Search{Query: Query{Since: start.Add(30 * time.Minute), Until: start.Add(2 * time.Hour)}})
	if len(ids) != 2 {
		t.Errorf("of the second hour are found %v", ids)
	}
}

func TestLinesAreReadAlikeInBothDirections(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "\n", "a", "a\n", "a\nb", "\n\na\n\n", strings.Repeat("x", 3*chunkBytes) + "\ny\n" + strings.Repeat("z", chunkBytes), strings.Repeat("line\n", 40_000)} {
		read := func(backward bool) (lines []string) {
			r := newLineReader(strings.NewReader(text), int64(len(text)), backward)
			for {
				line, err := r.next()
				if err != nil {
					break
				}
				if got := text[line.offset : line.offset+int64(len(line.text))]; got != string(line.text) {
					t.Fatalf("a line is said to be at byte %d and is not", line.offset)
				}
				lines = append(lines, fmt.Sprint(string(line.text), line.ended))
			}
			if r.done() != int64(len(text)) {
				t.Errorf("%d bytes are said to be read of %d", r.done(), len(text))
			}
			return lines
		}
		forward, backward := read(false), read(true)
		slices.Reverse(backward)
		if !slices.Equal(forward, backward) || len(forward) != strings.Count(text, "\n")+min(1, len(strings.TrimPrefix(text[strings.LastIndexByte(text, '\n')+1:], "\n"))) {
			t.Errorf("a text of %d bytes has %d lines forward and %d backward", len(text), len(forward), len(backward))
		}
	}
}

func TestDecisionsAreCountedByWhatIsAsked(t *testing.T) {
	t.Parallel()
	days := Tally{By: ByDay}
	people := Tally{By: ByPerson}
	for i := range 5 {
		d := full(start.Add(time.Duration(i)*12*time.Hour), []policy.Reason{policy.NotGranted, policy.Granted}[i%2])
		days.Add(&d)
		people.Add(&d)
	}
	people.Add(brief(start, policy.HostUnknown))
	if got := days.Counts(); len(got) != 3 || got[0] != (Count{"2026-03-01", 0, 1, start, start}) || got[1].Passed != 1 || got[1].Refused != 1 {
		t.Errorf("by day: %+v", got)
	}
	if got := people.Counts(); len(got) != 2 || got[0].Key != "bob@example.com" || got[0].Passed != 2 || got[0].Refused != 3 || !got[0].Last.Equal(start.Add(48*time.Hour)) {
		t.Errorf("by person: %+v", got)
	}
	if (&Tally{By: "colour"}).Check() == nil {
		t.Error("decisions have no colour")
	}
}

// BenchmarkSearch reads 16 MiB in which one person is rare.
func BenchmarkSearch(b *testing.B) {
	dir := b.TempDir()
	var text []byte
	for i := 0; len(text) < 16<<20; i++ {
		d := full(start.Add(time.Duration(i)*time.Millisecond), policy.NotGranted)
		if i%1000 == 0 {
			d.Identity.Email = "rare@example.com"
		}
		text = appendLine(text, &d)
	}
	if err := os.WriteFile(filepath.Join(dir, "refused-"+NewDecisionID(start, 0).String()+segmentSuffix), text, 0o600); err != nil {
		b.Fatal(err)
	}
	for name, q := range map[string]Query{"one person": {Person: "rare@example.com"}, "everything": {}} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				searchAll(b, Archive{Dir: dir}, Search{Query: q})
			}
		})
	}
}

// A copy of the log may come from anywhere, and is read by somebody who may read everything.
func TestAFileOfOneEndlessLineIsReadInPieces(t *testing.T) {
	t.Parallel()
	granted := full(start, policy.Granted)
	line := appendLine(nil, &granted)
	dir := t.TempDir()
	file, err := os.Create(filepath.Join(dir, "passed-"+granted.ID.String()+segmentSuffix))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	const size = 16 * maxLine // of nothing: a hole takes no room, and may be of any length
	for at, text := range map[int64]string{0: string(line), size: "\n" + string(line)} {
		if _, err := file.WriteAt([]byte(text), at); err != nil {
			t.Fatal(err)
		}
	}
	for _, oldestFirst := range []bool{true, false} {
		ids, damage := searchAll(t, Archive{Dir: dir}, Search{OldestFirst: oldestFirst})
		if len(ids) != 2 || len(damage) != 1 || damage[0].Offset != int64(len(line)) || damage[0].Offset+damage[0].Bytes != size+1 {
			t.Errorf("found %v, damage %v", ids, damage)
		}
		r := newLineReader(file, size, !oldestFirst)
		for {
			if _, err := r.next(); err != nil {
				break
			}
			if cap(r.buffer) > 4*maxLine {
				t.Fatalf("%d bytes are held at once", cap(r.buffer))
			}
		}
	}
}

func TestASearchDoesNotWaitForAPipeInTheNameOfAFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "passed-"+NewDecisionID(start, 0).String()+segmentSuffix)
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	var damage []Damage
	s := &searching{Search: Search{Damaged: func(d Damage) { damage = append(damage, d) }}}
	s.parts = []*part{{files: []segment{{path: path}}}} // listed when it was a file still
	if err := s.advance(s.parts[0]); err != nil || len(damage) != 1 {
		t.Errorf("%v, damage %v", err, damage)
	}
}
