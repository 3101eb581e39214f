package daemon

import (
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/audit"
	"github.com/gatehouse-iap/gatehouse/internal/config"
	"github.com/gatehouse-iap/gatehouse/internal/server"
)

// hasLine waits until a file of the world has a line with all of some texts, and returns it.
func (w *world) hasLine(name string, texts ...string) string {
	w.t.Helper()
	for end := time.Now().Add(3 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		content, _ := os.ReadFile(w.path(name)) // it may not be there yet
	lines:
		for line := range strings.Lines(string(content)) {
			for _, text := range texts {
				if !strings.Contains(line, text) {
					continue lines
				}
			}
			return line
		}
		if time.Now().After(end) {
			w.t.Fatalf("%s has no line with %q:\n%s", name, texts, content)
		}
	}
}

func TestRecordsGoWhereTheConfigurationSaysAndGoOnThereWhenItChanges(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write("gatehouse.yaml", plainConfig+"audit: {lines: {file: audit.jsonl}}\n")
	w.start()
	w.get(0, "http://app.localhost/first")
	w.hasLine("audit.jsonl", `{"type":"change","seq":`, `"action":"services.put"`, `"kind":"system","name":"manifests"`) // from before the first request
	w.hasLine("audit.jsonl", `{"type":"decision","id":"`, `"path":"/first"`)

	if err := os.Rename(w.path("audit.jsonl"), w.path("audit.1")); err != nil {
		t.Fatal(err)
	}
	w.sighup()
	w.get(0, "http://app.localhost/second")
	w.hasLine("audit.jsonl", `"path":"/second"`)

	w.write("gatehouse.yaml", plainConfig+"audit: {onFailure: refuse, maxAge: 30d, lines: {file: other.jsonl}}\n")
	w.look()
	w.get(0, "http://app.localhost/third")
	w.hasLine("other.jsonl", `"path":"/third"`)
	w.edit("apps.yaml", "app.localhost", "renamed.localhost")
	w.look()
	w.hasLine("other.jsonl", `"type":"change"`, "renamed.localhost", `"before":`)
	if text, err := os.ReadFile(w.path("audit.jsonl")); err != nil || strings.Contains(string(text), "third") {
		t.Errorf("the old place still gets lines: %s, %v", text, err)
	}
	if body := w.get(-1, "http://localhost/readyz").body; !strings.Contains(body, `"state": "kept"`) || !strings.Contains(body, "other.jsonl") || strings.Contains(body, "audit.jsonl") {
		t.Errorf("/readyz says %s", body)
	}
	if body := w.get(-1, "http://localhost/metrics").body; !strings.Contains(body, `gatehouse_audit_lines_total{to="`+w.path("other.jsonl")+`"} `) {
		t.Error("the lines are not counted")
	}
	w.get(0, "http://renamed.localhost/last")
	if err := w.stop(); err != nil {
		t.Fatal(err)
	}
	w.hasLine("other.jsonl", `"path":"/last"`)
}

func TestWhatTheConfigurationSaysOfRecordsHolds(t *testing.T) {
	t.Parallel()
	c := config.Audit{Refuse: true, MaxSize: 1 << 30, MaxAge: 24 * time.Hour, ChangesMaxAge: 48 * time.Hour}
	want := server.Records{Retention: audit.Retention{TotalBytes: 1 << 30, MaxAge: 24 * time.Hour}, Refuse: true, EntriesMaxAge: 48 * time.Hour}
	if got := recordsOf(c, nil); !reflect.DeepEqual(got, want) {
		t.Errorf("the server is told %+v", got)
	}

	w := newWorld(t)
	w.start()
	w.write("gatehouse.yaml", plainConfig+"audit: {onFailure: refuse}\n")
	w.look()
	decisions := w.path(filepath.Join("data", audit.LogDir))
	if err := os.Rename(decisions, decisions+".away"); err != nil { // as a disk that takes nothing
		t.Fatal(err)
	}
	for end := time.Now().Add(5 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		a := w.get(0, "http://app.localhost/")
		if a.status == http.StatusServiceUnavailable && strings.Contains(a.body, "record_failed") {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("nothing can be recorded, and the answer is %d %s", a.status, a.body)
		}
	}
}
