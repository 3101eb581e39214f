package emulator

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/gatehouse-iap/gatehouse/internal/catalog"
	"github.com/gatehouse-iap/gatehouse/internal/resource"
)

// The names of the default project. Tests, docs and other people's scripts rely on them.
const (
	DefaultProject  = "dev-project:123456789012"
	DefaultCloudRun = "us-central1/app"
	ServiceName     = "app"

	serviceID = "1234567890123456789"
)

// Protected says, in the words of the command line, which service the emulator protects. Its zero value is
// the backend service "app" of the default project.
type Protected struct {
	// Project is "ID:NUMBER"; empty means DefaultProject, or what Audience says.
	Project string
	// AppEngine makes it the App Engine app of the project.
	AppEngine bool
	// CloudRun is "REGION/NAME" and makes it that Cloud Run service.
	CloudRun string
	// Audience is any of the three audience forms and says project number and service at once.
	Audience string
	// Declared is a service of a manifest, whole; the fields above say nothing then.
	Declared *catalog.Service
}

// catalogService returns the service as the gate serves it, but for where it is reached.
func (p Protected) catalogService() (catalog.Service, error) {
	if p.Declared != nil {
		service := *p.Declared
		service.UpstreamTLS = nil // the app is on this machine
		return service, nil
	}
	service, err := p.Service()
	return catalog.Service{Service: service, Name: ServiceName, OAuthClientID: clientID(service)}, err
}

// Service returns the service that is meant, or why the words do not say one.
func (p Protected) Service() (resource.Service, error) {
	if err := p.checkConflicts(); err != nil {
		return resource.Service{}, err
	}
	project := p.Project
	if project == "" {
		project = DefaultProject
	}
	projectID, number, err := parseProject(project)
	if err != nil {
		return resource.Service{}, err
	}
	service := resource.Service{
		Kind: resource.BackendService, ProjectID: projectID, ProjectNumber: number, ID: serviceID,
	}
	switch {
	case p.Audience != "":
		return p.fromAudience(projectID, number)
	case p.AppEngine:
		service.Kind, service.ID = resource.AppEngineApp, ""
	case p.CloudRun != "":
		region, name, found := strings.Cut(p.CloudRun, "/")
		if !found {
			return resource.Service{}, fmt.Errorf("--cloud-run=%s must be --cloud-run=REGION/NAME, such as %s", p.CloudRun, DefaultCloudRun)
		}
		service.Kind, service.Region, service.ID = resource.CloudRunService, region, name
	}
	if err := service.Validate(); err != nil {
		return resource.Service{}, err
	}
	return service, nil
}

func (p Protected) checkConflicts() error {
	var given []string
	if p.AppEngine {
		given = append(given, "--app-engine")
	}
	if p.CloudRun != "" {
		given = append(given, "--cloud-run")
	}
	if p.Audience != "" {
		given = append(given, "--audience")
	}
	if len(given) > 1 {
		return fmt.Errorf("%s each say what kind of service the app is: give one of them", strings.Join(given, " and "))
	}
	return nil
}

// fromAudience reads the audience and holds it against --project where both name the same thing.
func (p Protected) fromAudience(projectID string, number int64) (resource.Service, error) {
	service, err := resource.ParseAudience(p.Audience, projectID)
	if err != nil {
		return resource.Service{}, fmt.Errorf("--audience: %w", err)
	}
	if p.Project != "" && (service.ProjectNumber != number || service.ProjectID != projectID) {
		return resource.Service{}, fmt.Errorf("--project %s and --audience %s name different projects: leave --project out, or let them agree",
			p.Project, p.Audience)
	}
	return service, nil
}

var errProject = errors.New("must be ID:NUMBER, such as " + DefaultProject)

// parseProject splits at the last colon, because the ids of domain-scoped projects hold one of their own.
func parseProject(project string) (id string, number int64, err error) {
	colon := strings.LastIndexByte(project, ':')
	if colon <= 0 {
		return "", 0, fmt.Errorf("--project %q %w", project, errProject)
	}
	digits := project[colon+1:]
	number, err = strconv.ParseInt(digits, 10, 64)
	if err != nil || number <= 0 || strconv.FormatInt(number, 10) != digits {
		return "", 0, fmt.Errorf("--project %q %w", project, errProject)
	}
	return project[:colon], number, nil
}

// clientID returns the `aud` of bearer tokens for the app.
func clientID(service resource.Service) string {
	return strconv.FormatInt(service.ProjectNumber, 10) + "-" + ServiceName + ".apps.googleusercontent.com"
}

// describe says what the service is, for the banner.
func describe(service catalog.Service) string {
	switch service.Kind {
	case resource.AppEngineApp:
		return "App Engine app " + service.ProjectID
	case resource.CloudRunService:
		return "Cloud Run service " + service.Region + "/" + service.ID
	default:
		return "backend service " + service.Name + " (" + service.ID + ")"
	}
}
