package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"
)

// The formats that commands print in.
const (
	formatTable = "table"
	formatYAML  = "yaml"
	formatJSON  = "json"
	formatText  = "text"
)

// output is a command's --format.
type output struct {
	format  string
	allowed []string
}

// addOutput adds --format; the first format is the default.
func addOutput(cmd *cobra.Command, formats ...string) *output {
	o := &output{allowed: formats}
	cmd.Flags().StringVar(&o.format, "format", formats[0], "how to print: "+strings.Join(formats, ", "))
	completeFlag(cmd, "format", formats...)
	check := cmd.PreRunE
	cmd.PreRunE = func(cmd *cobra.Command, args []string) error {
		if err := oneOf("format", o.format, o.allowed); err != nil || check == nil {
			return err
		}
		return check(cmd, args)
	}
	return o
}

// printList prints items as a table, or all of v. An empty table is a line on stderr, as gcloud does it, so that
// a pipe reads nothing.
func (o *output) printList(cmd *cobra.Command, v any, columns []string, rows [][]string) error {
	if o.format != formatTable {
		return o.print(cmd, v)
	}
	if len(rows) == 0 {
		fmt.Fprintln(cmd.ErrOrStderr(), "Listed 0 items.")
		return nil
	}
	return printTable(cmd.OutOrStdout(), columns, rows)
}

// print prints v as YAML or JSON, keys in alphabetical order as gcloud prints them.
func (o *output) print(cmd *cobra.Command, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	var plain any // JSON is YAML, but for controls that it leaves as they are; read as YAML, whole numbers stay whole
	if err := yaml.Unmarshal(printableJSON(b), &plain); err != nil {
		return err
	}
	if o.format == formatJSON {
		return writeJSON(cmd.OutOrStdout(), plain)
	}
	var document bytes.Buffer
	encoder := yaml.NewEncoder(&document)
	encoder.SetIndent(2)
	encoder.CompactSeqIndent()
	if err := encoder.Encode(plain); err != nil {
		return err
	}
	_, err = document.WriteTo(cmd.OutOrStdout())
	return err
}

// writeJSON writes v as indented JSON on which no terminal acts.
func writeJSON(w io.Writer, v any) error {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(v); err != nil {
		return err
	}
	_, err := w.Write(printableJSON(text.Bytes()))
	return err
}

// printableJSON escapes in JSON what it may hold unescaped and a terminal may act on: the controls from U+007F on, and
// characters that are not seen or turn the direction of a line. Bytes that are no UTF-8 are replaced.
func printableJSON(text []byte) []byte {
	acts := func(c rune) bool {
		return c == utf8.RuneError || c >= 0x7f && c <= 0xffff && !unicode.IsPrint(c)
	}
	if bytes.IndexFunc(text, acts) < 0 {
		return text
	}
	var b bytes.Buffer
	for _, c := range string(text) {
		if c != utf8.RuneError && acts(c) {
			fmt.Fprintf(&b, `\u%04x`, c)
		} else {
			b.WriteRune(c)
		}
	}
	return b.Bytes()
}

func printTable(w io.Writer, columns []string, rows [][]string) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, strings.Join(columns, "\t"))
	for _, row := range rows {
		for i, cell := range row {
			if i > 0 {
				fmt.Fprint(table, "\t")
			}
			if cell == "" {
				cell = "-"
			}
			fmt.Fprint(table, printable(cell))
		}
		fmt.Fprintln(table)
	}
	return table.Flush()
}

// printable shows text from outside so that a terminal does not act on it.
func printable(s string) string {
	if utf8.ValidString(s) && strings.IndexFunc(s, func(c rune) bool { return !unicode.IsPrint(c) }) < 0 {
		return s
	}
	quoted := fmt.Sprintf("%+q", s)
	return quoted[1 : len(quoted)-1]
}

// moment shows a time; the zero time is left out.
func moment(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// say tells on stderr what was done.
func say(cmd *cobra.Command, format string, args ...any) {
	fmt.Fprintln(cmd.ErrOrStderr(), printable(fmt.Sprintf(format, args...)))
}

// count is "1 session", "3 sessions".
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
