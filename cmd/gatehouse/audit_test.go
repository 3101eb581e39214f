package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/gatehouse-iap/gatehouse/internal/admin"
	"github.com/gatehouse-iap/gatehouse/internal/audit"
)

func TestTimesAreReadAsPeopleWriteThem(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 2, 15, 4, 5, 6, time.FixedZone("there", 3600))
	for text, want := range map[string]string{
		"now": "2026-03-02T14:04:05Z", "today": "2026-03-02T00:00:00Z", "yesterday": "2026-03-01T00:00:00Z",
		"2026-02-28": "2026-02-28T00:00:00Z", "2026-02-28T01:02": "2026-02-28T01:02:00Z", "2026-02-28 01:02:03": "2026-02-28T01:02:03Z",
		"2026-02-28T01:02:03+02:00": "2026-02-27T23:02:03Z", "90m": "2026-03-02T12:34:05Z", "7d": "2026-02-23T14:04:05Z", "2w": "2026-02-16T14:04:05Z",
	} {
		got, err := pastMoment("since", text, now)
		if err != nil || got.UTC().Format(time.RFC3339) != want {
			t.Errorf("%q is read as %s, %v; want %s", text, got, err, want)
		}
	}
	for _, text := range []string{"-1h", "tomorrow", "7", "2026-13-01", "1y"} {
		if got, err := pastMoment("since", text, now); err == nil {
			t.Errorf("%q is read as %s", text, got)
		}
	}
	if got, err := pastMoment("since", "", now); err != nil || !got.IsZero() {
		t.Errorf("nothing is read as %s, %v", got, err)
	}
}

func TestNoCellIsTakenForAFormula(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{"": "", "/a=b": "/a=b", "=1+1": "'=1+1", "@x": "'@x", "-1": "'-1", "+1": "'+1", "\tx": "'\tx", "＝1": "'＝1", "日": "日"} {
		if got := harmlessCell(in); got != want {
			t.Errorf("%q is written as %q", in, got)
		}
	}
}

// What strangers wrote is shown to administrators. JSON need not escape the controls of the upper half, nor characters
// that turn the direction of a line; terminals act on them all the same.
func TestNoRecordActsOnTheTerminalInAnyFormat(t *testing.T) {
	t.Parallel()
	const hostile = "/\x7f\u009b2J\u202e=\ufeffend"
	change := audit.Entry{Seq: 1, Action: "users.create", Target: hostile, After: json.RawMessage(`{"name":"` + hostile + `"}`)}
	decision := json.RawMessage(`{"id":"06G4CWQ1ZR0005V1YSD82KTRH8","time":"2026-03-01T12:00:00Z","reason":"granted","status":0,"path":"` + hostile + "\xff" + `","position":1}`)
	for _, format := range []string{formatText, formatJSON, formatCSV} {
		var out bytes.Buffer
		cmd := &cobra.Command{}
		cmd.SetOut(&out)
		printer := newRecordPrinter(cmd, format)
		for _, line := range []admin.RecordLine{{Change: &change}, {Decision: decision}} {
			if err := printer.hear(line); err != nil {
				t.Fatal(err)
			}
			if format != formatJSON {
				continue
			}
			var back struct{ Target, Path string }
			if err := json.Unmarshal(out.Bytes()[bytes.LastIndexByte(bytes.TrimSpace(out.Bytes()), '\n')+1:], &back); err != nil || !strings.HasPrefix(back.Target+back.Path, hostile) {
				t.Errorf("%v: the JSON says %+q, %+q", err, back.Target, back.Path)
			}
		}
		for _, text := range strings.Split(out.String(), "\n") {
			if printable(text) != text {
				t.Errorf("%s prints %+q", format, text)
			}
		}
	}
	var out bytes.Buffer
	cmd := &cobra.Command{}
	cmd.SetOut(&out)
	if err := (&output{format: formatJSON}).print(cmd, change); err != nil || printable(strings.ReplaceAll(out.String(), "\n", "")) != strings.ReplaceAll(out.String(), "\n", "") {
		t.Errorf("%v: %+q", err, &out)
	}
}

func TestProgressIsALineThatGoesAwayBeforeWhatIsFound(t *testing.T) {
	t.Parallel()
	for terminal, want := range map[bool]string{
		true:  "\r\x1b[Ksearched 0 % of 2 MiB\r\x1b[Ksearched 50 % of 2 MiB\r\x1b[KFOUND\r\x1b[Ksearched 50 % of 2 MiB\r\x1b[K",
		false: "FOUND",
	} {
		var out bytes.Buffer // both outputs, as at a terminal
		cmd := &cobra.Command{}
		cmd.SetOut(&out)
		p := newRecordPrinter(cmd, formatText)
		p.notes, p.progress = &out, terminal
		change := audit.Entry{Seq: 1, Action: "users.create", Target: "x"}
		for _, line := range []admin.RecordLine{
			{Progress: &admin.BytesRead{}}, {Progress: &admin.BytesRead{Done: 1, Total: 2 << 20}}, {Progress: &admin.BytesRead{Done: 1 << 20, Total: 2 << 20}},
			{Progress: &admin.BytesRead{Done: 1<<20 + 1, Total: 2 << 20}}, {Change: &change}, {Progress: &admin.BytesRead{Done: 1<<20 + 2, Total: 2 << 20}}, {End: &admin.RecordsEnd{Found: 1}},
		} {
			if err := p.hear(line); err != nil {
				t.Fatal(err)
			}
		}
		found := out.String()[strings.Index(out.String(), "0001-"):]
		found, _, _ = strings.Cut(found, "\n")
		if got := strings.Replace(out.String(), found+"\n", "FOUND", 1); got != want || p.found != 1 {
			t.Errorf("at a terminal %v: %q, want %q", terminal, got, want)
		}
	}
}
