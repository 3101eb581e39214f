package main

import "github.com/spf13/cobra"

func newRootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "gatehouse",
		Short: "A self-hosted Identity-Aware Proxy, compatible with Google Cloud IAP",
		Long: `gatehouse stands in front of an HTTP application, signs people in, decides from IAM policy who may pass,
and hands the application a signed statement of who asks: the header X-Goog-IAP-JWT-Assertion.`,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.AddCommand(newDevCommand(productionParts()))
	root.AddCommand(newAuthCommand())
	return root
}
