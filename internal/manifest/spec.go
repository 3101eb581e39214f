package manifest

import (
	"github.com/gatehouse-iap/gatehouse/internal/catalog"
	"github.com/gatehouse-iap/gatehouse/internal/identityprovider"
	"github.com/gatehouse-iap/gatehouse/internal/settings"
)

// The comments in this file are the reference for users (docs/reference/manifests.md).

// Number is a whole number without a sign. It may be written in quotes, as gcloud prints it.
type Number string

// Envelope is what every document has.
type Envelope struct {
	// The version of this format: gatehouse.dev/v1.
	APIVersion string `json:"apiVersion" manifest:"required"`
	// What the document declares.
	Kind string `json:"kind" manifest:"required"`
	// What the thing is called.
	Metadata Metadata `json:"metadata" manifest:"required"`
}

// Metadata names the thing.
type Metadata struct {
	// The name. No two documents of a kind have the same, nor have two services of any kind.
	Name string `json:"name" manifest:"required"`
}

// Project says which project the other documents are about. Its name is the project's id. A server serves one
// project, which its configuration names: the document creates nothing, and keeps documents that were written for
// another project from being applied.
type Project struct {
	// The number of the project, as audiences and resource names carry it.
	ProjectNumber Number `json:"projectNumber" manifest:"required"`
}

// Service is what the three kinds of service have in common.
type Service struct {
	// Id or number of the project. Left out, the server's.
	Project string `json:"project"`
	// The host names on which the service answers, such as app.example.com, without scheme and port.
	Hosts []string `json:"hosts" manifest:"required"`
	// The parts of the hosts that are the service's, such as /api, bounded at slashes; the longest that fits wins.
	// Left out, all of each host.
	PathPrefixes []string `json:"pathPrefixes"`
	// Where the application is: scheme, host and port only, such as http://10.0.0.7:8080. The schemes are http, https,
	// and h2c for HTTP/2 without TLS. A service has either this or upstreams.
	Upstream string `json:"upstream"`
	// The addresses of an application that has several, at most 64, in the form of upstream and with one scheme. Each
	// request goes to the one with the fewest under way.
	Upstreams []string `json:"upstreams"`
	// How an https upstream is verified. Left out, against the system's roots, by the host in its URL.
	UpstreamTLS *catalog.UpstreamTLS `json:"upstreamTls"`
	// The Host header toward the application. Left out, what the client sent.
	UpstreamHost string `json:"upstreamHost"`
	// How long the application may take.
	UpstreamTimeouts *catalog.UpstreamTimeouts `json:"upstreamTimeouts"`
	// How each address is asked whether it is well. Left out, none is; {} asks for / every 5 seconds.
	HealthCheck *catalog.HealthCheck `json:"healthCheck"`
	// The gate itself.
	IAP *IAP `json:"iap"`
	// Parts of the service that everybody may use, signed in or not, such as webhooks and an application's own health
	// check. The application is told nobody's name there.
	PublicPaths []catalog.PublicPath `json:"publicPaths"`
	// Origins whose pages may read what the gate itself answers and send requests of any method, such as
	// https://spa.example.com: exactly as browsers write them, without wildcards.
	CORSOrigins []string `json:"corsOrigins"`
	// The longest body of a request, in bytes. What is longer gets 413, as soon as it is known to be. Left out, any
	// length: the gate keeps no body, and the application has a limit of its own.
	MaxBodyBytes int64 `json:"maxBodyBytes"`
	// The OAuth client id of the service, the aud of bearer tokens for it. Left out,
	// PROJECT_NUMBER-NAME.apps.googleusercontent.com. No two services share one.
	OAuthClientID string `json:"oauthClientId"`
}

// IAP is the gate of a service.
type IAP struct {
	// Whether sign-in and permission are needed: true unless it is written false. With false every request passes,
	// and the application is told nobody's name.
	Enabled *bool `json:"enabled"`
}

// BackendService is a service whose assertions have the audience /projects/NUMBER/global/backendServices/ID: what a
// load balancer of Google's has behind it. It is the kind to choose for an application that comes from no other
// platform. Its name is 1 to 63 lower-case letters, digits and hyphens.
type BackendService struct {
	Service
	// The number in the audience. Left out, that of the service of this name that is there already, else one derived
	// from project number and name, so that it is the same wherever the file is applied.
	ID Number `json:"id"`
}

// AppEngineApp is a service whose assertions have the audience /projects/NUMBER/apps/PROJECT_ID. A project has one.
type AppEngineApp struct {
	Service
}

// CloudRunService is a service whose assertions have the audience
// /projects/NUMBER/locations/REGION/services/SERVICE.
type CloudRunService struct {
	Service
	// The region in the audience, such as europe-west1.
	Region string `json:"region" manifest:"required"`
	// The service in the audience. Left out, the name.
	CloudRunName string `json:"service"`
}

// IamPolicy is the IAM policy of one resource: who has which role on it and on all below it. Besides resource it
// has the fields of google.iam.v1.Policy, as "gatehouse iap web get-iam-policy" and gcloud print them. The policy
// is replaced as a whole. A service's document does not own its policy: hosts may be kept in one place, and who may
// use them in another. The name of the document is for people only.
type IamPolicy struct {
	// The resource, as IAM names it: projects/PROJECT, projects/PROJECT/iap_web, and below that /compute,
	// /appengine-PROJECT or /cloud_run-REGION, and below those /services/SERVICE. The project may be given by id or
	// number, a service by name or number.
	Resource string `json:"resource" manifest:"required"`
	// Who has which role.
	Bindings []Binding `json:"bindings"`
	// The version of the policy that was changed. Written down, the policy is replaced only if nobody has changed it
	// since; left out, it is replaced whatever it was, which is what one wants of a file that is the truth.
	Etag string `json:"etag"`
	// The version of the format: 1, or 3.
	Version int64 `json:"version"`
}

// Binding gives one role to members.
type Binding struct {
	// The role; roles/iap.httpsResourceAccessor lets people use an application.
	Role string `json:"role" manifest:"required"`
	// Who gets it: user:ADDRESS, group:ADDRESS, serviceAccount:ADDRESS, domain:DOMAIN, allAuthenticatedUsers or
	// allUsers.
	Members []string `json:"members" manifest:"required"`
}

// IapSettings is what IAP calls the settings of one resource: they hold for it and, unless something else is set there,
// for all below it. Besides resource it has the fields of google.cloud.iap.v1.IapSettings, as "gatehouse iap settings
// get" and gcloud print them; names in snake_case and values written as {value: …} are read too. The settings of the
// resource are replaced as a whole. The name of the document is for people only.
type IapSettings struct {
	// The resource, as in IamPolicy.
	Resource string `json:"resource" manifest:"required"`
	settings.IapSettings
	// The version of the settings that was changed. Written down, they are replaced only if nobody has changed them
	// since; left out, they are replaced whatever they were.
	Etag string `json:"etag"`
}

// IdentityProvider is where people sign in, and the e-mail domains that it may vouch for. Its name is 1 to 63
// lower-case letters, digits and hyphens; the one called local, of kind local, is the directory of this server.
type IdentityProvider struct {
	identityprovider.Provider
}

// User is a person in the directory of this server. Its name is the e-mail address. A document has no password:
// give it to the person by "gatehouse users set-password", or name where the server reads its hash.
type User struct {
	// What the person is called.
	DisplayName string `json:"displayName"`
	// The domain that members like domain:example.com match; left out for people whom no organisation manages.
	HostedDomain string `json:"hostedDomain"`
	// Whether the person is kept out. Left out, that is for "gatehouse users disable" and "enable" to say.
	Disabled *bool `json:"disabled"`
	// Where the server reads the argon2id hash of the password, in PHC form ($argon2id$v=19$…). Left out, the password
	// is for "gatehouse users set-password".
	PasswordHash *identityprovider.Secret `json:"passwordHash"`
	// What applications may be told about the person by attribute propagation: names with their values. At most 45.
	Attributes map[string][]string `json:"attributes"`
	// The 21 digits that name the person in assertions for ever. Left out, they are drawn when the person is created;
	// written down, as "gatehouse export" does, they survive a move to another server. They never change.
	Subject Number `json:"subject"`
}

// Group is a group in the directory of this server. Its name is the address by which policies name it.
type Group struct {
	// What the group is for.
	Description string `json:"description"`
	// The addresses of its members: users, service accounts and other groups.
	Members []string `json:"members"`
}
