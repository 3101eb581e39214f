package admin

import "github.com/gatehouse-iap/gatehouse/internal/resource"

// UpstreamAddress is one address at which the application of a service is reached, as the server sees it now.
type UpstreamAddress struct {
	Service  string        `json:"service"` // what people call it
	Resource resource.Name `json:"resource"`
	Address  string        `json:"address"` // SCHEME://HOST:PORT
	// HealthState is HEALTHY, UNHEALTHY or UNKNOWN; left out where the service has no health check.
	HealthState string `json:"healthState,omitempty"`
	Circuit     string `json:"circuit"` // closed, open or halfOpen
	InFlight    int64  `json:"inFlight"`
	// Problem is why the address is not healthy or cannot be used.
	Problem string `json:"problem,omitempty"`
}

// Upstreams lists the addresses of all applications, or of those of the service with this name, in the order of the
// services' names. It is what this server sees: others may see something else.
func (a *Admin) Upstreams(service string) []UpstreamAddress {
	if a.UpstreamStates == nil {
		return nil
	}
	var found []UpstreamAddress
	for _, address := range a.UpstreamStates() {
		if service == "" || address.Service == service {
			found = append(found, address)
		}
	}
	return found
}

func (a *Admin) getUpstreams(c call) (any, error) {
	return list("upstreams", a.Upstreams(c.URL.Query().Get("service"))), nil
}
