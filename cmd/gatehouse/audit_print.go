package main

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/gatehouse-iap/gatehouse/internal/admin"
	"github.com/gatehouse-iap/gatehouse/internal/audit"
)

const formatCSV = "csv"

// recordPrinter prints records as they come.
type recordPrinter struct {
	format   string
	out      io.Writer
	csv      *csv.Writer
	notes    io.Writer // for people: damage, progress
	progress bool      // notes is a terminal
	shown    bool      // progress stands in the last line of it
	percent  int64
	found    int
}

func newRecordPrinter(cmd *cobra.Command, format string) *recordPrinter {
	p := &recordPrinter{format: format, out: cmd.OutOrStdout(), notes: cmd.ErrOrStderr()}
	file, isFile := p.notes.(*os.File)
	p.progress = isFile && isTerminal(file)
	if format == formatCSV {
		p.csv = csv.NewWriter(p.out)
	}
	return p
}

// hear prints one line of the server's answer.
func (p *recordPrinter) hear(line admin.RecordLine) error {
	switch {
	case line.Progress != nil:
		p.tell(*line.Progress)
		return nil
	case line.Damage != nil:
		p.clear()
		fmt.Fprintln(p.notes, "gatehouse: the decision log has a gap: "+printable(line.Damage.String()))
		return nil
	case line.Missed > 0:
		p.clear()
		fmt.Fprintf(p.notes, "gatehouse: %d decisions are not shown, because they came faster than they were read here; `gatehouse audit search` has them\n", line.Missed)
		return nil
	case line.Decision == nil && line.Change == nil:
		p.clear()
		return nil
	}
	p.clear()
	p.found++
	switch p.format {
	case formatJSON:
		return p.json(line)
	case formatCSV:
		return p.row(line)
	default:
		return p.text(line)
	}
}

// tell shows progress to somebody who waits at a terminal.
func (p *recordPrinter) tell(read admin.BytesRead) {
	if !p.progress || read.Total == 0 || p.shown && 100*read.Done/read.Total == p.percent {
		return
	}
	p.shown, p.percent = true, 100*read.Done/read.Total
	fmt.Fprintf(p.notes, "\r\x1b[Ksearched %d %% of %d MiB", p.percent, (read.Total+1<<20-1)>>20)
}

func (p *recordPrinter) clear() {
	if p.shown {
		fmt.Fprint(p.notes, "\r\x1b[K")
		p.shown = false
	}
}

// json prints the line as audit.lines has it.
func (p *recordPrinter) json(line admin.RecordLine) error {
	if line.Change != nil {
		return p.object("change", line.Change)
	}
	return p.object("decision", line.Decision)
}

func (p *recordPrinter) object(kind string, record any) error {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(record); err != nil {
		return err
	}
	_, err := fmt.Fprintf(p.out, "{\"type\":%q,%s", kind, printableJSON(text.Bytes()[1:]))
	return err
}

func (p *recordPrinter) text(line admin.RecordLine) error {
	if c := line.Change; c != nil {
		_, err := fmt.Fprintln(p.out, printable(fmt.Sprintf("%s change %s %s by %s:%s, number %d", clock(c.Time), c.Action, c.Target, c.Actor.Kind, c.Actor.Name, c.Seq)))
		return err
	}
	d, err := audit.ParseLine(line.Decision)
	if err != nil {
		return err
	}
	from := ""
	if d.Peer.IsValid() {
		from = " from " + d.Peer.String()
	}
	_, err = fmt.Fprintln(p.out, printable(fmt.Sprintf("%s %s %s %s %s %s%s%s, %s", clock(d.Time), audit.OutcomeOf(&d), d.Reason, personOf(&d), d.Method, d.Host, d.Path, from, d.ID)))
	return err
}

func personOf(d *audit.Decision) string {
	switch {
	case d.Identity.Email != "":
		return d.Identity.Email
	case d.Identity.Subject != "":
		return d.Identity.Subject
	default:
		return "(nobody)"
	}
}

// clock shows a time to the millisecond.
func clock(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z07:00") }

// The columns of CSV; those of the other record are empty.
var recordColumns = []string{
	"time", "record", "id", "outcome", "status", "reason", "person", "subject", "method", "host", "path", "peer", "resource", "credential", "session", "actor", "action", "target", "request_id",
}

func (p *recordPrinter) row(line admin.RecordLine) error {
	if p.found == 1 {
		if err := p.csv.Write(recordColumns); err != nil {
			return err
		}
	}
	var row map[string]string
	if c := line.Change; c != nil {
		row = map[string]string{
			"time": clock(c.Time), "record": "change", "id": strconv.FormatInt(c.Seq, 10), "actor": c.Actor.Kind + ":" + c.Actor.Name, "action": c.Action, "target": c.Target,
		}
	} else {
		d, err := audit.ParseLine(line.Decision)
		if err != nil {
			return err
		}
		row = map[string]string{
			"time": clock(d.Time), "record": "decision", "id": d.ID.String(), "outcome": string(audit.OutcomeOf(&d)), "reason": string(d.Reason),
			"person": d.Identity.Email, "subject": d.Identity.Subject, "method": d.Method, "host": d.Host, "path": d.Path, "resource": string(d.Resource),
			"credential": string(d.Credential), "session": d.SessionID, "request_id": d.RequestID,
		}
		if d.Status != 0 {
			row["status"] = strconv.Itoa(d.Status)
		}
		if d.Peer.IsValid() {
			row["peer"] = d.Peer.String()
		}
	}
	cells := make([]string, len(recordColumns))
	for i, column := range recordColumns {
		cells[i] = harmlessCell(printable(row[column]))
	}
	if err := p.csv.Write(cells); err != nil {
		return err
	}
	p.csv.Flush() // whoever reads along sees it now
	return p.csv.Error()
}

// harmlessCell keeps a spreadsheet from taking what a stranger wrote for a formula.
func harmlessCell(s string) string {
	if first, _ := utf8.DecodeRuneInString(s); s != "" && strings.ContainsRune("=+-@\t\r＝＋－＠", first) {
		return "'" + s
	}
	return s
}
