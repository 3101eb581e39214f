package main

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/gatehouse-iap/gatehouse/internal/admin"
)

func newSessionsCommand() *cobra.Command {
	cmd := commandGroup("sessions", "See who is signed in, and sign them out", `Signing in opens a session of the auth host, and one more for each application that is used, its child.`)
	server := addServerFlags(cmd)
	cmd.AddCommand(newSessionsList(server), newSessionsRevoke(server))
	return cmd
}

func newSessionsList(server *serverFlags) *cobra.Command {
	var user string
	cmd := &cobra.Command{
		Use: "list", Short: "List live sessions, newest first",
		Long: `List live sessions, newest first. CONFIRMED is when the identity provider last said who the person is, and which groups
they are in: what it has changed since does not count yet. The other formats show those groups.`,
		Example: "  gatehouse sessions list\n  gatehouse sessions list --user=alice@example.com", Args: arguments(),
	}
	cmd.Flags().StringVar(&user, "user", "", "only those of the user with this `address`")
	format := addOutput(cmd, formatTable, formatYAML, formatJSON)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		client, err := server.client(cmd)
		if err != nil {
			return err
		}
		sessions, err := client.Sessions(cmd.Context(), admin.SessionFilter{Email: user})
		if err != nil {
			return err
		}
		rows := make([][]string, len(sessions))
		for i, s := range sessions {
			where := string(s.Resource)
			if where == "" {
				where = "auth host"
			}
			confirmed := "-" // nobody has to
			if s.Confirmed != nil {
				confirmed = moment(*s.Confirmed)
			}
			rows[i] = []string{s.ID, s.Email, moment(s.Created), moment(s.LastSeen), moment(s.Expires), confirmed, where}
		}
		return format.printList(cmd, sessions, []string{"ID", "EMAIL", "CREATED", "LAST_SEEN", "EXPIRES", "CONFIRMED", "RESOURCE"}, rows)
	}
	return cmd
}

func newSessionsRevoke(server *serverFlags) *cobra.Command {
	var filter admin.SessionFilter
	cmd := &cobra.Command{
		Use:   "revoke {ID | --user=ADDRESS | --all}",
		Short: "End sessions",
		Long: `End a session and those of the applications that came from it, or all sessions of a user, or all sessions there
are. It counts within a second.`,
		Example: `  gatehouse sessions revoke 4f2a6d0c9e8b47d1a35c6e7f80912b3d
  gatehouse sessions revoke --user=bob@example.com`,
		DisableFlagsInUseLine: true,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			return arguments("ID")(cmd, args)
		},
	}
	cmd.Flags().StringVar(&filter.Email, "user", "", "all sessions of the user with this `address`")
	cmd.Flags().BoolVar(&filter.All, "all", false, "all sessions of everybody")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		named := len(args)
		if len(args) > 0 {
			filter.ID = args[0]
		}
		if filter.Email != "" {
			named++
		}
		if filter.All {
			named++
		}
		if named != 1 {
			return errors.New("say which sessions: an ID (`gatehouse sessions list` shows them), or --user=ADDRESS, or --all; one of them")
		}
		client, err := server.client(cmd)
		if err != nil {
			return err
		}
		ended, err := client.EndSessions(cmd.Context(), filter)
		if err != nil {
			return err
		}
		say(cmd, "Ended %s.", count(ended, "session"))
		return nil
	}
	return cmd
}
