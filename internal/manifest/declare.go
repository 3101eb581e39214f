package manifest

import (
	"strconv"

	"github.com/gatehouse-iap/gatehouse/internal/admin"
	"github.com/gatehouse-iap/gatehouse/internal/catalog"
	"github.com/gatehouse-iap/gatehouse/internal/directory"
	"github.com/gatehouse-iap/gatehouse/internal/policy/iam"
	"github.com/gatehouse-iap/gatehouse/internal/resource"
)

// declare says in admin's words what a spec says.
func declare(kind admin.Kind, name string, spec any, d decoder) Document {
	document := Document{Kind: kind, Name: name}
	switch s := spec.(type) {
	case *Project:
		number, err := strconv.ParseInt(string(s.ProjectNumber), 10, 64)
		if err != nil && s.ProjectNumber != "" {
			d.fault(d.at.value("spec"), "spec.projectNumber", "%s is no number of a project", s.ProjectNumber)
		}
		document.Project = &admin.DeclaredProject{Number: number}
	case *BackendService:
		document.Service = s.declare(kind)
		document.Service.ID = string(s.ID)
	case *AppEngineApp:
		document.Service = s.declare(kind)
	case *CloudRunService:
		document.Service = s.declare(kind)
		document.Service.ID, document.Service.Region = s.CloudRunName, s.Region
	case *IamPolicy:
		policy := iam.Policy{Version: int(s.Version), Etag: s.Etag}
		for _, b := range s.Bindings {
			policy.Bindings = append(policy.Bindings, iam.Binding{Role: b.Role, Members: b.Members})
		}
		document.Policy = &admin.DeclaredPolicy{Resource: s.Resource, Policy: policy}
	case *IapSettings:
		document.Settings = &admin.DeclaredSettings{Resource: s.Resource, Settings: s.IapSettings, Etag: s.Etag}
	case *IdentityProvider:
		document.Provider = &s.Provider
	case *User:
		document.User = &admin.DeclaredUser{
			Subject: string(s.Subject), DisplayName: s.DisplayName, HostedDomain: s.HostedDomain,
			Disabled: s.Disabled, PasswordHash: s.PasswordHash, Attributes: attributeList(s.Attributes),
		}
	case *Group:
		document.Group = &directory.Group{Description: s.Description, Members: s.Members}
	}
	return document
}

func (s Service) declare(kind admin.Kind) *catalog.Service {
	return &catalog.Service{
		Service: resource.Service{Kind: resource.Kind(kind), ProjectID: s.Project},
		Hosts:   s.Hosts, PathPrefixes: s.PathPrefixes,
		Upstream: s.Upstream, Upstreams: s.Upstreams, UpstreamTLS: s.UpstreamTLS, UpstreamHost: s.UpstreamHost,
		UpstreamTimeouts: s.UpstreamTimeouts, HealthCheck: s.HealthCheck,
		IAPDisabled: s.IAP != nil && s.IAP.Enabled != nil && !*s.IAP.Enabled,
		PublicPaths: s.PublicPaths, CORSOrigins: s.CORSOrigins, MaxBodyBytes: s.MaxBodyBytes,
		OAuthClientID: s.OAuthClientID,
	}
}

// specFrom is the spec that says what a document declares.
func specFrom(d Document) any {
	switch {
	case d.Project != nil:
		return &Project{ProjectNumber: Number(strconv.FormatInt(d.Project.Number, 10))}
	case d.Service != nil:
		return serviceSpec(*d.Service)
	case d.Policy != nil:
		spec := &IamPolicy{Resource: d.Policy.Resource, Etag: d.Policy.Policy.Etag}
		if d.Policy.Policy.Version > 1 {
			spec.Version = int64(d.Policy.Policy.Version)
		}
		for _, b := range d.Policy.Policy.Bindings {
			spec.Bindings = append(spec.Bindings, Binding{b.Role, b.Members})
		}
		return spec
	case d.Settings != nil:
		return &IapSettings{Resource: d.Settings.Resource, IapSettings: d.Settings.Settings, Etag: d.Settings.Etag}
	case d.Provider != nil:
		return &IdentityProvider{*d.Provider}
	case d.User != nil:
		return &User{
			DisplayName: d.User.DisplayName, HostedDomain: d.User.HostedDomain, Disabled: d.User.Disabled,
			PasswordHash: d.User.PasswordHash, Subject: Number(d.User.Subject), Attributes: attributeMap(d.User.Attributes),
		}
	case d.Group != nil:
		return &Group{Description: d.Group.Description, Members: d.Group.Members}
	default:
		return nil
	}
}

func serviceSpec(s catalog.Service) any {
	enabled := !s.IAPDisabled
	common := Service{
		Hosts: s.Hosts, PathPrefixes: s.PathPrefixes,
		Upstream: s.Upstream, Upstreams: s.Upstreams, UpstreamTLS: s.UpstreamTLS, UpstreamHost: s.UpstreamHost,
		UpstreamTimeouts: s.UpstreamTimeouts, HealthCheck: s.HealthCheck,
		IAP: &IAP{&enabled}, PublicPaths: s.PublicPaths, CORSOrigins: s.CORSOrigins, MaxBodyBytes: s.MaxBodyBytes,
		OAuthClientID: s.OAuthClientID,
	}
	switch s.Kind {
	case resource.AppEngineApp:
		return &AppEngineApp{common}
	case resource.CloudRunService:
		name := s.ID
		if name == s.Name {
			name = ""
		}
		return &CloudRunService{Service: common, Region: s.Region, CloudRunName: name}
	default:
		return &BackendService{Service: common, ID: Number(s.ID)}
	}
}
