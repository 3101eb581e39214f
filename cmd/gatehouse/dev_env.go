package main

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gatehouse-iap/gatehouse/internal/emulator"
)

func newDevEnvCommand(getenv func(string) string, environ func() []string) *cobra.Command {
	var endpoint, format string
	cmd := &cobra.Command{
		Use:   "env [--format sh|fish|powershell|dotenv|json] [--endpoint URL]",
		Short: "Print the variables that lead a program to a running gatehouse dev",
		Long: `env prints what gatehouse dev sets for the app that it starts, for one that you start yourself: in a shell of its
own, an IDE, a debugger. The app then finds www.gstatic.com/iap/verify/ and metadata.google.internal here. Values that
are set already are kept or gone on from: a proxy is gone on through, the authorities of a file stay trusted.

The variables hold the credential of a proxy that ends with that gatehouse dev, and are good as long as it runs.`,
		Example: `  gatehouse dev --upstream http://127.0.0.1:3000
  eval "$(gatehouse dev env)" && PORT=3000 npm start
  gatehouse dev env --format fish | source
  gatehouse dev env --format dotenv > .env.gatehouse`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			endpoint := cmp.Or(endpoint, getenv("GATEHOUSE_ENDPOINT"), emulator.DefaultEndpoint)
			set, notes, err := emulator.EnvironmentOf(cmd.Context(), endpoint, environ())
			if err != nil {
				return err
			}
			for _, note := range notes {
				say(cmd, "note: %s", note)
			}
			return emulator.WriteEnvironment(cmd.OutOrStdout(), format, set)
		},
	}
	cmd.Flags().StringVar(&format, "format", "sh", fmt.Sprintf("`form` of what is printed: %s", strings.Join(emulator.EnvironmentFormats(), ", ")))
	cmd.Flags().StringVar(&endpoint, "endpoint", "", "`URL` of gatehouse dev (default: $GATEHOUSE_ENDPOINT, or "+emulator.DefaultEndpoint+")")
	return cmd
}
