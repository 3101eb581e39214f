package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gatehouse-iap/gatehouse/internal/emulator"
)

func newAuthCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "auth",
		Short: "Get credentials for programs",
	}
	cmd.AddCommand(newPrintIdentityTokenCommand(os.Getenv))
	return cmd
}

func newPrintIdentityTokenCommand(getenv func(string) string) *cobra.Command {
	var audience, endpoint string
	cmd := &cobra.Command{
		Use:   "print-identity-token ACCOUNT [--audiences=AUD] [--endpoint URL]",
		Short: "Print a bearer token of an account of gatehouse dev",
		Long: `print-identity-token prints an ID token that speaks for ACCOUNT, for use as
Authorization: Bearer TOKEN. It lasts an hour. gatehouse dev asks for no password.`,
		Example: `  curl -H "Authorization: Bearer $(gatehouse auth print-identity-token alice@example.com)" http://app.localhost:8080/`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return errors.New("name one account, as in: gatehouse auth print-identity-token alice@example.com")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if strings.Contains(audience, ",") {
				return errors.New("--audiences: tokens here have one audience, as IAP wants it: name one")
			}
			if endpoint == "" {
				endpoint = getenv("GATEHOUSE_ENDPOINT")
			}
			if endpoint == "" {
				endpoint = emulator.DefaultEndpoint
			}
			token, err := emulator.FetchIDToken(cmd.Context(), endpoint, args[0], audience)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), token)
			return err
		},
	}
	cmd.Flags().StringVar(&audience, "audiences", "", "the token's `audience` (default: the app's OAuth client id)")
	cmd.Flags().StringVar(&endpoint, "endpoint", "", "`URL` of gatehouse dev (default: $GATEHOUSE_ENDPOINT, or "+emulator.DefaultEndpoint+")")
	return cmd
}
