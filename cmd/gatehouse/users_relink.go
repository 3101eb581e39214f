package main

import (
	"github.com/spf13/cobra"

	"github.com/gatehouse-iap/gatehouse/internal/admin"
)

func newUsersRelink(server *serverFlags) *cobra.Command {
	var r admin.Relinking
	cmd := &cobra.Command{
		Use:   "relink ADDRESS --from=PROVIDER --to=PROVIDER",
		Short: "Keep a person's number when the identity provider changes",
		Long: `Applications know people by a number, the claim sub, which belongs to what an identity provider calls a person.
At another provider the same person is somebody new. This command moves the number: the person named by ADDRESS keeps
the number of the provider --from, and has it from then on at the provider --to. All sessions under the address end.

The person must have signed in at the new provider once; else say with --subject what that provider calls them.
--from may be the issuer of a provider that is gone, or "local" for a local account, which is deleted.`,
		Example: "  gatehouse users relink carol@example.com --from=okta --to=entra",
		Args:    arguments("ADDRESS"),
	}
	flags := cmd.Flags()
	flags.StringVar(&r.From, "from", "", "the `provider` that knew the person")
	flags.StringVar(&r.To, "to", "", "the `provider` that knows the person now")
	flags.StringVar(&r.Subject, "subject", "", "the `name` that the new provider has for the person, its claim sub")
	_ = cmd.MarkFlagRequired("from")
	_ = cmd.MarkFlagRequired("to")
	format := addOutput(cmd, formatYAML, formatJSON)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		client, err := server.client(cmd)
		if err != nil {
			return err
		}
		moved, err := client.Relink(cmd.Context(), args[0], r)
		if err != nil {
			return err
		}
		say(cmd, "Relinked user [%s] to [%s] and ended all sessions.", moved.Email, r.To)
		return format.print(cmd, moved)
	}
	return cmd
}
