package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"
)

func newRootCommand() *cobra.Command {
	root := commandGroup("gatehouse", "A self-hosted Identity-Aware Proxy, compatible with Google Cloud IAP",
		`gatehouse stands in front of an HTTP application, signs people in, decides from IAM policy who may pass,
and hands the application a signed statement of who asks: the header X-Goog-IAP-JWT-Assertion.`)
	root.SilenceUsage, root.SilenceErrors = true, true
	root.SetUsageTemplate(usageTemplate(root))
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return fmt.Errorf("%w; see `%s --help`", err, cmd.CommandPath())
	})
	root.AddCommand(newDevCommand(productionParts()))
	root.AddCommand(newServeCommand())
	root.AddCommand(newConfigCommand())
	root.AddCommand(newApplyCommand())
	root.AddCommand(newDiffCommand())
	root.AddCommand(newExportCommand())
	root.AddCommand(newCACommand())
	root.AddCommand(newAuthCommand())
	root.AddCommand(newIAPCommand())
	root.AddCommand(newProjectsCommand())
	root.AddCommand(newIAMCommand())
	root.AddCommand(newUsersCommand())
	root.AddCommand(newGroupsCommand())
	root.AddCommand(newSessionsCommand())
	root.AddCommand(newUpstreamsCommand())
	root.AddCommand(newKeysCommand())
	root.AddCommand(newExplainCommand())
	root.AddCommand(newAuditCommand())
	root.AddCommand(newCheckCommand(os.Getenv))
	root.AddCommand(newVersionCommand())
	return root
}
