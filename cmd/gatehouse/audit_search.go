package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/gatehouse-iap/gatehouse/internal/admin"
	"github.com/gatehouse-iap/gatehouse/internal/audit"
)

// exitStatuses is what the commands say that search.
const exitStatuses = `

The exit status is 0 when something is found, 1 when nothing is, and 2 when that cannot be said. Damage of the decision
log is named on standard error; everything else in it is read all the same.`

// offlineFlag says that files are read, and no server is asked.
type offlineFlag struct{ dir string }

func addOfflineFlag(cmd *cobra.Command) *offlineFlag {
	f := &offlineFlag{}
	cmd.Flags().StringVar(&f.dir, "decisions", "", "read the decision log in this `directory`, such as a copy of DATA/decisions, without a server")
	if err := cmd.MarkFlagDirname("decisions"); err != nil {
		panic(err) // the flag is defined a line above
	}
	return f
}

// files reads decisions from files.
type files struct {
	admin.DecisionReader
	archive audit.Archive
}

func (f files) Search(ctx context.Context, s audit.Search) error { return f.archive.Search(ctx, s) }

// reader returns what reads the records: a server's, or the files.
func (f *offlineFlag) reader(cmd *cobra.Command, server *serverFlags, q admin.RecordQuery) (recordReader, error) {
	if f.dir == "" {
		return server.client(cmd)
	}
	if q.Resource != "" && !strings.Contains(q.Resource, "/") {
		return nil, fmt.Errorf("only a server knows which resource the service %s is: write the resource, such as projects/123/iap_web/compute/services/456", q.Resource)
	}
	if q.Kind != "" && q.Kind != admin.DecisionRecords {
		return nil, errors.New("administrative changes are in the store, which only a server reads: leave --decisions out, or start one on a copy of the data directory")
	}
	return &admin.Admin{Decisions: files{archive: audit.Archive{Dir: f.dir}}}, nil
}

// recordReader is the administration point, here or at the other end of the socket.
type recordReader interface {
	SearchRecords(ctx context.Context, q admin.RecordQuery, hear func(admin.RecordLine) error) error
	CountRecords(ctx context.Context, q admin.RecordQuery, hear func(admin.RecordLine) error) error
}

func newAuditSearch(server *serverFlags) *cobra.Command {
	var order string
	cmd := &cobra.Command{
		Use: "search", Short: "Search the records",
		Long: `Search the decision log: who was let in or refused, when, where and why, newest first. With --admin it is the
administrative record: who changed what; with --record=all both.

Formats: text has one line for each, json one object a line, as audit.lines writes them, and csv is for spreadsheets.
Times are in UTC.` + exitStatuses,
		Example: `  gatehouse audit search --person=bob@example.com --since=yesterday
  gatehouse audit search --outcome=refused --resource=wiki --since=24h --format=csv > refused.csv
  gatehouse audit search --reason=not_granted,principal_suspended --since=2026-03-01 --until=2026-04-01
  gatehouse audit search --admin --person=bob@example.com     # changes that name him
  gatehouse audit search --request-id=7f9c24e8-3b12-4c6e-9d0a-1f2e3d4c5b6a
  gatehouse audit search --decisions=/backup/decisions --peer=192.0.2.7`,
		Args: arguments(),
	}
	offline := addOfflineFlag(cmd)
	f := addRecordFlags(cmd, admin.DecisionRecords)
	cmd.Flags().StringVar(&f.query.ID, "id", "", "only the record with this `ID`: that of a decision, or the number of a change")
	cmd.Flags().IntVar(&f.query.Limit, "limit", 0, "at most so `many` (0: all)")
	cmd.Flags().StringVar(&order, "order", "desc", "`desc`, the newest first, or asc")
	completeFlag(cmd, "id")
	completeFlag(cmd, "limit")
	completeFlag(cmd, "order", "desc", "asc")
	format := addOutput(cmd, formatText, formatJSON, formatCSV)
	cannotSayFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		found, err := searchRecords(cmd, server, offline, f, order, format.format)
		switch {
		case err != nil:
			return cannotSay(cmd, err)
		case found == 0:
			return exitError{1}
		}
		return nil
	}
	return cmd
}

// cannotSayFlags gives wrong flags the status of what cannot be said.
func cannotSayFlags(cmd *cobra.Command) {
	check, args := cmd.PreRunE, cmd.Args
	cmd.PreRunE = func(cmd *cobra.Command, a []string) error { return cannotSay(cmd, check(cmd, a)) }
	cmd.Args = func(cmd *cobra.Command, a []string) error { return cannotSay(cmd, args(cmd, a)) }
	cmd.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return cannotSay(cmd, cmd.Parent().FlagErrorFunc()(cmd, err))
	})
}

func searchRecords(cmd *cobra.Command, server *serverFlags, offline *offlineFlag, f *recordFlags, order, format string) (found int, err error) {
	if err := oneOf("order", order, []string{"desc", "asc"}); err != nil {
		return 0, err
	}
	q, err := f.read(cmd, time.Now())
	if err != nil {
		return 0, err
	}
	q.OldestFirst = order == "asc"
	reader, err := offline.reader(cmd, server, q)
	if err != nil {
		return 0, err
	}
	printer := newRecordPrinter(cmd, format)
	err = reader.SearchRecords(cmd.Context(), q, printer.hear)
	printer.clear()
	return printer.found, err
}

func newAuditTail(server *serverFlags) *cobra.Command {
	cmd := &cobra.Command{
		Use: "tail", Short: "Follow the records",
		Long: `Show the last records and then those that come, decisions within a second and administrative changes at once, until
Ctrl-C. Requests of nobody that were only sent to sign in are counted and sampled, so not every one of them is shown.`,
		Example: `  gatehouse audit tail
  gatehouse audit tail --outcome=refused -n 0
  gatehouse audit tail --admin --format=json`,
		Args: arguments(),
	}
	f := addRecordFlags(cmd, admin.AllRecords)
	cmd.Flags().IntVarP(&f.query.Limit, "lines", "n", 10, "how `many` of the past to begin with")
	completeFlag(cmd, "lines")
	format := addOutput(cmd, formatText, formatJSON, formatCSV)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		q, err := f.read(cmd, time.Now())
		if err != nil {
			return err
		}
		client, err := server.client(cmd)
		if err != nil {
			return err
		}
		err = client.TailRecords(cmd.Context(), q, newRecordPrinter(cmd, format.format).hear)
		switch {
		case cmd.Context().Err() != nil:
			return nil
		case err != nil:
			return err
		default:
			return errors.New("the server has ended")
		}
	}
	return cmd
}
