package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/rogpeppe/go-internal/diff"
	"github.com/spf13/cobra"

	"github.com/gatehouse-iap/gatehouse/internal/admin"
	"github.com/gatehouse-iap/gatehouse/internal/admin/adminclient"
	"github.com/gatehouse-iap/gatehouse/internal/audit"
)

func newAuditShow(server *serverFlags) *cobra.Command {
	cmd := &cobra.Command{
		Use: "show ID", Short: "Show one record",
		Long: `Show one record. For the id of a decision it is what ` + "`gatehouse explain`" + ` shows, and likewise for what a trusted proxy
calls the request, such as a UUID. For the number of an administrative change it is who made it, when, and what it changed, in the
unified format: lines that went with -, lines that came with +.`,
		Example: `  gatehouse audit show 06G4CWQ1ZR0005V1YSD82KTRH8
  gatehouse audit show 7f9c24e8-3b12-4c6e-9d0a-1f2e3d4c5b6a
  gatehouse audit show 1742`,
		Args: arguments("ID"),
	}
	format := addOutput(cmd, formatText, formatYAML, formatJSON)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		client, err := server.client(cmd)
		if err != nil {
			return err
		}
		if _, err := audit.ParseDecisionID(args[0]); err == nil {
			return showDecision(cmd, server, client, args[0], format)
		}
		if strings.Trim(args[0], "0123456789") != "" {
			id, err := findRequest(cmd, client, args[0])
			if err != nil {
				return err
			}
			return showDecision(cmd, server, client, id, format)
		}
		entry, err := findEntry(cmd, client, args[0])
		if err != nil {
			return err
		}
		if format.format != formatText {
			return format.print(cmd, entry)
		}
		return showEntry(cmd.OutOrStdout(), entry)
	}
	return cmd
}

// findRequest returns the id of the one decision about a request that a trusted proxy has named.
func findRequest(cmd *cobra.Command, client *adminclient.Client, name string) (string, error) {
	var ids []string
	err := client.SearchRecords(cmd.Context(), admin.RecordQuery{RequestID: name}, func(line admin.RecordLine) error {
		if line.Decision == nil {
			return nil
		}
		d, err := audit.ParseLine(line.Decision)
		ids = append(ids, d.ID.String())
		return err
	})
	switch {
	case err != nil:
		return "", err
	case len(ids) == 0:
		return "", fmt.Errorf("%q is neither the id of a decision, nor the number of a change, nor what a request is called that was recorded", name)
	case len(ids) > 1:
		return "", fmt.Errorf("%d decisions are about the request %s: list them with `gatehouse audit search --request-id=%[2]s`, and show one", len(ids), name)
	}
	return ids[0], nil
}

func findEntry(cmd *cobra.Command, client *adminclient.Client, number string) (entry *audit.Entry, err error) {
	err = client.SearchRecords(cmd.Context(), admin.RecordQuery{Kind: admin.AllRecords, ID: number}, func(line admin.RecordLine) error {
		if line.Change != nil {
			entry = line.Change
		}
		return nil
	})
	if err == nil && entry == nil {
		err = fmt.Errorf("there is no change number %s; `gatehouse audit list` lists the last ones", number)
	}
	return entry, err
}

// showEntry writes a change for people.
func showEntry(w io.Writer, e *audit.Entry) error {
	for _, line := range [][2]string{
		{"Change", fmt.Sprintf("number %d", e.Seq)}, {"Time", clock(e.Time)}, {"Actor", e.Actor.Kind + ":" + e.Actor.Name}, {"Action", e.Action}, {"Target", e.Target},
	} {
		fmt.Fprintf(w, "%-7s %s\n", line[0], printable(line[1]))
	}
	before, err := indented(e.Before)
	if err != nil {
		return err
	}
	after, err := indented(e.After)
	if err != nil {
		return err
	}
	text := diff.Diff("before", before, "after", after)
	if _, rest, found := bytes.Cut(text, []byte("\n")); found { // the first line names a command that nobody ran
		text = rest
	}
	for line := range strings.Lines(string(text)) {
		if _, err := fmt.Fprintln(w, printable(strings.TrimSuffix(line, "\n"))); err != nil {
			return err
		}
	}
	return nil
}

// indented writes JSON with its keys in alphabetical order, one a line.
func indented(text json.RawMessage) ([]byte, error) {
	if len(text) == 0 {
		return nil, nil
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var v any
	if err := decoder.Decode(&v); err != nil {
		return nil, err
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	err := encoder.Encode(v)
	return out.Bytes(), err
}
