package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/gatehouse-iap/gatehouse/internal/admin"
	"github.com/gatehouse-iap/gatehouse/internal/manifest"
)

func newDiffCommand() *cobra.Command {
	var o admin.ApplyOptions
	cmd := &cobra.Command{
		Use:   "diff -f FILE|DIRECTORY|-",
		Short: "Show what applying manifests would change",
		Long: `Show what applying manifests would change, in the unified format: lines that go with -, lines that come with +.
The exit status is 0 when nothing would change, 1 when something would, and 2 when that cannot be said.`,
		Example: `  gatehouse diff -f gatehouse.d/
  gatehouse diff -f gatehouse.d/ --prune            # with what would be removed`,
		Args:                  func(cmd *cobra.Command, args []string) error { return cannotSay(cmd, arguments()(cmd, args)) },
		DisableFlagsInUseLine: true,
	}
	cmd.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return cannotSay(cmd, cmd.Parent().FlagErrorFunc()(cmd, err))
	})
	server, files := addServerFlags(cmd), addManifestFlags(cmd)
	cmd.Flags().BoolVar(&o.Prune, "prune", false, "show also what would be removed because it is no longer in the files that it belongs to")
	cmd.Flags().BoolVar(&o.TakeOver, "take-over", false, "show also what would change of what belongs to other manifests")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		plan, err := planOf(cmd, server, files, o)
		if err == nil {
			err = showDiff(cmd, plan)
		}
		switch {
		case err != nil:
			return cannotSay(cmd, err)
		case len(plan.Changes) > 0:
			return exitError{1}
		default:
			return nil
		}
	}
	return cmd
}

// cannotSay ends the command with another status than that of differences.
func cannotSay(cmd *cobra.Command, err error) error {
	if err == nil {
		return nil
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "gatehouse: %v\n", err)
	return exitError{2}
}

func planOf(cmd *cobra.Command, server *serverFlags, files *manifestFlags, o admin.ApplyOptions) (admin.Plan, error) {
	documents, err := files.read(cmd)
	if err != nil {
		return admin.Plan{}, err
	}
	client, err := server.client(cmd)
	if err != nil {
		return admin.Plan{}, err
	}
	o.DryRun, o.Source = true, files.source
	return client.Apply(cmd.Context(), documents, o)
}

func showDiff(cmd *cobra.Command, plan admin.Plan) error {
	for _, c := range plan.Changes {
		before, after := "now/"+string(c.Kind)+"/"+printable(c.Name), "then/"+string(c.Kind)+"/"+printable(c.Name)
		if c.Before == nil {
			before = "/dev/null"
		}
		if c.After == nil {
			after = "/dev/null"
		}
		text, err := manifest.Diff(before, c.Before, after, c.After)
		if err != nil {
			return err
		}
		if _, err := cmd.OutOrStdout().Write(text); err != nil {
			return err
		}
	}
	for _, note := range plan.Notes {
		say(cmd, "note: %s", note)
	}
	return nil
}
