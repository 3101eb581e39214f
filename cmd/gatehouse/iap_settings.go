package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gatehouse-iap/gatehouse/internal/admin"
	"github.com/gatehouse-iap/gatehouse/internal/admin/adminclient"
	"github.com/gatehouse-iap/gatehouse/internal/resource"
	"github.com/gatehouse-iap/gatehouse/internal/settings"
)

// The resource types of "gcloud iap settings" that "gcloud iap web" does not have, or calls otherwise.
const (
	typeWeb            = "iap_web"
	typeCompute        = "compute"
	typeOrganization   = "organization"
	typeFolder         = "folder"
	typeForwardingRule = "forwarding-rule"
)

var settingsTypes = []string{typeAppEngine, typeWeb, typeCompute, typeBackend, typeCloudRun}

// settingsResource is a resource as the flags of "gcloud iap settings" name it.
type settingsResource struct {
	webResource
	organization, folder string
}

func addSettingsResource(cmd *cobra.Command) *settingsResource {
	r := &settingsResource{}
	flags := cmd.Flags()
	flags.StringVar(&r.resourceType, "resource-type", "", "`type` of the resource: "+strings.Join(settingsTypes, ", ")+" (default: the project)")
	flags.StringVar(&r.service, "service", "", "name or number of the `service` (default: all of the type)")
	flags.StringVar(&r.region, "region", "", "`region` of a Cloud Run service")
	flags.StringVar(&r.version, "version", "", "`version` of an App Engine service")
	flags.StringVar(&r.project, "project", "", "id or number of the `project` (default: the server's)")
	flags.StringVar(&r.organization, "organization", "", "not offered: the highest resource is the `project`")
	flags.StringVar(&r.folder, "folder", "", "not offered: the highest resource is the `project`")
	completeFlag(cmd, "resource-type", settingsTypes...)
	for _, flag := range []string{"service", "region", "version", "project", "organization", "folder"} {
		completeFlag(cmd, flag)
	}
	return r
}

// check refuses what names nothing here, before any server is asked.
func (r *settingsResource) check() error {
	switch {
	case r.organization != "" || r.folder != "" || r.resourceType == typeOrganization || r.resourceType == typeFolder:
		return errors.New("organizations and folders are not offered: the highest resource is the project; leave --organization and --folder out")
	case r.resourceType == typeForwardingRule:
		return errors.New("forwarding rules are not offered: a service behind the gate is one of --resource-type=backend-services, app-engine or cloud-run")
	case r.resourceType == typeWeb && (r.service != "" || r.region != "" || r.version != ""):
		return errors.New("--resource-type=iap_web is all that IAP protects in the project: leave --service, --region and --version out")
	case r.resourceType == "" && (r.service != "" || r.region != "" || r.version != ""):
		return fmt.Errorf("--service, --region and --version need --resource-type: one of %s", strings.Join(settingsTypes, ", "))
	case r.resourceType != "" && r.resourceType != typeWeb && r.resourceType != typeCompute:
		if err := oneOf("resource-type", r.resourceType, settingsTypes); err != nil {
			return err
		}
	}
	web := r.web()
	return web.check()
}

// web is the resource in the words of "gcloud iap web".
func (r *settingsResource) web() webResource {
	web := r.webResource
	switch web.resourceType {
	case typeCompute:
		web.resourceType = typeBackend
	case typeWeb:
		web.resourceType = ""
	}
	return web
}

func (r *settingsResource) name(project admin.Project) (string, error) {
	if r.resourceType == "" {
		return string(resource.Project(project.ProjectNumber)), checkProject(r.project, project)
	}
	web := r.web()
	name, _, err := web.name(project)
	return name, err
}

func newSettingsCommand() *cobra.Command {
	cmd := commandGroup("settings", "Say how sign-in and refusals behave for an application, or for many", `Settings stand on a project, on all that IAP protects in it, on a type of application, or on one application, and hold
for all below, field by field. The commands and flags are those of "gcloud iap settings"; docs/settings.md says what each
setting does.`)
	server := addServerFlags(cmd)
	cmd.AddCommand(newGetSettings(server), newSetSettings(server))
	return cmd
}

// settingsClient finds the server and what the flags name there.
func settingsClient(cmd *cobra.Command, server *serverFlags, r *settingsResource) (*adminclient.Client, string, error) {
	if err := r.check(); err != nil {
		return nil, "", err
	}
	client, err := server.client(cmd)
	if err != nil {
		return nil, "", err
	}
	project, err := client.Project(cmd.Context())
	if err != nil {
		return nil, "", err
	}
	name, err := r.name(project)
	return client, name, err
}

func newGetSettings(server *serverFlags) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "get",
		Short: "Print the settings of a resource",
		Long: `Print the settings that stand on a resource itself. With --effective, print what holds there: every field that is set
on it or above it, and on which resource.`,
		Example: `  gatehouse iap settings get
  gatehouse iap settings get --resource-type=backend-services --service=app > settings.yaml
  gatehouse iap settings get --resource-type=backend-services --service=app --effective`,
		Args: arguments(), DisableFlagsInUseLine: true,
	}
	r := addSettingsResource(cmd)
	effective := cmd.Flags().Bool("effective", false, "print what holds after inheritance, and where it stands")
	format := addOutput(cmd, formatYAML, formatJSON, formatTable)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if !*effective && format.format == formatTable {
			return errors.New("--format=table is for --effective: settings themselves are printed as yaml or json")
		}
		client, name, err := settingsClient(cmd, server, r)
		if err != nil {
			return err
		}
		if *effective {
			return printEffective(cmd, client, name, format)
		}
		d, err := client.IapSettings(cmd.Context(), name)
		if err != nil {
			return err
		}
		return format.print(cmd, d)
	}
	return cmd
}

func printEffective(cmd *cobra.Command, client *adminclient.Client, name string, format *output) error {
	if !cmd.Flags().Changed("format") {
		format.format = formatTable
	}
	e, err := client.EffectiveSettings(cmd.Context(), name)
	if err != nil {
		return err
	}
	rows := make([][]string, len(e.Settings))
	for i, s := range e.Settings {
		value, err := json.Marshal(s.Value)
		if err != nil {
			return err
		}
		rows[i] = []string{s.Field, string(value), string(s.From)}
	}
	return format.printList(cmd, e, []string{"FIELD", "VALUE", "FROM"}, rows)
}

func newSetSettings(server *serverFlags) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "set SETTING_FILE",
		Short: "Replace the settings of a resource",
		Long: `Replace the settings that stand on a resource by a file, YAML or JSON, as get prints them ("-" reads it from stdin).
What the file does not set is not set afterwards, and is inherited; {} takes all settings of the resource away. When the
file has an etag, the settings are replaced only if nobody has changed them since.`,
		Example: `  gatehouse iap settings get --resource-type=backend-services --service=app > settings.yaml
  # change settings.yaml, then
  gatehouse iap settings set settings.yaml --resource-type=backend-services --service=app`,
		Args: arguments("SETTING_FILE"),
	}
	r := addSettingsResource(cmd)
	format := addOutput(cmd, formatYAML, formatJSON)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		d, err := readSettings(cmd.InOrStdin(), args[0])
		if err != nil {
			return err
		}
		client, name, err := settingsClient(cmd, server, r)
		if err != nil {
			return err
		}
		stored, err := client.UpdateIapSettings(cmd.Context(), name, d, "")
		if adminclient.HasReason(err, admin.ReasonEtagMismatch) {
			return fmt.Errorf("the settings have changed since their etag was read; get them again, make your change in those, and set them (%w)", err)
		}
		if err != nil {
			return err
		}
		say(cmd, "Updated settings of [%s].", name)
		return format.print(cmd, stored)
	}
	return cmd
}

// maxSettingsFile is more than any settings need.
const maxSettingsFile = 1 << 20

func readSettings(stdin io.Reader, path string) (settings.Document, error) {
	in := stdin
	if path != "-" {
		file, err := os.Open(path)
		if err != nil {
			return settings.Document{}, err
		}
		defer file.Close()
		in = file
	}
	b, err := io.ReadAll(io.LimitReader(in, maxSettingsFile+1))
	if err != nil {
		return settings.Document{}, err
	}
	if len(b) > maxSettingsFile {
		return settings.Document{}, fmt.Errorf("%s is larger than %d bytes: those are no settings", path, maxSettingsFile)
	}
	d, err := settings.Parse(b)
	if err != nil {
		return settings.Document{}, fmt.Errorf("%s: %w", path, err)
	}
	return d, nil
}
