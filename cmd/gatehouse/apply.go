package main

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/gatehouse-iap/gatehouse/internal/admin"
)

func newApplyCommand() *cobra.Command {
	var o admin.ApplyOptions
	var offline bool
	cmd := &cobra.Command{
		Use:   "apply -f FILE|DIRECTORY|-",
		Short: "Bring what manifests declare about, all of it or nothing",
		Long: `Bring what manifests declare about: services, policies, identity providers, users and groups. All of it is one
transaction: when one document is at fault, nothing changes, and all that is wrong is told with file, line and
column. What is as declared already is not written.

What is applied from a file or directory belongs to it: other commands and other manifests may not change it any
more. What is taken out of a file stays, until --prune removes what belongs to the file and is not in it.`,
		Example: `  gatehouse apply -f gatehouse.d/
  gatehouse apply -f apps.yaml --dry-run
  gatehouse apply -f gatehouse.d/ --prune
  gatehouse apply -f gatehouse.d/ --offline         # only check, without a server
  gatehouse apply -f policy.json --resource=projects/dev-project/iap_web/compute/services/app`,
		Args:                  arguments(),
		DisableFlagsInUseLine: true,
	}
	server, files := addServerFlags(cmd), addManifestFlags(cmd)
	format := addOutput(cmd, formatText, formatJSON, formatYAML)
	flags := cmd.Flags()
	flags.BoolVar(&o.DryRun, "dry-run", false, "say what would change, and change nothing")
	flags.BoolVar(&o.Prune, "prune", false, "remove what belongs to the files and is no longer in them")
	flags.BoolVar(&o.TakeOver, "take-over", false, "change also what belongs to other manifests, and own it from now on")
	flags.BoolVar(&offline, "offline", false, "check the documents without a server")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if offline && (o.DryRun || o.Prune || o.TakeOver) {
			return errors.New("--offline only checks the documents: leave out --dry-run, --prune and --take-over, which ask the server")
		}
		documents, err := files.read(cmd)
		if err != nil {
			return err
		}
		if offline {
			say(cmd, "Checked %s: nothing wrong by itself. What the server has was not compared.", count(len(documents), "document"))
			return nil
		}
		if o.Source = files.source; o.Prune && o.Source == "" && documents[0].Source == "" {
			return errors.New("--prune needs to know what belongs to whom: give what is read from stdin a --source=NAME")
		}
		client, err := server.client(cmd)
		if err != nil {
			return err
		}
		o.Progress = showProgress(cmd)
		plan, err := client.Apply(cmd.Context(), documents, o)
		if err != nil {
			return err
		}
		policies, coming := declaredIn(documents)
		noteUnknownGroups(cmd, client, policies, coming...)
		if format.format != formatText {
			return format.print(cmd, plan)
		}
		suffix := ""
		if o.DryRun {
			suffix = " (dry run)"
		}
		if err := showChanges(cmd.OutOrStdout(), plan, suffix); err != nil {
			return err
		}
		sayPlan(cmd, plan, !o.DryRun)
		return nil
	}
	return cmd
}
