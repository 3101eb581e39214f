package audit

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/policy"
	"github.com/gatehouse-iap/gatehouse/internal/principal"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 123456000, time.UTC)

func full(at time.Time, reason policy.Reason) Decision {
	return Decision{
		ID: NewDecisionID(at, 7), Time: at, Reason: reason, Status: 403, Method: "GET", Host: "app.localhost", Path: "/a/b",
		Peer: netip.MustParseAddr("2001:db8::1"), Resource: "projects/123/iap_web/compute/services/456",
		Identity: principal.Identity{
			Kind: principal.User, Provider: "local", Subject: "110000000000000000001", Email: "bob@example.com", HostedDomain: "example.com",
		},
		Credential: SessionCookie, SessionID: "00112233445566778899aabbccddeeff", KeyID: "gO4i_Q", Position: 42,
		Tried: []Tried{{Resource: "projects/123", Etag: "AAAAAAAAAAE=", Bindings: []TriedBinding{
			{Role: "roles/owner", Members: 3, Why: "role gives no web access"},
		}}},
	}
}

// brief is a decision without anything that the test does not look at.
func brief(at time.Time, reason policy.Reason) *Decision {
	return &Decision{ID: NewDecisionID(at, 0), Time: at, Reason: reason}
}

// open starts a log whose writer acts only when told to by a flush, a wake or Close.
func open(t testing.TB, dir string, o LogOptions) *Log {
	t.Helper()
	if o.Now == nil {
		o.Now = func() time.Time { return start }
	}
	l, err := newLog(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	go l.run(nil)
	t.Cleanup(func() { l.Close() })
	return l
}

func mustFind(t testing.TB, l *Log, id DecisionID) Decision {
	t.Helper()
	d, err := l.Find(context.Background(), id)
	if err != nil {
		t.Fatalf("Find: %v", err)
	}
	return d
}

func mustClose(t testing.TB, l *Log) {
	t.Helper()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

// files returns the names in a directory that begin with a prefix, with their contents.
func files(t testing.TB, dir, prefix string) map[string]string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, prefix+"*"))
	if err != nil {
		t.Fatal(err)
	}
	contents := make(map[string]string, len(paths))
	for _, path := range paths {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		contents[filepath.Base(path)] = string(b)
	}
	return contents
}

func TestWhatIsRecordedIsFound(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "decisions")
	l := open(t, dir, LogOptions{})
	records := []Decision{
		full(start, policy.NotGranted), full(start.Add(time.Second), policy.Granted), *brief(start, policy.HostUnknown), *brief(start, policy.IAPDisabled),
	}
	for i := range records {
		l.Record(&records[i])
	}
	for _, want := range records {
		if got := mustFind(t, l, want.ID); !reflect.DeepEqual(got, want) {
			t.Errorf("Find = %+v, want %+v", got, want)
		}
	}
	if _, err := l.Find(t.Context(), NewDecisionID(start, 0)); !errors.Is(err, ErrNoDecision) {
		t.Errorf("an id that was never given out: %v", err)
	}
	mustClose(t, l)
	if got := mustFind(t, l, records[0].ID); got.Reason != policy.NotGranted {
		t.Errorf("after Close: %+v", got)
	}
	passed, refused := files(t, dir, "passed-"), files(t, dir, "refused-")
	if len(passed) != 1 || len(refused) != 1 {
		t.Fatalf("passes in %d files, refusals in %d", len(passed), len(refused))
	}
	private := []string{dir}
	for name := range refused {
		private = append(private, filepath.Join(dir, name))
	}
	for _, path := range private {
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s can be read by others: %v, %v", path, info, err)
		}
	}
}

func TestWhatTheCallerDoesLaterChangesNothing(t *testing.T) {
	t.Parallel()
	l := open(t, t.TempDir(), LogOptions{})
	d := full(start, policy.NotGranted)
	id := d.ID
	l.Record(&d)
	d.Host, d.ID = "other", DecisionID{}
	if got := mustFind(t, l, id); got.Host != "app.localhost" {
		t.Errorf("recorded host %s", got.Host)
	}
}

func TestLinesHaveStableNames(t *testing.T) {
	t.Parallel()
	d := full(start, policy.NotGranted)
	d.ID, d.RequestID = DecisionID{15: 1}, "Root=1-5"
	want := `{"id":"00000000000000000000000004","time":"2026-03-01T12:00:00.123456Z","reason":"not_granted","status":403,` +
		`"method":"GET","host":"app.localhost","path":"/a/b","peer":"2001:db8::1","resource":"projects/123/iap_web/compute/services/456",` +
		`"principal":{"kind":"user","provider":"local","subject":"110000000000000000001","email":"bob@example.com","hosted_domain":"example.com"},` +
		`"credential":"session","session_id":"00112233445566778899aabbccddeeff","key_id":"gO4i_Q","request_id":"Root=1-5","position":42,` +
		`"tried":[{"resource":"projects/123","etag":"AAAAAAAAAAE=","bindings":[{"role":"roles/owner","members":3,"why":"role gives no web access"}]}]}` + "\n"
	if got := string(appendLine(nil, &d)); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	empty := string(appendLine(nil, &Decision{}))
	if want := `{"id":"00000000000000000000000000","time":"0001-01-01T00:00:00Z","reason":"","status":0,"position":0}` + "\n"; empty != want {
		t.Errorf("got\n%swant\n%s", empty, want)
	}
	var general line
	if err := json.Unmarshal([]byte(want), &general); err != nil {
		t.Fatal(err)
	}
	if encoded, err := json.Marshal(general); err != nil || string(encoded)+"\n" != want {
		t.Errorf("the general encoder writes\n%s", encoded)
	}
}

func TestAClientCannotForgeLinesOrFillTheDisk(t *testing.T) {
	t.Parallel()
	l := open(t, t.TempDir(), LogOptions{})
	d := full(start, policy.TargetInvalid)
	d.Path = "/\n{\"id\":\"x\"}\r\n\x00\"\\"
	d.Method = strings.Repeat("M", 1<<20)
	l.Record(&d)
	long := full(start, policy.TargetInvalid)
	long.Path = "/" + strings.Repeat("p", 1<<20)
	l.Record(&long)
	if got := mustFind(t, l, d.ID); got.Path != d.Path || len(got.Method) > 600 {
		t.Errorf("path %q, method of %d bytes", got.Path, len(got.Method))
	}
	if got := mustFind(t, l, long.ID); len(got.Path) > 9000 || !strings.HasSuffix(got.Path, "…") {
		t.Errorf("path of %d bytes", len(got.Path))
	}
}

func TestAnonymousRefusalsAreCountedAndSampled(t *testing.T) {
	t.Parallel()
	l := open(t, t.TempDir(), LogOptions{})
	var ids []DecisionID
	for second := range 2 {
		for i := range 50 {
			reason := []policy.Reason{policy.NoCredential, policy.SessionEnded, policy.CookieInvalid}[i%3]
			d := brief(start.Add(time.Duration(second)*time.Second), reason)
			ids = append(ids, d.ID)
			l.Record(d)
		}
	}
	l.Record(brief(start, policy.NoCredential)) // late, of a second that is over: counts in the current one
	for range 50 {
		l.Record(brief(start, policy.NotGranted))
	}
	want := LogCounts{Refused: 151, Anonymous: 101, Unsampled: 81}
	if got := l.Counts(); got != want {
		t.Errorf("Counts = %+v, want %+v", got, want)
	}
	found := 0
	for _, id := range ids {
		if _, err := l.Find(t.Context(), id); err == nil {
			found++
		}
	}
	if found != 20 {
		t.Errorf("%d of 100 were recorded", found)
	}
	l.Record(brief(start.Add(-time.Hour), policy.NoCredential))
	if got := l.Counts(); got.Unsampled != 81 {
		t.Error("after the clock was set back nothing is sampled any more")
	}
}

// inBuffer makes a decision that falls into the first buffer.
func inBuffer(i int, reason policy.Reason) *Decision {
	d := brief(start, reason)
	binary.BigEndian.PutUint64(d.ID[8:], uint64(i)*bufferCount)
	return d
}

func TestAFullBufferDropsPassesAndHoldsRefusals(t *testing.T) {
	t.Parallel()
	l, err := newLog(t.TempDir(), LogOptions{Now: func() time.Time { return start }})
	if err != nil {
		t.Fatal(err)
	}
	l.patience = time.Hour
	for i := range bufferLimit + 3 {
		l.Record(inBuffer(i, policy.Granted))
	}
	for i := range bufferLimit {
		l.Record(inBuffer(i, policy.NotGranted)) // has room: passes do not take it away
	}
	if got := l.Counts(); got.DroppedPasses != 3 || got.DroppedRefusals != 0 {
		t.Fatalf("Counts = %+v", got)
	}
	last := inBuffer(bufferLimit, policy.NotGranted)
	recorded := make(chan struct{})
	go func() {
		l.Record(last)
		close(recorded)
	}()
	<-l.wake
	select {
	case <-recorded:
		t.Fatal("a refusal did not wait for room")
	default:
	}
	go l.run(nil)
	l.wakeWriter()
	<-recorded
	mustFind(t, l, last.ID)
	mustClose(t, l)
	if got := l.Counts(); got.DroppedPasses != 3 || got.DroppedRefusals != 0 {
		t.Errorf("Counts = %+v", got)
	}
}

func TestARefusalDoesNotWaitForEver(t *testing.T) {
	t.Parallel()
	l, err := newLog(t.TempDir(), LogOptions{Now: func() time.Time { return start }})
	if err != nil {
		t.Fatal(err)
	}
	l.patience = time.Millisecond // nobody writes
	for i := range bufferLimit + 1 {
		l.Record(inBuffer(i, policy.NotGranted))
	}
	if got := l.Counts(); got.DroppedRefusals != 1 || got.Refused != bufferLimit+1 {
		t.Errorf("Counts = %+v", got)
	}
}

func TestCloseWritesWhatWaitsAndDropsWhatComesLater(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l, err := OpenLog(dir, LogOptions{})
	if err != nil {
		t.Fatal(err)
	}
	const writers, each = 8, 500
	var wait sync.WaitGroup
	for range writers {
		wait.Go(func() {
			for range each {
				l.Record(brief(time.Now(), policy.NotGranted))
			}
		})
	}
	wait.Wait()
	mustClose(t, l)
	mustClose(t, l)
	lines := 0
	for _, content := range files(t, dir, "refused-") {
		lines += strings.Count(content, "\n")
	}
	if got := l.Counts(); lines != writers*each || got.DroppedRefusals != 0 || got.Refused != writers*each {
		t.Errorf("%d lines; Counts = %+v", lines, got)
	}
	l.Record(brief(start, policy.Granted))
	l.Record(brief(start, policy.NotGranted))
	if got := l.Counts(); got.DroppedPasses != 1 || got.DroppedRefusals != 1 {
		t.Errorf("after Close: %+v", got)
	}
}

func TestATickSyncsToTheDisk(t *testing.T) {
	t.Parallel()
	l, err := newLog(t.TempDir(), LogOptions{Now: func() time.Time { return start }})
	if err != nil {
		t.Fatal(err)
	}
	ticks := make(chan time.Time)
	go l.run(ticks)
	d := brief(start, policy.NotGranted)
	l.Record(d)
	ticks <- start // taken up: the writer drains and syncs before it takes anything else
	mustFind(t, l, d.ID)
	mustClose(t, l)
	if s := l.segments[refusals]; s.unsynced {
		t.Error("written and not synced")
	}
}

// BenchmarkRecord measures the request's part: the buffers are emptied without writing.
func BenchmarkRecord(b *testing.B) {
	l, err := newLog(b.TempDir(), LogOptions{})
	if err != nil {
		b.Fatal(err)
	}
	d := full(time.Now(), policy.Granted)
	d.Tried = nil
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		d := d
		for i := uint64(0); pb.Next(); i++ {
			binary.BigEndian.PutUint64(d.ID[8:], i)
			l.Record(&d)
			if i%bufferWake == 0 {
				for j := range l.buffers {
					buffer := &l.buffers[j]
					for c, batch := range buffer.take() {
						buffer.mu.Lock()
						buffer.spare[c] = batch[:0]
						buffer.mu.Unlock()
					}
				}
			}
		}
	})
	b.ReportMetric(float64(l.Counts().DroppedPasses)/float64(b.N), "dropped/op")
}

// BenchmarkRecordOverload is as fast as requests can come: nearly all passes are dropped.
func BenchmarkRecordOverload(b *testing.B) {
	l, err := OpenLog(b.TempDir(), LogOptions{})
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	d := full(time.Now(), policy.Granted)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		d := d
		for i := uint64(0); pb.Next(); i++ {
			binary.BigEndian.PutUint64(d.ID[8:], i)
			l.Record(&d)
		}
	})
	b.ReportMetric(float64(l.Counts().DroppedPasses)/float64(b.N), "dropped/op")
}

func BenchmarkAppendLine(b *testing.B) {
	d := full(start, policy.Granted)
	d.Tried = nil
	var space []byte
	b.ReportAllocs()
	for b.Loop() {
		space = appendLine(space[:0], &d)
	}
}

func BenchmarkRecordAnonymous(b *testing.B) {
	l, err := OpenLog(b.TempDir(), LogOptions{})
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	d := *brief(time.Now(), policy.NoCredential)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		d := d
		for i := uint64(0); pb.Next(); i++ {
			binary.BigEndian.PutUint64(d.ID[8:], i)
			l.Record(&d)
		}
	})
}

func FuzzLine(f *testing.F) {
	f.Add("/a", "GET", "bob@example.com", int64(1))
	f.Add("/\n\"\\\x00\u2028", "", "", int64(-1))
	f.Fuzz(func(t *testing.T, path, method, email string, position int64) {
		d := Decision{ID: NewDecisionID(start, 1), Time: start, Path: path, Method: method, Position: position}
		d.Identity.Email = email
		b := appendLine(nil, &d)
		if strings.Count(string(b), "\n") != 1 || b[len(b)-1] != '\n' {
			t.Fatalf("more than one line: %q", b)
		}
		got, err := ParseLine(b)
		if err != nil {
			t.Fatalf("%q: %v", b, err)
		}
		valid := func(s string) string { return strings.ToValidUTF8(s, "") }
		if path == valid(path) && len(path) < maxPath && got.Path != path || email == valid(email) && got.Identity.Email != email || got.Position != position {
			t.Errorf("%q came back as %+v", b, got)
		}
	})
}

func FuzzParseLine(f *testing.F) {
	d := full(start, policy.NotGranted)
	f.Add(appendLine(nil, &d))
	f.Add([]byte(`{"id":"00000000000000000000000000"`))
	f.Add([]byte(fmt.Sprintf(`{"id":%q,"peer":"x"}`, d.ID)))
	f.Fuzz(func(t *testing.T, b []byte) {
		if d, err := ParseLine(b); err == nil {
			if _, err := ParseLine(appendLine(nil, &d)); err != nil && d.Time.Year() < 10000 {
				t.Errorf("%q was read, written again and not read: %v", b, err)
			}
		}
	})
}

// Whoever is not recognised causes refusals of sign-in as often as they like, and washes away no other record by that.
func TestRefusalsOfSignInAreKeptApartFromThoseOfPeople(t *testing.T) {
	t.Parallel()
	for _, reason := range []policy.Reason{
		policy.SignInRefused, policy.SignInLoops, policy.SignInDeclined, policy.ProviderUnavailable, policy.ProviderMisconfigured, policy.ProviderTokenInvalid,
	} {
		d := brief(start, reason)
		if c := classOf(d); c != strangers {
			t.Errorf("%s is kept with %s", reason, c)
		}
		if anonymous(d) {
			t.Errorf("%s is only counted, and its page shows a reference", reason)
		}
	}
}

// That an exchange has ended is said about somebody who was let in: it is neither merely counted, nor kept with what
// strangers cause.
func TestTheEndOfAnExchangeIsARefusalWhateverItsReason(t *testing.T) {
	t.Parallel()
	for _, reason := range policy.Reasons() {
		d := full(start, reason)
		d.Ends = NewDecisionID(start, 1)
		if classOf(&d) != refusals || anonymous(&d) {
			t.Errorf("%s: kept with %s, only counted %t", reason, classOf(&d), anonymous(&d))
		}
		read, err := ParseLine(appendLine(nil, &d))
		if err != nil || read.Ends != d.Ends {
			t.Errorf("%s: read back as the end of %s, %v", reason, read.Ends, err)
		}
	}
}

// Whoever is not recognised passes where that is allowed as often as they like, and washes away no pass of a person.
func TestPassesOfNobodyAreKeptApartFromThoseOfPeople(t *testing.T) {
	t.Parallel()
	for reason, want := range map[policy.Reason][2]class{ // of nobody, and of somebody
		policy.Granted: {public, passes}, policy.GrantedPublic: {public, passes}, policy.IAPDisabled: {public, passes}, policy.PublicPath: {public, passes},
		policy.NotGranted: {refusals, refusals}, policy.RecordFailed: {refusals, refusals}, policy.NoCredential: {strangers, strangers}, policy.CORSPreflight: {strangers, strangers},
	} {
		nobody, somebody := *brief(start, reason), full(start, reason)
		if got := [2]class{classOf(&nobody), classOf(&somebody)}; got != want {
			t.Errorf("%s is kept with %v, not %v", reason, got, want)
		}
	}
}
