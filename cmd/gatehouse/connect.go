package main

import (
	"cmp"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gatehouse-iap/gatehouse/internal/admin/adminclient"
)

// serverFlags say which server a command talks to.
type serverFlags struct{ dataDir, endpoint string }

// addServerFlags adds them to a command and all commands below it.
func addServerFlags(cmd *cobra.Command) *serverFlags {
	f := &serverFlags{}
	flags := cmd.PersistentFlags()
	flags.StringVar(&f.dataDir, "data", "", "data `directory` of the server (default $GATEHOUSE_DATA, else that of the dev server at --endpoint)")
	flags.StringVar(&f.endpoint, "endpoint", "", "`URL` of a running gatehouse dev, asked for its data directory (default $GATEHOUSE_ENDPOINT, else "+adminclient.DefaultEndpoint+")")
	if err := cmd.MarkPersistentFlagDirname("data"); err != nil {
		panic(err) // the flag is defined two lines above
	}
	return f
}

// again writes the flags that were given, for commands that are suggested: they must reach the same server.
func (f *serverFlags) again() string {
	var b strings.Builder
	for _, flag := range []struct{ name, value string }{{"data", f.dataDir}, {"endpoint", f.endpoint}} {
		if flag.value != "" {
			b.WriteString(" --" + flag.name + "='" + strings.ReplaceAll(flag.value, "'", `'\''`) + "'")
		}
	}
	return b.String()
}

// client finds the server.
func (f *serverFlags) client(cmd *cobra.Command) (*adminclient.Client, error) {
	return adminclient.Find(cmd.Context(), adminclient.Where{
		DataDir:  cmp.Or(f.dataDir, os.Getenv("GATEHOUSE_DATA")),
		Endpoint: cmp.Or(f.endpoint, os.Getenv("GATEHOUSE_ENDPOINT"), adminclient.DefaultEndpoint),
	})
}
