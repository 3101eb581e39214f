package emulator

import (
	"github.com/gatehouse-iap/gatehouse/internal/interception"
	"github.com/gatehouse-iap/gatehouse/internal/resource"
)

// platformVariables are those by which Cloud Run and App Engine tell an app what it is. Apps and Google's libraries
// take their presence for being there. A backend service may be anything and has none.
func platformVariables(info Info) []interception.Variable {
	service, err := resource.ParseAudience(info.Audience, info.Project)
	if err != nil {
		return nil // an emulator of another version, whose audience we cannot read
	}
	switch service.Kind {
	case resource.CloudRunService:
		return []interception.Variable{
			{Name: "K_SERVICE", Value: service.ID}, {Name: "K_REVISION", Value: service.ID + "-00001-dev"}, {Name: "K_CONFIGURATION", Value: service.ID},
		}
	case resource.AppEngineApp:
		return []interception.Variable{
			{Name: "GAE_ENV", Value: "standard"}, {Name: "GAE_APPLICATION", Value: "s~" + service.ProjectID}, // the letter names a region
			{Name: "GAE_SERVICE", Value: "default"}, {Name: "GAE_VERSION", Value: "dev"}, {Name: "GAE_INSTANCE", Value: instanceName},
		}
	default:
		return nil
	}
}
