package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/gatehouse-iap/gatehouse/internal/config"
	"github.com/gatehouse-iap/gatehouse/internal/daemon"
	"github.com/gatehouse-iap/gatehouse/internal/listener"
	"github.com/gatehouse-iap/gatehouse/internal/systemd"
)

func newServeCommand() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "serve --config FILE",
		Short: "Run the gate as its configuration file says",
		Long: `Run the gate as its configuration file says, until SIGTERM or SIGINT; then exchanges under way are finished.

Certificates, manifests and the configuration are read again when they change, and all of them on SIGHUP. What
cannot be used leaves what was there before in force, and is told in the log, in /readyz and by a metric.

It runs as an ordinary user. Sockets that systemd passes are used by the listeners with their addresses, so that a
restart refuses no connection.`,
		Example: `  gatehouse config init --host=app.example.com --upstream=http://127.0.0.1:3000 --issuer=https://login.example.com
  gatehouse serve --config gatehouse.yaml`,
		Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if file = cmp.Or(file, os.Getenv(configVariable)); file == "" {
				return fmt.Errorf("--config is missing: name the configuration file, here or in %s; `gatehouse config init` writes one", configVariable)
			}
			return serve(cmd, file)
		},
		DisableFlagsInUseLine: true,
	}
	cmd.Flags().StringVar(&file, "config", "", "configuration `file` (default: $"+configVariable+")")
	return cmd
}

// configVariable names the configuration file where no flag does.
const configVariable = "GATEHOUSE_CONFIG"

func serve(cmd *cobra.Command, file string) error {
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	inherited, err := listener.Inherit()
	if err != nil {
		return err
	}
	notifier, err := systemd.FromEnvironment()
	if err != nil {
		return err
	}
	err = daemon.Run(cmd.Context(), daemon.Options{
		ConfigFile: file, Version: version(), Log: cmd.ErrOrStderr(), Stdout: cmd.OutOrStdout(), LookupEnv: os.LookupEnv,
		Inherited: inherited, Notifier: notifier, Hangup: hangup,
	})
	return tellFaults(cmd.ErrOrStderr(), err)
}

// tellFaults prints the faults of a file one a line, as editors and terminals read them.
func tellFaults(w io.Writer, err error) error {
	var faults config.Faults
	if !errors.As(err, &faults) {
		return err
	}
	fmt.Fprintln(w, faults)
	return exitError{1}
}
