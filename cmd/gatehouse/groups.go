package main

import (
	"strconv"

	"github.com/spf13/cobra"

	"github.com/gatehouse-iap/gatehouse/internal/admin"
	"github.com/gatehouse-iap/gatehouse/internal/directory"
)

func newGroupsCommand() *cobra.Command {
	cmd := commandGroup("groups", "Manage the groups of the local directory", `A group has an address, which policies name as group:ADDRESS. Its members are addresses of users, service
accounts or other groups.`)
	server := addServerFlags(cmd)
	cmd.AddCommand(
		newGroupsCreate(server), newGroupsList(server), newGroupsDescribe(server),
		newGroupsMembers(server, "add-members", true), newGroupsMembers(server, "remove-members", false), newGroupsDelete(server),
	)
	return cmd
}

func newGroupsCreate(server *serverFlags) *cobra.Command {
	var group directory.Group
	cmd := &cobra.Command{
		Use:   "create ADDRESS",
		Short: "Create a group",
		Example: `  gatehouse groups create team@example.com --description="The team" --members=alice@example.com,bob@example.com
  gatehouse iap web add-iam-policy-binding --resource-type=backend-services --service=app \
    --member=group:team@example.com --role=roles/iap.httpsResourceAccessor`,
		Args: arguments("ADDRESS"),
	}
	cmd.Flags().StringVar(&group.Description, "description", "", "what the group is for, in a few `words`")
	cmd.Flags().StringSliceVar(&group.Members, "members", nil, "`addresses` of the first members, separated by commas")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		client, err := server.client(cmd)
		if err != nil {
			return err
		}
		group.Email = args[0]
		created, err := client.CreateGroup(cmd.Context(), group)
		if err != nil {
			return err
		}
		say(cmd, "Created group [%s] with %s.", created.Email, count(created.Members, "member"))
		sayUnknown(cmd, created)
		return nil
	}
	return cmd
}

func newGroupsList(server *serverFlags) *cobra.Command {
	cmd := &cobra.Command{Use: "list", Short: "List groups", Example: "  gatehouse groups list", Args: arguments()}
	format := addOutput(cmd, formatTable, formatYAML, formatJSON)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		client, err := server.client(cmd)
		if err != nil {
			return err
		}
		groups, err := client.Groups(cmd.Context())
		if err != nil {
			return err
		}
		rows := make([][]string, len(groups))
		for i, g := range groups {
			rows[i] = []string{g.Email, g.Description, strconv.Itoa(g.Members)}
		}
		return format.printList(cmd, groups, []string{"EMAIL", "DESCRIPTION", "MEMBERS"}, rows)
	}
	return cmd
}

func newGroupsDescribe(server *serverFlags) *cobra.Command {
	cmd := &cobra.Command{
		Use: "describe ADDRESS", Short: "Show a group and its members", Example: "  gatehouse groups describe team@example.com", Args: arguments("ADDRESS"),
	}
	format := addOutput(cmd, formatYAML, formatJSON)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		client, err := server.client(cmd)
		if err != nil {
			return err
		}
		group, err := client.Group(cmd.Context(), args[0])
		if err != nil {
			return err
		}
		return format.print(cmd, group)
	}
	return cmd
}

func newGroupsMembers(server *serverFlags, verb string, add bool) *cobra.Command {
	short := "Remove members from a group"
	if add {
		short = "Add members to a group"
	}
	return &cobra.Command{
		Use: verb + " GROUP MEMBER...", Short: short,
		Example: "  gatehouse groups " + verb + " team@example.com bob@example.com carol@example.com",
		Args:    arguments("GROUP", "MEMBER..."),
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := server.client(cmd)
			if err != nil {
				return err
			}
			call := client.RemoveGroupMembers
			if add {
				call = client.AddGroupMembers
			}
			change, err := call(cmd.Context(), args[0], args[1:])
			if err != nil {
				return err
			}
			if add {
				say(cmd, "Added %s to group [%s], which now has %d.", count(len(change.Added), "member"), change.Email, change.Members)
			} else {
				say(cmd, "Removed %s from group [%s], which now has %d.", count(len(change.Removed), "member"), change.Email, change.Members)
			}
			sayUnknown(cmd, change)
			return nil
		},
	}
}

func newGroupsDelete(server *serverFlags) *cobra.Command {
	return &cobra.Command{
		Use: "delete ADDRESS", Short: "Delete a group",
		Long: `Delete a group. Policies and groups that name its address are left as they are, and are listed: whoever gets
the address next would be meant by them.`,
		Example: "  gatehouse groups delete team@example.com", Args: arguments("ADDRESS"),
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := server.client(cmd)
			if err != nil {
				return err
			}
			left, err := client.DeleteGroup(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			say(cmd, "Deleted group [%s].", args[0])
			sayMentions(cmd, left)
			return nil
		},
	}
}

// sayUnknown points at members that nobody here has heard of: allowed, but perhaps misspelt.
func sayUnknown(cmd *cobra.Command, change admin.GroupChange) {
	for _, email := range change.Unknown {
		say(cmd, "note: %s is neither an account nor a group here yet", email)
	}
}
