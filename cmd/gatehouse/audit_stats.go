package main

import (
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/gatehouse-iap/gatehouse/internal/admin"
	"github.com/gatehouse-iap/gatehouse/internal/audit"
)

func newAuditStats(server *serverFlags) *cobra.Command {
	var by string
	cmd := &cobra.Command{
		Use: "stats", Short: "Count decisions",
		Long: `Count decisions by reason, person, resource, host, day or hour: how many passed, how many were refused, and when the
first and the last of them were. What can be searched can be counted: the flags are those of ` + "`gatehouse audit search`" + `.

Requests of nobody that were only sent to sign in are recorded ten times a second at most; the metric
gatehouse_decisions_total counts all of them.` + exitStatuses,
		Example: `  gatehouse audit stats --by=person --outcome=passed --since=yesterday --until=today
  gatehouse audit stats --by=day --resource=wiki --since=30d
  gatehouse audit stats --by=reason --person=bob@example.com --format=json`,
		Args: arguments(),
	}
	all := make([]string, 0, len(audit.AllBy()))
	for _, by := range audit.AllBy() {
		all = append(all, string(by))
	}
	offline := addOfflineFlag(cmd)
	f := addRecordFlags(cmd, "")
	cmd.Flags().StringVar(&by, "by", string(audit.ByReason), "`what` to count by: reason, person, resource, host, day or hour")
	completeFlag(cmd, "by", all...)
	format := addOutput(cmd, formatTable, formatYAML, formatJSON)
	cannotSayFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		counts, err := countRecords(cmd, server, offline, f, audit.By(by))
		if err == nil {
			err = printCounts(cmd, format, by, counts)
		}
		switch {
		case err != nil:
			return cannotSay(cmd, err)
		case len(counts) == 0:
			return exitError{1}
		}
		return nil
	}
	return cmd
}

func countRecords(cmd *cobra.Command, server *serverFlags, offline *offlineFlag, f *recordFlags, by audit.By) ([]audit.Count, error) {
	q, err := f.read(cmd, time.Now())
	if err != nil {
		return nil, err
	}
	q.By = by
	reader, err := offline.reader(cmd, server, q)
	if err != nil {
		return nil, err
	}
	printer, counts := newRecordPrinter(cmd, formatText), []audit.Count{}
	err = reader.CountRecords(cmd.Context(), q, func(line admin.RecordLine) error {
		if line.Counts != nil {
			counts = *line.Counts
		}
		return printer.hear(line)
	})
	printer.clear()
	return counts, err
}

func printCounts(cmd *cobra.Command, format *output, by string, counts []audit.Count) error {
	rows := make([][]string, len(counts))
	for i, c := range counts {
		rows[i] = []string{c.Key, strconv.Itoa(c.Passed), strconv.Itoa(c.Refused), moment(c.First), moment(c.Last)}
	}
	return format.printList(cmd, counts, []string{strings.ToUpper(by), "PASSED", "REFUSED", "FIRST", "LAST"}, rows)
}
