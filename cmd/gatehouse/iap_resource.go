package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gatehouse-iap/gatehouse/internal/admin"
	"github.com/gatehouse-iap/gatehouse/internal/resource"
)

// The resource types of "gcloud iap web" that Gatehouse has.
const (
	typeAppEngine = "app-engine"
	typeBackend   = "backend-services"
	typeCloudRun  = "cloud-run"
)

var resourceTypes = []string{typeAppEngine, typeBackend, typeCloudRun}

// webResource is a resource as the flags of "gcloud iap web" name it.
type webResource struct{ resourceType, service, region, version, project string }

func addWebResource(cmd *cobra.Command, versions bool) *webResource {
	r := &webResource{}
	flags := cmd.Flags()
	flags.StringVar(&r.resourceType, "resource-type", "", "`type` of the application: "+strings.Join(resourceTypes, ", ")+" (default: all that IAP protects in the project)")
	flags.StringVar(&r.service, "service", "", "name or number of the `service` (default: all of the type)")
	flags.StringVar(&r.region, "region", "", "`region` of a Cloud Run service")
	flags.StringVar(&r.project, "project", "", "id or number of the `project` (default: the server's)")
	if versions {
		flags.StringVar(&r.version, "version", "", "`version` of an App Engine service")
	}
	completeFlag(cmd, "resource-type", resourceTypes...)
	for _, flag := range []string{"service", "region", "project"} {
		completeFlag(cmd, flag)
	}
	return r
}

// check refuses combinations that name nothing, before any server is asked.
func (r *webResource) check() error {
	switch r.resourceType {
	case "":
		if r.service != "" || r.region != "" || r.version != "" {
			return fmt.Errorf("--service, --region and --version need --resource-type: one of %s", strings.Join(resourceTypes, ", "))
		}
	case typeAppEngine:
		if r.region != "" {
			return errors.New("--region is for Cloud Run services; an App Engine app has one place only: leave it out")
		}
	case typeBackend:
		if r.region != "" {
			return errors.New("regional backend services are not supported: leave --region out")
		}
	case typeCloudRun:
		if r.region == "" {
			return errors.New("--region is missing: a Cloud Run service is named by region and name, such as --region=europe-west1 --service=web")
		}
	default:
		return oneOf("resource-type", r.resourceType, resourceTypes)
	}
	if r.version != "" && (r.resourceType != typeAppEngine || r.service == "") {
		return errors.New("--version is for a service of an App Engine app: add --resource-type=app-engine --service=SERVICE")
	}
	return nil
}

// checkSwitch is check for commands that mean one application.
func (r *webResource) checkSwitch() error {
	if err := r.check(); err != nil {
		return err
	}
	switch {
	case r.resourceType == "":
		return fmt.Errorf("--resource-type is missing: one of %s", strings.Join(resourceTypes, ", "))
	case r.resourceType == typeAppEngine:
		if r.service != "" && r.service != "default" {
			return errors.New("IAP is turned on and off for a whole App Engine app: leave --service out")
		}
		r.service = "default"
	case r.service == "":
		return errors.New("--service is missing: the name or number of the service, such as --service=app")
	}
	return nil
}

// name returns the resource's name, with the project by its number as gcloud sends it, and the words that
// gcloud uses for such a resource.
func (r *webResource) name(project admin.Project) (name, kind string, err error) {
	if err := r.check(); err != nil {
		return "", "", err
	}
	if err := checkProject(r.project, project); err != nil {
		return "", "", err
	}
	name = string(resource.Web(project.ProjectNumber))
	switch r.resourceType {
	case "":
		return name, "project", nil
	case typeAppEngine:
		name, kind = name+"/appengine-"+project.ProjectID, "App Engine application"
	case typeBackend:
		name, kind = name+"/compute", "backend service"
	case typeCloudRun:
		name, kind = name+"/cloud_run-"+r.region, "Cloud Run service"
	}
	switch {
	case r.service == "" && r.resourceType != typeAppEngine:
		kind += "s"
	case r.service != "":
		name += "/services/" + r.service
		if r.resourceType == typeAppEngine {
			kind += " service"
		}
	}
	if r.version != "" {
		name, kind = name+"/versions/"+r.version, kind+" version"
	}
	return name, kind, nil
}

// checkProject refuses a project other than the server's.
func checkProject(written string, project admin.Project) error {
	if written == "" || written == project.ProjectID || written == strconv.FormatInt(project.ProjectNumber, 10) {
		return nil
	}
	return fmt.Errorf("the server has no project %q: its project is %s, number %d", written, project.ProjectID, project.ProjectNumber)
}

// flagsFor returns the flags that name a service's resource; empty when there are none.
func flagsFor(name resource.Name, service string) string {
	parts := strings.Split(string(name), "/")
	if len(parts) != 6 {
		return ""
	}
	if service == "" {
		service = parts[5]
	}
	switch region, cloudRun := strings.CutPrefix(parts[3], "cloud_run-"); {
	case cloudRun:
		return fmt.Sprintf("--resource-type=cloud-run --region=%s --service=%s", region, parts[5])
	case parts[3] == "compute":
		return "--resource-type=backend-services --service=" + service
	default:
		return "--resource-type=app-engine --service=" + parts[5]
	}
}
