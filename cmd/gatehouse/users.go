package main

import (
	"errors"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/gatehouse-iap/gatehouse/internal/admin"
	"github.com/gatehouse-iap/gatehouse/internal/admin/adminclient"
	"github.com/gatehouse-iap/gatehouse/internal/principal"
)

func newUsersCommand() *cobra.Command {
	cmd := commandGroup("users", "Manage the people of the local directory", `These are accounts that sign in to Gatehouse itself, with a password. What they may use is said by policies:
"gatehouse iap web add-iam-policy-binding". Passwords are read from the terminal, or from stdin; never from
an argument, where every user of the machine could read them.`)
	server := addServerFlags(cmd)
	cmd.AddCommand(
		newUsersCreate(server), newUsersList(server), newUsersDescribe(server), newUsersSetPassword(server),
		newUsersDisable(server, "enable", false), newUsersDisable(server, "disable", true), newUsersDelete(server),
		newUsersRelink(server),
	)
	return cmd
}

func newUsersCreate(server *serverFlags) *cobra.Command {
	var account admin.NewAccount
	var noPassword, unmanaged bool
	cmd := &cobra.Command{
		Use:   "create ADDRESS",
		Short: "Create a user",
		Long: `Create a user, who can sign in at once but use nothing until a policy lets them.
The password is asked for, or is the first line of stdin when that is not a terminal.`,
		Example: `  gatehouse users create carol@example.com --display-name="Carol"
  gatehouse users create carol@example.com < password.txt`,
		Args: arguments("ADDRESS"),
	}
	flags := cmd.Flags()
	flags.StringVar(&account.DisplayName, "display-name", "", "the person's `name`")
	flags.StringVar(&account.HostedDomain, "hosted-domain", "", "the organisation's `domain`, which domain: members match (default: that of the address)")
	flags.BoolVar(&unmanaged, "unmanaged", false, "belong to no organisation: match no domain: member")
	flags.BoolVar(&noPassword, "no-password", false, "create the user without a password, unable to sign in until set-password")
	cmd.MarkFlagsMutuallyExclusive("hosted-domain", "unmanaged")
	format := addOutput(cmd, formatYAML, formatJSON)
	cmd.RunE = func(cmd *cobra.Command, args []string) (err error) {
		if account.Email, err = principal.ParseAddress(args[0]); err != nil {
			return err
		}
		if account.HostedDomain == "" && !unmanaged {
			account.HostedDomain = principal.Domain(account.Email)
		}
		client, err := server.client(cmd)
		if err != nil {
			return err
		}
		if !noPassword {
			if account.Password, err = readPassword(cmd, account.Email); err != nil {
				return err
			}
		}
		created, err := client.CreateAccount(cmd.Context(), adminclient.Users, account)
		if err != nil {
			return err
		}
		say(cmd, "Created user [%s].", created.Email)
		return format.print(cmd, created)
	}
	return cmd
}

func newUsersList(server *serverFlags) *cobra.Command {
	cmd := &cobra.Command{
		Use: "list", Short: "List users", Example: "  gatehouse users list", Args: arguments(),
	}
	format := addOutput(cmd, formatTable, formatYAML, formatJSON)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		client, err := server.client(cmd)
		if err != nil {
			return err
		}
		accounts, err := client.Accounts(cmd.Context(), adminclient.Users)
		if err != nil {
			return err
		}
		rows := make([][]string, len(accounts))
		for i, a := range accounts {
			rows[i] = []string{a.Email, a.DisplayName, strconv.FormatBool(a.Disabled), strconv.FormatBool(a.HasPassword), moment(a.Created)}
		}
		return format.printList(cmd, accounts, []string{"EMAIL", "DISPLAY_NAME", "DISABLED", "PASSWORD", "CREATED"}, rows)
	}
	return cmd
}

func newUsersDescribe(server *serverFlags) *cobra.Command {
	cmd := &cobra.Command{
		Use: "describe ADDRESS", Short: "Show a user", Example: "  gatehouse users describe alice@example.com", Args: arguments("ADDRESS"),
	}
	format := addOutput(cmd, formatYAML, formatJSON)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		client, err := server.client(cmd)
		if err != nil {
			return err
		}
		account, err := client.Account(cmd.Context(), adminclient.Users, args[0])
		if err != nil {
			return err
		}
		return format.print(cmd, account)
	}
	return cmd
}

func newUsersSetPassword(server *serverFlags) *cobra.Command {
	return &cobra.Command{
		Use:   "set-password ADDRESS",
		Short: "Give a user a new password",
		Long: `Give a user a new password, which is asked for, or is the first line of stdin when that is not a terminal.
The user's sessions end: whoever knew the old password is signed out.`,
		Example: "  gatehouse users set-password alice@example.com",
		Args:    arguments("ADDRESS"),
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := server.client(cmd)
			if err != nil {
				return err
			}
			if _, err := client.Account(cmd.Context(), adminclient.Users, args[0]); err != nil {
				return err // before anybody types a password
			}
			password, err := readPassword(cmd, args[0])
			if err != nil {
				return err
			}
			ended, err := client.SetPassword(cmd.Context(), args[0], password)
			if err != nil {
				return err
			}
			say(cmd, "Updated the password of user [%s]; ended %s.", args[0], count(ended, "session"))
			return nil
		},
	}
}

func newUsersDisable(server *serverFlags, verb string, disable bool) *cobra.Command {
	short, done := "Let a suspended user sign in again", "Enabled user [%s]."
	if disable {
		short, done = "Suspend a user: end all sessions and refuse to sign in", "Disabled user [%s] and ended all sessions."
	}
	return &cobra.Command{
		Use: verb + " ADDRESS", Short: short, Example: "  gatehouse users " + verb + " bob@example.com", Args: arguments("ADDRESS"),
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := server.client(cmd)
			if err != nil {
				return err
			}
			if err := client.SetDisabled(cmd.Context(), adminclient.Users, args[0], disable); err != nil {
				return err
			}
			say(cmd, done, args[0])
			return nil
		},
	}
}

func newUsersDelete(server *serverFlags) *cobra.Command {
	return &cobra.Command{
		Use: "delete ADDRESS", Short: "Delete a user and end all sessions",
		Long: `Delete a user and end all sessions. Policies and groups that name the address are left as they are, and are
listed: whoever gets the address next would be meant by them. To keep the address taken, use "users disable".`,
		Example: "  gatehouse users delete bob@example.com", Args: arguments("ADDRESS"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return deleteAccount(cmd, server, adminclient.Users, "user", args[0])
		},
	}
}

func deleteAccount(cmd *cobra.Command, server *serverFlags, collection, noun, email string) error {
	client, err := server.client(cmd)
	if err != nil {
		return err
	}
	left, err := client.DeleteAccount(cmd.Context(), collection, email)
	if err != nil {
		return err
	}
	say(cmd, "Deleted %s [%s] and ended all sessions.", noun, email)
	sayMentions(cmd, left)
	return nil
}

// sayMentions lists what still names a deleted address.
func sayMentions(cmd *cobra.Command, left admin.Mentions) {
	for _, name := range left.Policies {
		say(cmd, "note: the policy of %s still names it", name)
	}
	for _, group := range left.Groups {
		say(cmd, "note: the group %s still has it as a member", group)
	}
}

var errNoPassword = errors.New("no password was given: type one in a terminal, or put it on the first line of stdin")
