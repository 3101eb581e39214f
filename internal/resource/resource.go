// Package resource holds the vocabulary of what is protected: IAM resource names, the three kinds of
// service that IAP knows, and the audiences that their assertions carry.
package resource

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// Name is an IAM resource name, such as "projects/123/iap_web/compute/services/456".
// The project is always named by its number.
type Name string

// Kind is the sort of service that stands behind a resource.
type Kind string

// The kinds of service that IAP protects.
const (
	BackendService  Kind = "BackendService"
	AppEngineApp    Kind = "AppEngineApp"
	CloudRunService Kind = "CloudRunService"
)

// Service says which service is meant, in the terms that audience and resource name are built from.
type Service struct {
	Kind          Kind   `json:"kind"`
	ProjectID     string `json:"projectId"`
	ProjectNumber int64  `json:"projectNumber"`
	// ID is the numeric id of a backend service, the name of a Cloud Run service, and empty for an App Engine app.
	ID string `json:"id,omitempty"`
	// Region is that of a Cloud Run service.
	Region string `json:"region,omitempty"`
}

// ErrInvalid is wrapped by every error of this package.
var ErrInvalid = errors.New("invalid resource")

var (
	projectIDForm = regexp.MustCompile(`^([a-z0-9.-]+:)?[a-z][a-z0-9-]{4,28}[a-z0-9]$`)
	numberForm    = regexp.MustCompile(`^[1-9][0-9]{0,18}$`)
	backendIDForm = regexp.MustCompile(`^[1-9][0-9]{0,19}$`)
	labelForm     = regexp.MustCompile(`^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$`)
)

// Validate checks that every part has the form that Google gives it.
func (s Service) Validate() error {
	if !projectIDForm.MatchString(s.ProjectID) {
		return fmt.Errorf("%w: project id %q: 6 to 30 lower-case letters, digits and hyphens, starting with a letter", ErrInvalid, s.ProjectID)
	}
	if s.ProjectNumber <= 0 {
		return fmt.Errorf("%w: project number %d must be positive", ErrInvalid, s.ProjectNumber)
	}
	switch s.Kind {
	case BackendService:
		if !backendIDForm.MatchString(s.ID) || s.Region != "" {
			return fmt.Errorf("%w: backend service id %q must be a number, without a region", ErrInvalid, s.ID)
		}
	case AppEngineApp:
		if s.ID != "" || s.Region != "" {
			return fmt.Errorf("%w: an App Engine app has neither id nor region of its own", ErrInvalid)
		}
	case CloudRunService:
		if !labelForm.MatchString(s.ID) || !labelForm.MatchString(s.Region) {
			return fmt.Errorf("%w: Cloud Run service %q in region %q: both are lower-case labels", ErrInvalid, s.ID, s.Region)
		}
	default:
		return fmt.Errorf("%w: kind %q is none of %s, %s, %s", ErrInvalid, s.Kind, BackendService, AppEngineApp, CloudRunService)
	}
	return nil
}

// Audience returns the `aud` claim of assertions for the service.
func (s Service) Audience() string {
	project := "/projects/" + strconv.FormatInt(s.ProjectNumber, 10)
	switch s.Kind {
	case AppEngineApp:
		return project + "/apps/" + s.ProjectID
	case CloudRunService:
		return project + "/locations/" + s.Region + "/services/" + s.ID
	default:
		return project + "/global/backendServices/" + s.ID
	}
}

// ParseAudience reads any of the three audience forms. projectID fills the part that the forms for backend
// and Cloud Run services do not carry.
func ParseAudience(audience, projectID string) (Service, error) {
	parts := strings.Split(audience, "/")
	if len(parts) < 5 || parts[0] != "" || parts[1] != "projects" || !numberForm.MatchString(parts[2]) {
		return Service{}, audienceError(audience)
	}
	number, err := strconv.ParseInt(parts[2], 10, 64)
	if err != nil {
		return Service{}, audienceError(audience)
	}
	service := Service{ProjectID: projectID, ProjectNumber: number}
	switch rest := parts[3:]; {
	case len(rest) == 2 && rest[0] == "apps":
		service.Kind, service.ProjectID = AppEngineApp, rest[1]
	case len(rest) == 3 && rest[0] == "global" && rest[1] == "backendServices":
		service.Kind, service.ID = BackendService, rest[2]
	case len(rest) == 4 && rest[0] == "locations" && rest[2] == "services":
		service.Kind, service.Region, service.ID = CloudRunService, rest[1], rest[3]
	default:
		return Service{}, audienceError(audience)
	}
	return service, service.Validate()
}

func audienceError(audience string) error {
	return fmt.Errorf("%w: audience %q has none of the forms /projects/NUMBER/global/backendServices/ID, "+
		"/projects/NUMBER/apps/PROJECT_ID, /projects/NUMBER/locations/REGION/services/NAME", ErrInvalid, audience)
}

// Name returns the resource that requests to the service are decided on.
func (s Service) Name() Name {
	switch s.Kind {
	case AppEngineApp:
		return s.TypeName() + "/services/default"
	default:
		return s.TypeName() + Name("/services/"+s.ID)
	}
}

// TypeName returns the resource one level above the service: all services of its type (and region).
func (s Service) TypeName() Name {
	web := Web(s.ProjectNumber)
	switch s.Kind {
	case AppEngineApp:
		return web + Name("/appengine-"+s.ProjectID)
	case CloudRunService:
		return web + Name("/cloud_run-"+s.Region)
	default:
		return web + "/compute"
	}
}

// Project returns the name of a project.
func Project(number int64) Name { return Name("projects/" + strconv.FormatInt(number, 10)) }

// Web returns the name of everything that IAP protects in a project.
func Web(number int64) Name { return Project(number) + "/iap_web" }

// ID is the 16 hexadecimal digits that name a resource in cookie names. It is derived from the name alone,
// so that every replica and every restart agrees.
func (n Name) ID() string {
	sum := sha256.Sum256([]byte("gatehouse resource id\x00" + string(n)))
	return hex.EncodeToString(sum[:8])
}

// Parent returns the resource one level up the IAM hierarchy; false for a project.
func (n Name) Parent() (Name, bool) {
	parts := strings.Split(string(n), "/")
	switch {
	case len(parts) <= 2:
		return "", false
	case len(parts) == 3 || len(parts) == 4: // …/iap_web, …/iap_web/TYPE
		return Name(strings.Join(parts[:len(parts)-1], "/")), true
	default: // …/services/S, …/versions/V
		return Name(strings.Join(parts[:len(parts)-2], "/")), true
	}
}

// ParseName reads a resource name on which a policy may stand.
func ParseName(s string) (Name, error) {
	parts := strings.Split(s, "/")
	fail := func() (Name, error) {
		return "", fmt.Errorf("%w: %q is not projects/NUMBER[/iap_web[/TYPE[/services/SERVICE[/versions/VERSION]]]]", ErrInvalid, s)
	}
	if len(parts) < 2 || parts[0] != "projects" || !numberForm.MatchString(parts[1]) {
		return fail()
	}
	switch len(parts) {
	case 2:
		return Name(s), nil
	case 3, 4, 6, 8:
	default:
		return fail()
	}
	if parts[2] != "iap_web" ||
		len(parts) >= 4 && !validType(parts[3]) ||
		len(parts) >= 6 && (parts[4] != "services" || !validSegment(parts[5])) ||
		len(parts) == 8 && (parts[6] != "versions" || !validSegment(parts[7])) {
		return fail()
	}
	return Name(s), nil
}

func validType(s string) bool {
	if s == "compute" {
		return true
	}
	if app, found := strings.CutPrefix(s, "appengine-"); found {
		return projectIDForm.MatchString(app)
	}
	region, found := strings.CutPrefix(s, "cloud_run-")
	return found && labelForm.MatchString(region)
}

func validSegment(s string) bool { return backendIDForm.MatchString(s) || labelForm.MatchString(s) }
