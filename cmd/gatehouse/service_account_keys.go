package main

import (
	"errors"
	"os"
	"path"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/gatehouse-iap/gatehouse/internal/admin"
	"github.com/gatehouse-iap/gatehouse/internal/credentials"
)

func newServiceAccountKeys(server *serverFlags) *cobra.Command {
	return commandGroup("keys", "Manage the keys of service accounts", `A key is a pair: the private half is in a file of the program's, and nowhere else; the server knows the public half. The
commands are those of "gcloud iam service-accounts keys".`,
		newKeysCreate(server), newKeysUpload(server), newAccountKeysList(server), newKeysDelete(server),
		newKeysDisable(server, "disable", true), newKeysDisable(server, "enable", false))
}

// addAccountFlag adds --iam-account, which every command needs.
func addAccountFlag(cmd *cobra.Command) *string {
	var account string
	cmd.Flags().StringVar(&account, "iam-account", "", "`address` of the service account")
	if err := cmd.MarkFlagRequired("iam-account"); err != nil {
		panic(err) // the flag is defined above
	}
	return &account
}

func newKeysCreate(server *serverFlags) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "create OUTPUT_FILE",
		Short: "Make a key, and a file that Google's libraries read",
		Long: `Make a key and write it to a file, for its owner only. The pair is made here: the private key never leaves this machine
but in that file, and cannot be had again. Programs find the file by GOOGLE_APPLICATION_CREDENTIALS.`,
		Example: "  gatehouse iam service-accounts keys create nightly-report.json --iam-account=nightly-report@dev-project.iam.gserviceaccount.com",
		Args:    arguments("OUTPUT_FILE"),
	}
	account := addAccountFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if _, err := os.Lstat(args[0]); err == nil {
			return errors.New(args[0] + " exists and is never overwritten: name another file")
		}
		client, err := server.client(cmd)
		if err != nil {
			return err
		}
		private, public, err := credentials.NewPair()
		if err != nil {
			return err
		}
		created, err := client.CreateAccountKey(cmd.Context(), *account, admin.NewAccountKey{PublicKey: public})
		if err != nil {
			return err
		}
		file := credentials.NewKeyFile(private, created.ID, created.Email, created.ClientID, created.ProjectID, created.AuthURL, created.TokenURL)
		if err := file.Write(args[0]); err != nil { // nobody has the private key: the public one is of no use
			return errors.Join(err, client.DeleteAccountKey(cmd.Context(), created.Email, created.ID))
		}
		say(cmd, "created key [%s] of type [json] as [%s] for [%s]", created.ID, args[0], created.Email)
		return nil
	}
	return cmd
}

func newKeysUpload(server *serverFlags) *cobra.Command {
	var days int
	cmd := &cobra.Command{
		Use:   "upload PUBLIC_KEY_FILE",
		Short: "Register a public key that was made elsewhere",
		Long: `Register the public key of a pair that was made elsewhere, in a hardware module for instance: an RSA key of 2048 to
4096 bits in PEM, or a certificate that has one.`,
		Example: "  gatehouse iam service-accounts keys upload public.pem --iam-account=nightly-report@dev-project.iam.gserviceaccount.com",
		Args:    arguments("PUBLIC_KEY_FILE"),
	}
	account := addAccountFlag(cmd)
	cmd.Flags().IntVar(&days, "valid-for-days", 0, "for how many `days` the key is good (default: for ever)")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		text, err := os.ReadFile(args[0])
		if err != nil {
			return err
		}
		client, err := server.client(cmd)
		if err != nil {
			return err
		}
		key := admin.NewAccountKey{PublicKey: string(text), Uploaded: true, ValidFor: int64(days) * 24 * 60 * 60}
		created, err := client.CreateAccountKey(cmd.Context(), *account, key)
		if err != nil {
			return err
		}
		say(cmd, "uploaded key [%s] for [%s]", created.ID, created.Email)
		return nil
	}
	return cmd
}

func newAccountKeysList(server *serverFlags) *cobra.Command {
	cmd := &cobra.Command{
		Use: "list", Short: "List the keys of a service account", Args: arguments(),
		Example: "  gatehouse iam service-accounts keys list --iam-account=nightly-report@dev-project.iam.gserviceaccount.com",
	}
	account := addAccountFlag(cmd)
	format := addOutput(cmd, formatTable, formatYAML, formatJSON)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		client, err := server.client(cmd)
		if err != nil {
			return err
		}
		keys, err := client.AccountKeys(cmd.Context(), *account)
		if err != nil {
			return err
		}
		rows := make([][]string, len(keys))
		for i, k := range keys {
			rows[i] = []string{path.Base(k.Name), moment(k.ValidAfterTime), moment(k.ValidBeforeTime), strconv.FormatBool(k.Disabled)}
		}
		return format.printList(cmd, keys, []string{"KEY_ID", "CREATED_AT", "EXPIRES_AT", "DISABLED"}, rows)
	}
	return cmd
}

func newKeysDelete(server *serverFlags) *cobra.Command {
	cmd := &cobra.Command{
		Use: "delete KEY_ID", Short: "Delete a key: what it has signed is refused from now on", Args: arguments("KEY_ID"),
		Example: "  gatehouse iam service-accounts keys delete 3b0c44298fc1c149afbf4c8996fb92427ae41e46 --iam-account=nightly-report@dev-project.iam.gserviceaccount.com",
	}
	account := addAccountFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		client, err := server.client(cmd)
		if err != nil {
			return err
		}
		if err := client.DeleteAccountKey(cmd.Context(), *account, args[0]); err != nil {
			return err
		}
		say(cmd, "deleted key [%s] for service account [%s]", args[0], *account)
		return nil
	}
	return cmd
}

func newKeysDisable(server *serverFlags, verb string, disable bool) *cobra.Command {
	short := "Let a key be used again"
	if disable {
		short = "Switch a key off, until it is switched on again"
	}
	cmd := &cobra.Command{
		Use: verb + " KEY_ID", Short: short, Args: arguments("KEY_ID"),
		Example: "  gatehouse iam service-accounts keys " + verb + " 3b0c44298fc1c149afbf4c8996fb92427ae41e46 --iam-account=nightly-report@dev-project.iam.gserviceaccount.com",
	}
	account := addAccountFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		client, err := server.client(cmd)
		if err != nil {
			return err
		}
		if err := client.SetAccountKeyDisabled(cmd.Context(), *account, args[0], disable); err != nil {
			return err
		}
		say(cmd, "%sd key [%s] for service account [%s]", verb, args[0], *account)
		return nil
	}
	return cmd
}
