package admin

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/gatehouse-iap/gatehouse/internal/catalog"
	"github.com/gatehouse-iap/gatehouse/internal/resource"
)

func (r *resolver) resolveService(i int, d *Document) {
	s := *d.Service
	project := r.known()
	s.ProjectID, s.ProjectNumber = project.ProjectID, project.ProjectNumber
	s.Name = d.Name
	if !resource.IsLabel(s.Name) && !(s.Kind == resource.AppEngineApp && s.Name == s.ProjectID) {
		r.fault(i, "metadata.name", nil, "%q: a service is called by 1 to 63 lower-case letters, digits and hyphens, starting with a letter", s.Name)
	}
	if s.Kind == resource.BackendService && s.ID == "" {
		s.ID = BackendServiceID(s.ProjectNumber, s.Name)
		if stored, found := r.stored.byName[calledName{s.TypeName(), s.Name}]; found { // which has a number already
			s.ID = string(stored[strings.LastIndexByte(string(stored), '/')+1:])
		}
	}
	if s.Kind == resource.CloudRunService && s.ID == "" {
		s.ID = s.Name
	}
	if s.OAuthClientID == "" {
		s.OAuthClientID = DefaultClientID(s.ProjectNumber, s.Name)
	}
	s.Hosts = slices.Clone(s.Hosts)
	for n, host := range s.Hosts {
		if canonical, err := catalog.CanonicalHost(host); err == nil {
			s.Hosts[n] = canonical
		}
	}
	d.Service = &s
	r.checkService(i, s)
}

func (r *resolver) checkService(i int, s catalog.Service) {
	good := s
	good.Service = resource.Service{Kind: resource.BackendService, ProjectID: "good-project", ProjectNumber: 1, ID: "1"}
	good.Name, good.OAuthClientID = "good", "good"
	good.Hosts, good.PathPrefixes = []string{"good.example"}, nil
	good.Upstream, good.UpstreamTLS, good.UpstreamHost = "http://good.example", nil, ""
	good.Upstreams, good.UpstreamTimeouts, good.HealthCheck = nil, nil, nil
	good.PublicPaths, good.CORSOrigins, good.MaxBodyBytes = nil, nil, 0
	before := len(r.faults.list)
	check := func(path string, change func(*catalog.Service)) {
		probe := good
		change(&probe)
		if err := probe.Validate(); err != nil {
			text := plain(err, catalog.ErrInvalid, probe.Name)
			if path == "" { // the text begins with the field
				field, _, _ := strings.Cut(text, " ")
				path = "spec." + strings.TrimSuffix(field, ":")
			}
			for _, place := range []string{"publicPaths[0]", "corsOrigins[0]", strings.TrimPrefix(path, "spec.")} {
				text = strings.TrimPrefix(text, place+": ")
			}
			r.fault(i, path, nil, "%s", text)
		}
	}
	if err := s.Service.Validate(); err != nil {
		r.fault(i, servicePath(s), nil, "%s", plain(err, resource.ErrInvalid))
	}
	if len(s.Hosts) == 0 {
		r.fault(i, "spec.hosts", nil, "name at least one host that the service answers on")
	}
	for n, host := range s.Hosts {
		path := fmt.Sprintf("spec.hosts[%d]", n)
		if strings.Contains(host, "/") {
			r.fault(i, path, nil, "%q: a host is a name only, such as app.example.com, without scheme and path", host)
			continue
		}
		if slices.Contains(s.Hosts[:n], host) {
			r.fault(i, path, nil, "%s is listed twice", host)
			continue
		}
		if _, err := catalog.CanonicalHost(host); err != nil {
			r.fault(i, path, nil, "%q is not a host name, such as app.example.com", host)
			continue
		}
		check(path, func(probe *catalog.Service) { probe.Hosts = []string{host} })
	}
	for n, prefix := range s.PathPrefixes {
		check(fmt.Sprintf("spec.pathPrefixes[%d]", n), func(probe *catalog.Service) { probe.PathPrefixes = []string{prefix} })
	}
	for n, public := range s.PublicPaths {
		check(fmt.Sprintf("spec.publicPaths[%d]", n), func(probe *catalog.Service) { probe.PublicPaths = []catalog.PublicPath{public} })
	}
	for n, origin := range s.CORSOrigins {
		check(fmt.Sprintf("spec.corsOrigins[%d]", n), func(probe *catalog.Service) { probe.CORSOrigins = []string{origin} })
	}
	checkUpstreams(s, check)
	check("spec.maxBodyBytes", func(probe *catalog.Service) { probe.MaxBodyBytes = s.MaxBodyBytes })
	check("spec.upstreamHost", func(probe *catalog.Service) { probe.UpstreamHost = s.UpstreamHost })
	check("", func(probe *catalog.Service) { probe.UpstreamTimeouts = s.UpstreamTimeouts })
	check("", func(probe *catalog.Service) { probe.HealthCheck = s.HealthCheck })
	check("", func(probe *catalog.Service) {
		probe.Upstream, probe.UpstreamTLS = "https://good.example", s.UpstreamTLS
	})
	if len(r.faults.list) == before { // and what only the whole shows
		check("", func(probe *catalog.Service) { *probe = s })
	}
}

// checkUpstreams checks each address by itself, and whether there is any.
func checkUpstreams(s catalog.Service, check func(path string, change func(*catalog.Service))) {
	if s.Upstream != "" || len(s.Upstreams) == 0 {
		check("spec.upstream", func(probe *catalog.Service) { probe.Upstream = s.Upstream })
	}
	for n, one := range s.Upstreams {
		check(fmt.Sprintf("spec.upstreams[%d]", n), func(probe *catalog.Service) { probe.Upstream = one })
	}
}

func servicePath(s catalog.Service) string {
	if s.Kind == resource.CloudRunService && !resource.IsLabel(s.Region) {
		return "spec.region"
	}
	return "spec.id"
}

func BackendServiceID(projectNumber int64, name string) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "gatehouse backend service\x00%d\x00%s", projectNumber, name))
	const least = 1_000_000_000_000_000_000 // 19 digits, as Google's
	return strconv.FormatUint(least+binary.BigEndian.Uint64(sum[:])%(8*least), 10)
}

func DefaultClientID(projectNumber int64, name string) string {
	return strconv.FormatInt(projectNumber, 10) + "-" + name + ".apps.googleusercontent.com"
}

func (r *resolver) services() (services []catalog.Service) {
	for _, d := range r.documents {
		if d.Service != nil {
			services = append(services, *d.Service)
		}
	}
	return services
}
