package main

import (
	"bufio"
	"slices"

	"github.com/spf13/cobra"

	"github.com/gatehouse-iap/gatehouse/internal/admin"
	"github.com/gatehouse-iap/gatehouse/internal/manifest"
)

func newExportCommand() *cobra.Command {
	var kinds []string
	known := []string{}
	for _, kind := range admin.Kinds() {
		known = append(known, string(kind))
	}
	cmd := &cobra.Command{
		Use:   "export",
		Short: "Print what the server has as manifests",
		Long: `Print what the server has as manifests: applying them again changes nothing. There are no secrets in them:
neither passwords nor their hashes, and of the secrets of identity providers only where they are. Service accounts,
signing keys and sessions are not kept in manifests.`,
		Example: `  gatehouse export > gatehouse.yaml
  gatehouse export --kind=BackendService,IamPolicy`,
		Args: arguments(),
	}
	server := addServerFlags(cmd)
	cmd.Flags().StringSliceVar(&kinds, "kind", nil, "only documents of these `kinds` (default: all)")
	completeFlag(cmd, "kind", known...)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		for _, kind := range kinds {
			if err := oneOf("kind", kind, known); err != nil {
				return err
			}
		}
		client, err := server.client(cmd)
		if err != nil {
			return err
		}
		documents, err := client.Documents(cmd.Context())
		if err != nil {
			return err
		}
		if len(kinds) > 0 {
			documents = slices.DeleteFunc(documents, func(d manifest.Document) bool { return !slices.Contains(kinds, string(d.Kind)) })
		}
		out := bufio.NewWriter(cmd.OutOrStdout())
		if err := manifest.Write(out, documents); err != nil {
			return err
		}
		return out.Flush()
	}
	return cmd
}
