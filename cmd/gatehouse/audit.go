package main

import (
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/gatehouse-iap/gatehouse/internal/admin"
)

func newAuditCommand() *cobra.Command {
	cmd := commandGroup("audit", "See who was let in or refused, and who changed what", `Two records are kept: the decision log, with each request that was let in or refused, and the administrative record,
with each change.`)
	server := addServerFlags(cmd)
	cmd.AddCommand(newAuditSearch(server), newAuditTail(server), newAuditStats(server), newAuditShow(server), newAuditList(server))
	return cmd
}

func newAuditList(server *serverFlags) *cobra.Command {
	var limit int
	cmd := &cobra.Command{
		Use: "list", Short: "List administrative changes, newest first",
		Long: `List administrative changes, newest first. With --format=yaml or json each shows what was there before and
what is there after; ` + "`gatehouse audit show NUMBER`" + ` shows the difference.`,
		Example: "  gatehouse audit list --limit=5\n  gatehouse audit list --format=json", Args: arguments(),
	}
	cmd.Flags().IntVar(&limit, "limit", 50, fmt.Sprintf("how `many`, at most %d", admin.MaxEntries))
	format := addOutput(cmd, formatTable, formatYAML, formatJSON)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		client, err := server.client(cmd)
		if err != nil {
			return err
		}
		entries, err := client.Entries(cmd.Context(), limit)
		if err != nil {
			return err
		}
		rows := make([][]string, len(entries))
		for i, e := range entries {
			rows[i] = []string{strconv.FormatInt(e.Seq, 10), moment(e.Time), e.Actor.Kind + ":" + e.Actor.Name, e.Action, e.Target}
		}
		return format.printList(cmd, entries, []string{"NUMBER", "TIME", "ACTOR", "ACTION", "TARGET"}, rows)
	}
	return cmd
}
