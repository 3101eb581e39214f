package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/gatehouse-iap/gatehouse/internal/credentials"
	"github.com/gatehouse-iap/gatehouse/internal/emulator"
	"github.com/gatehouse-iap/gatehouse/internal/principal"
)

// loginTimeout is how long a person has in the browser.
const loginTimeout = 10 * time.Minute

func (a authCommands) login() *cobra.Command {
	var authHost, endpoint string
	var noBrowser bool
	cmd := &cobra.Command{
		Use:   "login [ACCOUNT]",
		Short: "Sign in with a browser",
		Long: `Sign in with a browser, and keep a credential with which the other commands get tokens. It is good until you sign out
at the auth host or the sign-in ends, after 16 hours at most.

The browser's answer comes to a port of this machine. On a machine without one, print the address with
--no-launch-browser and open it where a browser reaches that port: "ssh -L" brings it there.
Without an auth host, that of a running gatehouse dev is taken.`,
		Example: `  gatehouse auth login --auth-host=https://auth.example.com
  gatehouse auth login alice@example.com --no-launch-browser`,
		Args: optionalAccount,
		RunE: func(cmd *cobra.Command, args []string) error {
			where, err := a.loginHost(cmd.Context(), authHost, endpoint)
			if err != nil {
				return err
			}
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
			defer stop()
			ctx, cancel := context.WithTimeoutCause(ctx, loginTimeout, errors.New("nobody has answered in the browser for 10 minutes"))
			defer cancel()
			credential, err := a.client.Login(ctx, where, first(args), func(address string) error {
				says := "Go to the following address in a browser that reaches this machine:"
				if !noBrowser && launchBrowser(address, a.getenv) == nil {
					says = "Your browser has been opened to visit:"
				}
				_, err := fmt.Fprintf(cmd.ErrOrStderr(), "%s\n\n    %s\n\n", says, address)
				return err
			})
			if err != nil {
				return fmt.Errorf("not signed in: %w", err)
			}
			if wanted, err := principal.ParseAddress(first(args)); len(args) > 0 && (err != nil || wanted != credential.Account) {
				return errors.Join(fmt.Errorf("you have signed in as %s, not as %s: nothing was kept", credential.Account, args[0]),
					a.client.Revoke(cmd.Context(), credential))
			}
			return a.keep(cmd, credential)
		},
	}
	cmd.Flags().BoolVar(&noBrowser, "no-launch-browser", false, "print the address, and open no browser")
	cmd.Flags().StringVar(&endpoint, "endpoint", "", "`URL` of gatehouse dev (default $GATEHOUSE_ENDPOINT, or "+emulator.DefaultEndpoint+")")
	addAuthHost(cmd, &authHost)
	return cmd
}

// loginHost returns the auth host to sign in at.
func (a authCommands) loginHost(ctx context.Context, flag, endpoint string) (string, error) {
	where, err := a.authHost(flag)
	if err != nil || where != "" {
		return where, err
	}
	dev, err := emulator.FetchAuthHost(ctx, cmp.Or(endpoint, a.getenv("GATEHOUSE_ENDPOINT"), emulator.DefaultEndpoint))
	if err != nil {
		return "", fmt.Errorf("name the auth host with --auth-host, such as https://auth.example.com (%w)", err)
	}
	return credentials.AuthHost(dev)
}

// keep stores a credential and says so.
func (a authCommands) keep(cmd *cobra.Command, credential credentials.Credential) error {
	store, err := a.store()
	if err != nil {
		return err
	}
	var replaced credentials.Credential
	err = store.Update(func(known *credentials.Known) error {
		replaced, _ = known.Find(credential.Account, credential.AuthHost)
		known.Put(credential)
		return nil
	})
	if err != nil {
		return err
	}
	if replaced.RefreshToken != "" {
		_ = a.client.Revoke(cmd.Context(), replaced) // nobody has it any more; it ends by itself, too
	}
	say(cmd, "You are now logged in as [%s] at %s.", credential.Account, credential.AuthHost)
	return nil
}

// launchBrowser opens an address, which is our own, in the person's browser.
func launchBrowser(address string, getenv func(string) string) error {
	name := "xdg-open"
	if runtime.GOOS == "darwin" {
		name = "open"
	}
	if chosen := getenv("BROWSER"); chosen != "" && !strings.ContainsAny(chosen, ": \t%") {
		name = chosen
	}
	command := exec.Command(name, address)
	if err := command.Start(); err != nil {
		return err
	}
	go func() { _ = command.Wait() }() // however it ends, the person sees it
	return nil
}

func (a authCommands) activateServiceAccount() *cobra.Command {
	var path string
	cmd := &cobra.Command{
		Use:   "activate-service-account [ACCOUNT]",
		Short: "Use the key of a service account",
		Long: `Use the key of a service account: the key is copied into your credentials, and the other commands get tokens with it.
Programs need no command for that: they read the key file that GOOGLE_APPLICATION_CREDENTIALS names.`,
		Example: "  gatehouse auth activate-service-account --key-file=nightly-report.json",
		Args:    optionalAccount,
		RunE: func(cmd *cobra.Command, args []string) error {
			if path == "" {
				return errors.New("--key-file is missing: the file of `gatehouse iam service-accounts keys create`")
			}
			key, err := credentials.ReadKeyFile(path)
			if err != nil {
				return err
			}
			if len(args) > 0 && args[0] != key.ClientEmail {
				return fmt.Errorf("%s is a key of %s, not of %s", path, key.ClientEmail, args[0])
			}
			where, err := key.AuthHost()
			if err != nil {
				return err
			}
			credential := credentials.Credential{Account: key.ClientEmail, AuthHost: where, Key: &key}
			if _, err := a.client.AccessToken(cmd.Context(), credential); err != nil { // a key that is not good is of no use
				return fmt.Errorf("%s does not take the key: %w", where, err)
			}
			store, err := a.store()
			if err != nil {
				return err
			}
			if err := store.Update(func(known *credentials.Known) error { known.Put(credential); return nil }); err != nil {
				return err
			}
			say(cmd, "Activated service account credentials for: [%s]", credential.Account)
			return nil
		},
	}
	cmd.Flags().StringVar(&path, "key-file", "", "`file` with the key")
	return cmd
}

func (a authCommands) revoke() *cobra.Command {
	var authHost string
	var all bool
	cmd := &cobra.Command{
		Use:   "revoke [ACCOUNT]",
		Short: "Forget an account, and end what it could do",
		Long: `Forget an account, by default the active one. A person's credential is revoked at the auth host; the key of a service
account stays good: delete it with "gatehouse iam service-accounts keys delete".`,
		Example: "  gatehouse auth revoke alice@example.com\n  gatehouse auth revoke --all",
		Args:    optionalAccount,
		RunE: func(cmd *cobra.Command, args []string) error {
			if all && len(args) > 0 {
				return errors.New("--all is every account: name none")
			}
			going, err := a.going(first(args), authHost, all)
			if err != nil {
				return notSignedIn(err, first(args))
			}
			store, err := a.store()
			if err != nil {
				return err
			}
			for _, credential := range going {
				if err := a.client.Revoke(cmd.Context(), credential); err != nil {
					return fmt.Errorf("%s at %s could not be revoked, and was not forgotten: %w", credential.Account, credential.AuthHost, err)
				}
				if err := store.Update(func(known *credentials.Known) error { known.Remove(credential); return nil }); err != nil {
					return err
				}
				say(cmd, "Revoked credentials: [%s] at %s", credential.Account, credential.AuthHost)
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "forget every account")
	addAuthHost(cmd, &authHost)
	return cmd
}

// going lists what is to be revoked.
func (a authCommands) going(account, authHost string, all bool) ([]credentials.Credential, error) {
	if !all {
		one, err := a.find(account, authHost)
		return []credentials.Credential{one}, err
	}
	store, err := a.store()
	if err != nil {
		return nil, err
	}
	known, err := store.Load()
	return known.Credentials, err
}
