package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/gatehouse-iap/gatehouse/internal/admin"
)

func newIAPCommand() *cobra.Command {
	web := commandGroup("web", "Turn the gate on and off, and say who may pass", `Each application behind the gate is a resource with an IAM policy. The commands and flags are those of
"gcloud iap web".`)
	server := addServerFlags(web)
	web.AddCommand(newIAPSwitch(server, "enable", true), newIAPSwitch(server, "disable", false))
	web.AddCommand(policyCommands(server, webPolicy)...)
	return commandGroup("iap", "Manage who may use the applications behind the gate", "", web, newSettingsCommand())
}

func newIAPSwitch(server *serverFlags, verb string, on bool) *cobra.Command {
	about := "Require sign-in and permission for an application"
	long := about + "."
	if !on {
		about = "Let every request to an application pass"
		long = about + `, without sign-in. The application is told nobody's name:
every identity header is removed.`
	}
	cmd := &cobra.Command{
		Use:   verb + " --resource-type=TYPE [--service=SERVICE] [--region=REGION]",
		Short: about,
		Long:  long,
		Example: fmt.Sprintf(`  # the backend service that "gatehouse dev" makes
  gatehouse iap web %[1]s --resource-type=backend-services --service=app
  # an App Engine app
  gatehouse iap web %[1]s --resource-type=app-engine`, verb),
		Args:                  arguments(),
		DisableFlagsInUseLine: true,
	}
	target := addWebResource(cmd, false)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := target.checkSwitch(); err != nil {
			return err
		}
		client, err := server.client(cmd)
		if err != nil {
			return err
		}
		project, err := client.Project(cmd.Context())
		if err != nil {
			return err
		}
		name, kind, err := target.name(project)
		if err != nil {
			return err
		}
		state, err := client.SetIAPEnabled(cmd.Context(), name, on)
		if err != nil {
			return err
		}
		sayIAPState(cmd, kind, state)
		return nil
	}
	return cmd
}

func sayIAPState(cmd *cobra.Command, kind string, state admin.IAPState) {
	if state.Enabled {
		say(cmd, "Enabled IAP for %s [%s].", kind, state.Service)
		return
	}
	say(cmd, "Disabled IAP for %s [%s]: everybody may use it, and it is told nobody's name.", kind, state.Service)
}
