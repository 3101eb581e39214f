package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/gatehouse-iap/gatehouse/internal/admin"
	"github.com/gatehouse-iap/gatehouse/internal/config"
	"github.com/gatehouse-iap/gatehouse/internal/daemon"
)

func newConfigCommand() *cobra.Command {
	return commandGroup("config", "Check, write and explain the configuration of the server",
		`Check, write and explain gatehouse.yaml, the configuration of "gatehouse serve".`,
		newConfigCheckCommand(), newConfigInitCommand(), newConfigExplainCommand())
}

func newConfigCheckCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "check FILE",
		Short: "Check a configuration and its manifests without a server",
		Long: `Check a configuration, the files that it names, its manifests, the files of upstreams, secrets and password
hashes that these name, and the templates of its pages, each of which is rendered with sample data. All faults are printed at
once, one a line, with file, line, column and what to do; then the exit status is 1. Otherwise what must be registered
at the identity providers is printed. Nothing is changed, and no server is needed.

FILE may be left out when GATEHOUSE_CONFIG names it.`,
		Example: `  gatehouse config check gatehouse.yaml`,
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			file := os.Getenv(configVariable)
			if len(args) > 0 {
				file = args[0]
			}
			if file == "" {
				return errors.New("FILE is missing; usage: gatehouse config check FILE")
			}
			return checkConfig(cmd, file)
		},
	}
}

func checkConfig(cmd *cobra.Command, file string) error {
	c, err := config.Read(file, config.Source{LookupEnv: os.LookupEnv})
	var faults config.Faults
	if err != nil && !errors.As(err, &faults) {
		return err
	}
	if err != nil {
		fmt.Fprintln(cmd.ErrOrStderr(), faults)
	}
	var registrations []daemon.Registration
	manifestErr := daemon.CheckManifests(c)
	if manifestErr == nil {
		registrations, manifestErr = daemon.Registrations(c)
	}
	var documents admin.Faults
	switch {
	case errors.As(manifestErr, &documents):
		for _, fault := range documents {
			fmt.Fprintln(cmd.ErrOrStderr(), fault)
		}
	case manifestErr != nil && err == nil: // else the configuration's own faults say it better
		fmt.Fprintln(cmd.ErrOrStderr(), manifestErr)
	}
	pagesErr := daemon.CheckPages(c)
	if pagesErr != nil {
		fmt.Fprintln(cmd.ErrOrStderr(), pagesErr)
	}
	if err != nil || manifestErr != nil || pagesErr != nil {
		return exitError{1}
	}
	say(cmd, "%s: nothing wrong.", file)
	for _, r := range registrations {
		fmt.Fprintf(cmd.OutOrStdout(), `Register at %s (%s):
  redirect URI:             %s
  post-logout redirect URI: %s
  back-channel logout URI:  %s
`, printable(r.Issuer), r.Provider, r.RedirectURI, r.PostLogoutRedirectURI, r.BackchannelLogoutURI)
	}
	return nil
}

func newConfigInitCommand() *cobra.Command {
	var i config.Initial
	var dir string
	cmd := &cobra.Command{
		Use:   "init --host HOST --upstream URL [--issuer URL]",
		Short: "Write the two files that a new gate starts with",
		Long: `Write gatehouse.yaml, the configuration, and apps.yaml, a manifest with one application, who may use it, and the
identity provider. Files that are there are never overwritten. Without --issuer, people sign in with accounts of
the gate's own directory.

With a host below localhost, such as app.localhost, the gate listens on this machine only and needs no certificate.`,
		Example: `  gatehouse config init --host=app.example.com --upstream=http://127.0.0.1:3000 --issuer=https://login.example.com
  gatehouse config init --host=app.localhost --upstream=http://127.0.0.1:3000 --dir=try`,
		Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			for _, flag := range []struct{ name, value, example string }{{"host", i.Host, "app.example.com"}, {"upstream", i.Upstream, "http://127.0.0.1:3000"}} {
				if flag.value == "" {
					return fmt.Errorf("--%s is missing, as in --%s=%s", flag.name, flag.name, flag.example)
				}
			}
			complete, err := i.Complete()
			if err != nil {
				return err
			}
			return initConfig(cmd, complete, dir)
		},
		DisableFlagsInUseLine: true,
	}
	flags := cmd.Flags()
	flags.StringVar(&i.Host, "host", "", "`host` name of the first application, such as app.example.com")
	flags.StringVar(&i.Upstream, "upstream", "", "`URL` where the application is, such as http://127.0.0.1:3000")
	flags.StringVar(&i.Issuer, "issuer", "", "`URL` of the OpenID Connect provider, such as https://login.example.com")
	flags.StringVar(&i.ClientID, "client-id", "", "`id` of the gate at the provider (default gatehouse)")
	flags.StringVar(&i.AuthHost, "auth-host", "", "`host` at which people sign in (default: auth. and the rest of --host)")
	flags.StringVar(&i.Domain, "domain", "", "`domain` of people's e-mail addresses (default: the rest of --host)")
	flags.StringVar(&dir, "dir", ".", "`directory` to write to")
	return cmd
}

// initConfig writes the files and says what to do next.
func initConfig(cmd *cobra.Command, i config.Initial, dir string) error {
	configFile, manifestFile, err := i.Write(dir)
	if err != nil {
		return err
	}
	say(cmd, "Wrote %s and %s. Next:", configFile, manifestFile)
	step := 0
	next := func(format string, args ...any) {
		step++
		say(cmd, "  %d. "+format, append([]any{step}, args...)...)
	}
	c, err := config.Parse(configFile, mustRead(configFile))
	if err != nil {
		return err
	}
	if c.ExternalURL.Scheme == "https" {
		next("put a certificate for %s and %s into %s, and its key into %s (mode 0600)", i.AuthHost, i.Host,
			c.Listeners[0].TLS.Certificates[0].CertFile, c.Listeners[0].TLS.Certificates[0].KeyFile)
		next("let both names lead to this machine")
	}
	if i.Issuer != "" {
		registrations, err := daemon.Registrations(c)
		if err != nil {
			return err
		}
		next("register a client %s at %s with the redirect URI %s and, where it has them, the post-logout redirect URI %s and the back-channel logout URI %s",
			cmp.Or(i.ClientID, "gatehouse"), i.Issuer, registrations[0].RedirectURI, registrations[0].PostLogoutRedirectURI, registrations[0].BackchannelLogoutURI)
		next("put its secret into %s (mode 0600)", filepath.Join(dir, config.InitialSecret))
	}
	next("gatehouse config check %s", configFile)
	next("gatehouse serve --config %s", configFile)
	if i.Issuer == "" {
		next("gatehouse users create you@%s --data %s", cmp.Or(i.Domain, "example.com"), c.DataDir)
	}
	return nil
}

// mustRead reads a file that has just been written; what is lost meanwhile is found by who parses it.
func mustRead(file string) []byte {
	text, _ := os.ReadFile(file)
	return text
}

func newConfigExplainCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "explain [KEY]",
		Short: "Say what the keys of the configuration mean",
		Example: `  gatehouse config explain
  gatehouse config explain listeners.tls.minVersion`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			name := ""
			if len(args) > 0 {
				name = args[0]
			}
			keys, err := config.Explain(name)
			if err != nil {
				return err
			}
			return config.WriteTerminal(cmd.OutOrStdout(), keys)
		},
	}
}
