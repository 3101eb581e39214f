package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gatehouse-iap/gatehouse/internal/credentials"
	"github.com/gatehouse-iap/gatehouse/internal/emulator"
)

func newAuthCommand() *cobra.Command {
	a := authCommands{getenv: os.Getenv}
	return commandGroup("auth", "Sign in, and get tokens for programs", `The commands are those of "gcloud auth". Credentials are kept in a file of yours,
$XDG_CONFIG_HOME/gatehouse/credentials.json, which nobody else may read.`,
		a.login(), a.activateServiceAccount(), a.list(), a.printIdentityToken(), a.printAccessToken(), a.revoke())
}

// authCommands are the commands that use the person's credentials.
type authCommands struct {
	getenv func(string) string
	client credentials.Client
}

func (a authCommands) store() (credentials.Store, error) {
	path, err := credentials.DefaultPath(a.getenv)
	return credentials.Store{Path: path}, err
}

// addAuthHost adds the flag that says where.
func addAuthHost(cmd *cobra.Command, authHost *string) {
	cmd.Flags().StringVar(authHost, "auth-host", "", "`URL` of the auth host (default $GATEHOUSE_AUTH_HOST)")
}

// authHost returns the auth host that a flag or the environment names; empty for none.
func (a authCommands) authHost(flag string) (string, error) {
	written := cmp.Or(flag, a.getenv("GATEHOUSE_AUTH_HOST"))
	if written == "" {
		return "", nil
	}
	return credentials.AuthHost(written)
}

// find returns a credential that was signed in with.
func (a authCommands) find(account, flag string) (credentials.Credential, error) {
	authHost, err := a.authHost(flag)
	if err != nil {
		return credentials.Credential{}, err
	}
	store, err := a.store()
	if err != nil {
		return credentials.Credential{}, fmt.Errorf("%w: %w", credentials.ErrNone, err) // where nothing can be kept, nothing is
	}
	known, err := store.Load()
	if err != nil {
		return credentials.Credential{}, err
	}
	return known.Find(account, authHost)
}

// notSignedIn says what to do about a credential that is not there.
func notSignedIn(err error, account string) error {
	if !errors.Is(err, credentials.ErrNone) {
		return err
	}
	if account == "" {
		return errors.New("no account is active: run `gatehouse auth login`, or name one of `gatehouse auth list`")
	}
	return fmt.Errorf("%s is not signed in here: run `gatehouse auth login %s`, or for a service account `gatehouse auth activate-service-account --key-file=FILE`", account, account)
}

// optionalAccount takes one account or none.
func optionalAccount(cmd *cobra.Command, args []string) error {
	if len(args) > 1 {
		return fmt.Errorf("unexpected argument %q; usage: %s", args[1], cmd.UseLine())
	}
	return nil
}

func first(args []string) string {
	if len(args) == 0 {
		return ""
	}
	return args[0]
}

func (a authCommands) printIdentityToken() *cobra.Command {
	var audience, endpoint, authHost string
	cmd := &cobra.Command{
		Use:   "print-identity-token [ACCOUNT]",
		Short: "Print an ID token, for use as a bearer",
		Long: `print-identity-token prints an ID token that speaks for ACCOUNT, by default the active one, for use as
Authorization: Bearer TOKEN. It lasts an hour. --audiences is the OAuth client id of the application; without it a
person's token is for this command line, and taken by applications that list gatehouse-cli among their programmatic
clients.

An account that is not signed in is asked of gatehouse dev, which wants no password; so is every account with
--endpoint.`,
		Example: `  curl -H "Authorization: Bearer $(gatehouse auth print-identity-token --audiences=CLIENT_ID)" https://app.example.com/
  curl -H "Authorization: Bearer $(gatehouse auth print-identity-token alice@example.com)" http://app.localhost:8080/`,
		Args: optionalAccount,
		RunE: func(cmd *cobra.Command, args []string) error {
			if strings.Contains(audience, ",") {
				return errors.New("--audiences: tokens here have one audience, as IAP wants it: name one")
			}
			account, dev := first(args), cmp.Or(endpoint, a.getenv("GATEHOUSE_ENDPOINT"))
			var token string
			credential, err := a.find(account, authHost)
			switch {
			case dev != "" && authHost == "" && account != "", errors.Is(err, credentials.ErrNone) && authHost == "" && account != "":
				token, err = emulator.FetchIDToken(cmd.Context(), cmp.Or(dev, emulator.DefaultEndpoint), account, audience)
			case errors.Is(err, credentials.ErrNone) && account == "" && authHost == "":
				return errors.New("name one account of gatehouse dev, as in: gatehouse auth print-identity-token alice@example.com; or run `gatehouse auth login`")
			case err != nil:
				return notSignedIn(err, account)
			default:
				token, err = a.client.IDToken(cmd.Context(), credential, audience)
			}
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), token)
			return err
		},
	}
	cmd.Flags().StringVar(&audience, "audiences", "", "the token's `audience`: the OAuth client id of the application")
	cmd.Flags().StringVar(&endpoint, "endpoint", "", "`URL` of gatehouse dev (default $GATEHOUSE_ENDPOINT, or "+emulator.DefaultEndpoint+")")
	addAuthHost(cmd, &authHost)
	return cmd
}

func (a authCommands) printAccessToken() *cobra.Command {
	var authHost string
	cmd := &cobra.Command{
		Use:   "print-access-token [ACCOUNT]",
		Short: "Print an access token",
		Long: `print-access-token prints an access token of ACCOUNT, by default the active one. It is opaque, lasts an hour, and is for
the auth host itself, such as its userinfo endpoint. Applications take ID tokens: see print-identity-token.`,
		Example: `  curl -H "Authorization: Bearer $(gatehouse auth print-access-token)" https://auth.example.com/v1/userinfo`,
		Args:    optionalAccount,
		RunE: func(cmd *cobra.Command, args []string) error {
			credential, err := a.find(first(args), authHost)
			if err != nil {
				return notSignedIn(err, first(args))
			}
			token, err := a.client.AccessToken(cmd.Context(), credential)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), token)
			return err
		},
	}
	addAuthHost(cmd, &authHost)
	return cmd
}

func (a authCommands) list() *cobra.Command {
	cmd := &cobra.Command{
		Use: "list", Short: "List the accounts that are signed in", Example: "  gatehouse auth list", Args: arguments(),
	}
	format := addOutput(cmd, formatTable, formatYAML, formatJSON)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		store, err := a.store()
		if err != nil {
			return err
		}
		known, err := store.Load()
		if err != nil {
			return err
		}
		type row struct {
			Account  string `json:"account"`
			AuthHost string `json:"authHost"`
			Status   string `json:"status"` // ACTIVE, or empty
		}
		shown, rows := []row{}, [][]string{}
		for _, c := range known.Credentials {
			status, mark := "", ""
			if known.IsActive(c) {
				status, mark = "ACTIVE", "*"
			}
			shown = append(shown, row{c.Account, c.AuthHost, status})
			rows = append(rows, []string{mark, c.Account, c.AuthHost})
		}
		slices.SortFunc(rows, func(a, b []string) int { return strings.Compare(a[1]+a[2], b[1]+b[2]) })
		return format.printList(cmd, shown, []string{"ACTIVE", "ACCOUNT", "AUTH_HOST"}, rows)
	}
	return cmd
}
