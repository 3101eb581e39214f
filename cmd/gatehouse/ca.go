package main

import (
	"fmt"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/gatehouse-iap/gatehouse/internal/certauthority"
	"github.com/gatehouse-iap/gatehouse/internal/googleendpoints"
)

const defaultCADir = "gatehouse-ca"

func newCACommand() *cobra.Command {
	return commandGroup("ca", "Make the certificate with which the server answers for "+googleendpoints.GStaticHost,
		`Applications written for IAP fetch the keys of assertions from https://`+googleendpoints.GStaticHost+`. For the server to
answer there (googleEndpoints in its configuration), those applications must trust an authority of yours. This
one is limited to that host by critical name constraints: its key, in the wrong hands, opens no other.`,
		newCAInitCommand(), newCARenewCommand())
}

func newCAInitCommand() *cobra.Command {
	var dir string
	cmd := &cobra.Command{
		Use:   "init [--dir DIR]",
		Short: "Make the authority and its certificate for " + googleendpoints.GStaticHost,
		Long: `Make an authority and a certificate for ` + googleendpoints.GStaticHost + `, and print what to do with them. Keys are readable by
you alone. Nothing is ever overwritten. No server is needed.

DIR gets ca.crt, which applications are to trust; ca.key, which is needed to renew and is best kept elsewhere; and
the server's certificate and key.`,
		Example: `  gatehouse ca init
  gatehouse ca init --dir /etc/gatehouse/ca`,
		Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			now := time.Now()
			dir, err := filepath.Abs(dir) // what is printed goes into files and variables of elsewhere
			if err != nil {
				return err
			}
			files, err := certauthority.Init(dir, googleendpoints.GStaticHost, now)
			if err != nil {
				return err
			}
			say(cmd, "Made an authority for %s, and a certificate that ends on %s.", googleendpoints.GStaticHost, now.Add(certauthority.LeafLifetime).Format(time.DateOnly))
			_, err = fmt.Fprintf(cmd.OutOrStdout(), caNext, files.CACert, files.CAKey, files.LeafCert, files.LeafKey, dir)
			return err
		},
	}
	addCADir(cmd, &dir)
	return cmd
}

func newCARenewCommand() *cobra.Command {
	var dir string
	cmd := &cobra.Command{
		Use:   "renew [--dir DIR]",
		Short: "Replace the certificate for " + googleendpoints.GStaticHost,
		Long: `Replace certificate and key for ` + googleendpoints.GStaticHost + ` with new ones of the same authority. Applications need to be
told nothing. A running server takes them up within a second.`,
		Example: `  gatehouse ca renew --dir /etc/gatehouse/ca`,
		Args:    arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			files, expires, err := certauthority.Renew(dir, googleendpoints.GStaticHost, time.Now())
			if err != nil {
				return err
			}
			say(cmd, "Renewed %s; it ends on %s.", files.LeafCert, expires.Format(time.DateOnly))
			return nil
		},
	}
	addCADir(cmd, &dir)
	return cmd
}

func addCADir(cmd *cobra.Command, dir *string) {
	cmd.Flags().StringVar(dir, "dir", defaultCADir, "the `directory` of the authority's files")
	_ = cmd.MarkFlagDirname("dir") // completion only
}

// caNext has the files in their order: the authority's certificate and key, the server's, and the directory.
const caNext = `
Next:

1. Keep %[2]s away from the server: only "gatehouse ca renew" needs it.

2. In gatehouse.yaml:

     googleEndpoints:
       gstatic:
         address: "127.0.0.2:443"    # or whatever address the applications reach
         certFile: %[3]s
         keyFile: %[4]s
       metadata:
         address: "127.0.0.2:80"
       relay:
         resolver: 8.8.8.8           # where the server's own machine gets the line of step 3, too

3. Where an application runs, point the names at those addresses (/etc/hosts, hostAliases, extra_hosts):

     127.0.0.2 www.gstatic.com metadata.google.internal

4. Let the application trust %[1]s. A bundle with the system's authorities, which some need:

     cat /etc/ssl/certs/ca-certificates.crt %[1]s > %[5]s/bundle.crt

     Go           SSL_CERT_FILE=%[5]s/bundle.crt
     Python       REQUESTS_CA_BUNDLE=%[5]s/bundle.crt and SSL_CERT_FILE=%[5]s/bundle.crt
     Node         NODE_EXTRA_CA_CERTS=%[1]s
     Ruby, curl   SSL_CERT_FILE=%[5]s/bundle.crt
     PHP          SSL_CERT_FILE=%[5]s/bundle.crt, or openssl.cafile and curl.cainfo in php.ini
     Java         keytool -importcert -cacerts -noprompt -alias gatehouse -file %[1]s
     .NET         SSL_CERT_FILE=%[5]s/bundle.crt (on Linux)
`
