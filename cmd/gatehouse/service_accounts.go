package main

import (
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gatehouse-iap/gatehouse/internal/admin"
	"github.com/gatehouse-iap/gatehouse/internal/admin/adminclient"
)

func newIAMCommand() *cobra.Command {
	accounts := commandGroup("service-accounts", "Manage the accounts that programs use", `A service account is named NAME@PROJECT_ID.iam.gserviceaccount.com and has no password. The commands are
those of "gcloud iam service-accounts".`)
	server := addServerFlags(accounts)
	accounts.AddCommand(
		newServiceAccountsCreate(server), newServiceAccountsList(server), newServiceAccountsDescribe(server),
		newServiceAccountsDisable(server, "disable", true), newServiceAccountsDisable(server, "enable", false),
		newServiceAccountsDelete(server), newServiceAccountKeys(server),
	)
	return commandGroup("iam", "Manage service accounts", "", accounts)
}

func newServiceAccountsCreate(server *serverFlags) *cobra.Command {
	var account admin.NewAccount
	cmd := &cobra.Command{
		Use:   "create NAME",
		Short: "Create a service account",
		Example: `  gatehouse iam service-accounts create nightly-report --display-name="Nightly report"
  gatehouse iap web add-iam-policy-binding --resource-type=backend-services --service=app \
    --member=serviceAccount:nightly-report@dev-project.iam.gserviceaccount.com --role=roles/iap.httpsResourceAccessor`,
		Args: arguments("NAME"),
	}
	cmd.Flags().StringVar(&account.DisplayName, "display-name", "", "what the account is for, in a few `words`")
	format := addOutput(cmd, formatYAML, formatJSON)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		client, err := server.client(cmd)
		if err != nil {
			return err
		}
		account.Name = args[0]
		created, err := client.CreateAccount(cmd.Context(), adminclient.ServiceAccounts, account)
		if err != nil {
			return err
		}
		say(cmd, "Created service account [%s].", strings.SplitN(created.Email, "@", 2)[0])
		return format.print(cmd, created)
	}
	return cmd
}

func newServiceAccountsList(server *serverFlags) *cobra.Command {
	cmd := &cobra.Command{
		Use: "list", Short: "List service accounts", Example: "  gatehouse iam service-accounts list", Args: arguments(),
	}
	format := addOutput(cmd, formatTable, formatYAML, formatJSON)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		client, err := server.client(cmd)
		if err != nil {
			return err
		}
		accounts, err := client.Accounts(cmd.Context(), adminclient.ServiceAccounts)
		if err != nil {
			return err
		}
		rows := make([][]string, len(accounts))
		for i, a := range accounts {
			rows[i] = []string{a.DisplayName, a.Email, strconv.FormatBool(a.Disabled)}
		}
		return format.printList(cmd, accounts, []string{"DISPLAY_NAME", "EMAIL", "DISABLED"}, rows)
	}
	return cmd
}

func newServiceAccountsDelete(server *serverFlags) *cobra.Command {
	return &cobra.Command{
		Use: "delete ADDRESS", Short: "Delete a service account",
		Example: "  gatehouse iam service-accounts delete nightly-report@dev-project.iam.gserviceaccount.com",
		Args:    arguments("ADDRESS"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return deleteAccount(cmd, server, adminclient.ServiceAccounts, "service account", args[0])
		},
	}
}

func newServiceAccountsDescribe(server *serverFlags) *cobra.Command {
	cmd := &cobra.Command{
		Use: "describe ADDRESS", Short: "Show a service account", Args: arguments("ADDRESS"),
		Example: "  gatehouse iam service-accounts describe nightly-report@dev-project.iam.gserviceaccount.com",
	}
	format := addOutput(cmd, formatYAML, formatJSON)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		client, err := server.client(cmd)
		if err != nil {
			return err
		}
		account, err := client.Account(cmd.Context(), adminclient.ServiceAccounts, args[0])
		if err != nil {
			return err
		}
		return format.print(cmd, account)
	}
	return cmd
}

func newServiceAccountsDisable(server *serverFlags, verb string, disable bool) *cobra.Command {
	short, done := "Let a service account be used again", "Enabled service account [%s]."
	if disable {
		short, done = "Suspend a service account: all its tokens are refused", "Disabled service account [%s]."
	}
	return &cobra.Command{
		Use: verb + " ADDRESS", Short: short, Args: arguments("ADDRESS"),
		Example: "  gatehouse iam service-accounts " + verb + " nightly-report@dev-project.iam.gserviceaccount.com",
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := server.client(cmd)
			if err != nil {
				return err
			}
			if err := client.SetDisabled(cmd.Context(), adminclient.ServiceAccounts, args[0], disable); err != nil {
				return err
			}
			say(cmd, done, args[0])
			return nil
		},
	}
}
