package assertion

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// Audience is the aud claim taken apart. Exactly one of BackendServiceID, AppEngineApp and CloudRunService is set.
type Audience struct {
	ProjectNumber    int64
	BackendServiceID uint64
	AppEngineApp     string // the project id
	CloudRunService  string // the service's name
	// Region is set for Cloud Run, and for a backend service of a regional load balancer.
	Region string
}

// BackendServiceAudience returns the audience of a backend service behind a global load balancer (Compute
// Engine, GKE, Cloud Run behind a load balancer). The id is the numeric one; it changes when the backend service is made anew.
func BackendServiceAudience(projectNumber int64, serviceID uint64) string {
	return Audience{ProjectNumber: projectNumber, BackendServiceID: serviceID}.String()
}

// AppEngineAudience returns the audience of an App Engine app: one for all its services and versions.
func AppEngineAudience(projectNumber int64, projectID string) string {
	return Audience{ProjectNumber: projectNumber, AppEngineApp: projectID}.String()
}

// CloudRunAudience returns the audience of a Cloud Run service that has IAP switched on directly.
func CloudRunAudience(projectNumber int64, region, service string) string {
	return Audience{ProjectNumber: projectNumber, Region: region, CloudRunService: service}.String()
}

// String returns the aud claim, "" for an Audience that is not complete. A [Verifier] refuses "" at its construction.
func (a Audience) String() string {
	if a.ProjectNumber <= 0 {
		return ""
	}
	project := "/projects/" + strconv.FormatInt(a.ProjectNumber, 10)
	var s string
	switch {
	case a.BackendServiceID != 0:
		region := a.Region
		if region == "" {
			region = "global"
		}
		s = project + "/" + region + "/backendServices/" + strconv.FormatUint(a.BackendServiceID, 10)
	case a.AppEngineApp != "":
		s = project + "/apps/" + a.AppEngineApp
	default:
		s = project + "/locations/" + a.Region + "/services/" + a.CloudRunService
	}
	if parsed, err := ParseAudience(s); err != nil || parsed != a {
		return ""
	}
	return s
}

var (
	numberForm    = regexp.MustCompile(`^[1-9][0-9]{0,19}$`)
	projectIDForm = regexp.MustCompile(`^([a-z0-9.-]+:)?[a-z][a-z0-9-]*$`)
	labelForm     = regexp.MustCompile(`^[a-z][a-z0-9-]*$`)
)

// ParseAudience reads an audience of one of the forms that IAP is known to use.
func ParseAudience(s string) (Audience, error) {
	parts := strings.Split(s, "/")
	bad := fmt.Errorf("assertion: %s is not an IAP audience: expected /projects/NUMBER/global/backendServices/ID, "+
		"/projects/NUMBER/apps/PROJECT_ID or /projects/NUMBER/locations/REGION/services/NAME", quote(s))
	if len(parts) < 5 || parts[0] != "" || parts[1] != "projects" || !numberForm.MatchString(parts[2]) {
		return Audience{}, bad
	}
	number, err := strconv.ParseInt(parts[2], 10, 64)
	if err != nil {
		return Audience{}, bad
	}
	a := Audience{ProjectNumber: number}
	switch {
	case len(parts) == 5 && parts[3] == "apps" && projectIDForm.MatchString(parts[4]):
		a.AppEngineApp = parts[4]
	case len(parts) == 6 && parts[4] == "backendServices" && labelForm.MatchString(parts[3]) && numberForm.MatchString(parts[5]):
		if a.BackendServiceID, err = strconv.ParseUint(parts[5], 10, 64); err != nil {
			return Audience{}, bad
		}
		if parts[3] != "global" {
			a.Region = parts[3]
		}
	case len(parts) == 7 && parts[3] == "locations" && parts[5] == "services" &&
		labelForm.MatchString(parts[4]) && labelForm.MatchString(parts[6]):
		a.Region, a.CloudRunService = parts[4], parts[6]
	default:
		return Audience{}, bad
	}
	return a, nil
}

// checkAudience finds the mistakes that people make, and lets pass what Google may add one day.
func checkAudience(s string) error {
	switch {
	case s == "":
		return errors.New("assertion: the expected audience is empty: a number, region or name that it is made of is missing or wrong")
	case strings.HasSuffix(s, ".apps.googleusercontent.com"):
		return fmt.Errorf("assertion: %s is an OAuth client id, the audience of bearer tokens; "+
			"an assertion has one that starts with /projects/", quote(s))
	case !strings.HasPrefix(s, "/projects/") || strings.ContainsAny(s, " \t\r\n") || strings.Contains(s, "//") || strings.HasSuffix(s, "/"):
		return fmt.Errorf("assertion: %s is not an IAP audience: expected /projects/NUMBER/…, without white space", quote(s))
	}
	return nil
}
