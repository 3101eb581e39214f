package main

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/gatehouse-iap/gatehouse/internal/admin"
	"github.com/gatehouse-iap/gatehouse/internal/issuer"
)

func newKeysCommand() *cobra.Command {
	cmd := commandGroup("keys", "Rotate and revoke the signing keys", `Assertions and ID tokens are signed with keys of their own. A key is published before it signs (next), signs
(active), and stays published after it last has (retired).`)
	server := addServerFlags(cmd)
	cmd.AddCommand(newKeysList(server), newKeysRotate(server), newKeysRevoke(server))
	return cmd
}

func newKeysList(server *serverFlags) *cobra.Command {
	cmd := &cobra.Command{Use: "list", Short: "List signing keys and their states", Example: "  gatehouse keys list", Args: arguments()}
	format := addOutput(cmd, formatTable, formatYAML, formatJSON)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		client, err := server.client(cmd)
		if err != nil {
			return err
		}
		keys, err := client.Keys(cmd.Context())
		if err != nil {
			return err
		}
		rows := make([][]string, len(keys))
		for i, k := range keys {
			rows[i] = []string{k.ID, string(k.Purpose), string(k.State), moment(k.SignFrom), moment(k.SignUntil), moment(k.PublishUntil)}
		}
		return format.printList(cmd, keys, []string{"KID", "PURPOSE", "STATE", "SIGN_FROM", "SIGN_UNTIL", "PUBLISH_UNTIL"}, rows)
	}
	return cmd
}

func newKeysRotate(server *serverFlags) *cobra.Command {
	var now bool
	var purpose string
	purposes := make([]string, 0, len(admin.Purposes()))
	for _, p := range admin.Purposes() {
		purposes = append(purposes, string(p))
	}
	cmd := &cobra.Command{
		Use:   "rotate",
		Short: "Make the next signing key",
		Long: `Make the next signing key. It is published at once and signs a day later, when every verifier has fetched it; the
old one stays published for a day after that. With --now, for when a key is compromised, it signs at once.`,
		Example: `  gatehouse keys rotate
  gatehouse keys rotate --now`,
		Args: arguments(),
	}
	cmd.Flags().BoolVar(&now, "now", false, "sign with the new key at once: applications that have cached the old keys refuse it until they fetch again")
	cmd.Flags().StringVar(&purpose, "purpose", string(issuer.Assertion), "what the key signs: "+strings.Join(purposes, ", "))
	completeFlag(cmd, "purpose", purposes...)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := oneOf("purpose", purpose, purposes); err != nil {
			return err
		}
		client, err := server.client(cmd)
		if err != nil {
			return err
		}
		done, err := client.RotateKey(cmd.Context(), issuer.Purpose(purpose), now)
		if err != nil {
			return err
		}
		sayRotation(cmd, done)
		return nil
	}
	return cmd
}

func newKeysRevoke(server *serverFlags) *cobra.Command {
	return &cobra.Command{
		Use:   "revoke KID",
		Short: "Withdraw a signing key at once",
		Long: `Withdraw a signing key at once: it signs nothing more and is no longer published. If it was the one that signs,
another takes over in the same moment. What it has signed is refused by whoever fetches the keys anew.`,
		Example: `  gatehouse keys list
  gatehouse keys revoke gO4i_Q`,
		Args: arguments("KID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := server.client(cmd)
			if err != nil {
				return err
			}
			done, err := client.RevokeKey(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			say(cmd, "Revoked key [%s].", done.Revoked)
			sayRotation(cmd, done)
			return nil
		},
	}
}

func sayRotation(cmd *cobra.Command, done admin.Rotation) {
	switch {
	case done.Key.State == issuer.Active:
		say(cmd, "Key [%s] signs %ss now.", done.Key.ID, done.Key.Purpose)
	default:
		say(cmd, "Key [%s] is published and signs %ss from %s on.", done.Key.ID, done.Key.Purpose, moment(done.Key.SignFrom))
	}
	if len(done.Replaced) > 0 {
		say(cmd, "It replaces [%s].", strings.Join(done.Replaced, ", "))
	}
	for _, warning := range done.Warnings {
		say(cmd, "WARNING: %s.", warning)
	}
}
