package admin

import (
	"github.com/gatehouse-iap/gatehouse/internal/catalog"
	"github.com/gatehouse-iap/gatehouse/internal/directory"
	"github.com/gatehouse-iap/gatehouse/internal/identityprovider"
	"github.com/gatehouse-iap/gatehouse/internal/policy/iam"
	"github.com/gatehouse-iap/gatehouse/internal/principal"
	"github.com/gatehouse-iap/gatehouse/internal/resource"
	"github.com/gatehouse-iap/gatehouse/internal/settings"
)

// Kind is what a document declares.
type Kind string

// The kinds of document. Those of services are spelled as in resource.Kind.
const (
	KindProject          Kind = "Project"
	KindBackendService   Kind = Kind(resource.BackendService)
	KindAppEngineApp     Kind = Kind(resource.AppEngineApp)
	KindCloudRunService  Kind = Kind(resource.CloudRunService)
	KindIamPolicy        Kind = "IamPolicy"
	KindIapSettings      Kind = "IapSettings"
	KindIdentityProvider Kind = "IdentityProvider"
	KindUser             Kind = "User"
	KindGroup            Kind = "Group"
)

// Kinds lists the kinds in the order in which documents are written down.
func Kinds() []Kind {
	return []Kind{
		KindProject, KindBackendService, KindAppEngineApp, KindCloudRunService,
		KindIdentityProvider, KindUser, KindGroup, KindIamPolicy, KindIapSettings,
	}
}

// Document declares one thing, in the words of the room that owns it. Exactly the field of its kind is set.
type Document struct {
	Kind Kind `json:"kind"`
	// Name is metadata.name: the project's id, the name of a service or provider, an address. That of an
	// IamPolicy or IapSettings is for people only; its resource is what it is about.
	Name string `json:"name"`
	// Source is the manifest that the document belongs to, such as the path of its file; empty for none.
	Source string `json:"source,omitempty"`

	Project  *DeclaredProject           `json:"project,omitempty"`
	Service  *catalog.Service           `json:"service,omitempty"`
	Policy   *DeclaredPolicy            `json:"policy,omitempty"`
	Settings *DeclaredSettings          `json:"settings,omitempty"`
	Provider *identityprovider.Provider `json:"provider,omitempty"`
	User     *DeclaredUser              `json:"user,omitempty"`
	Group    *directory.Group           `json:"group,omitempty"`

	// At says where in a file the document's fields are written; nil when it did not come from one.
	At Locator `json:"-"`
}

// Locator knows where a document was written.
type Locator interface {
	// Locate returns FILE:LINE:COLUMN of a field, such as "spec.hosts[1]", or of what is nearest above it.
	Locate(path string) string
}

// DeclaredProject says which project the other documents are about. It creates nothing: a server has one project.
type DeclaredProject struct {
	Number int64 `json:"number"`
}

// DeclaredPolicy is the IAM policy of a resource.
type DeclaredPolicy struct {
	// Resource may name the project by its id, and a service by its name, until Apply has resolved it.
	Resource string     `json:"resource"`
	Policy   iam.Policy `json:"policy"`
}

// DeclaredSettings are the settings of a resource.
type DeclaredSettings struct {
	// Resource is as that of DeclaredPolicy.
	Resource string               `json:"resource"`
	Settings settings.IapSettings `json:"settings"`
	Etag     string               `json:"etag,omitempty"`
}

// about is the resource that a policy or settings are about, as it is written; empty for other documents.
func (d Document) about() string {
	switch {
	case d.Policy != nil:
		return d.Policy.Resource
	case d.Settings != nil:
		return d.Settings.Resource
	default:
		return ""
	}
}

// isNamedForPeople reports whether the name of a kind's documents says nothing about what they declare.
func (k Kind) isNamedForPeople() bool { return k == KindIamPolicy || k == KindIapSettings }

// DeclaredUser is a user of our own directory. What a pointer leaves open is left to commands.
type DeclaredUser struct {
	Subject      string `json:"subject,omitempty"` // drawn when empty
	DisplayName  string `json:"displayName,omitempty"`
	HostedDomain string `json:"hostedDomain,omitempty"`
	Disabled     *bool  `json:"disabled,omitempty"`
	// Attributes are in order of their names.
	Attributes []principal.Attribute `json:"attributes,omitempty"`
	// PasswordHash says where the server reads an argon2id hash in PHC form.
	PasswordHash *identityprovider.Secret `json:"passwordHash,omitempty"`
}

// The fields of a user that a document may leave to commands.
const (
	fieldDisabled     = "disabled"
	fieldPasswordHash = "passwordHash"
)

// declares lists the fields that the document decides on and that others leave to commands.
func (d Document) declares() (fields []string) {
	if d.User == nil {
		return nil
	}
	if d.User.Disabled != nil {
		fields = append(fields, fieldDisabled)
	}
	if d.User.PasswordHash != nil {
		fields = append(fields, fieldPasswordHash)
	}
	return fields
}

// isService reports whether a kind is one of the three kinds of service.
func (k Kind) isService() bool {
	return k == KindBackendService || k == KindAppEngineApp || k == KindCloudRunService
}

// wellFormed reports whether exactly the field of the document's kind is set.
func (d Document) wellFormed() bool {
	set := 0
	for _, present := range []bool{d.Project != nil, d.Service != nil, d.Policy != nil, d.Settings != nil, d.Provider != nil, d.User != nil, d.Group != nil} {
		if present {
			set++
		}
	}
	if set != 1 {
		return false
	}
	switch {
	case d.Kind == KindProject:
		return d.Project != nil
	case d.Kind.isService():
		return d.Service != nil && Kind(d.Service.Kind) == d.Kind
	case d.Kind == KindIamPolicy:
		return d.Policy != nil
	case d.Kind == KindIapSettings:
		return d.Settings != nil
	case d.Kind == KindIdentityProvider:
		return d.Provider != nil
	case d.Kind == KindUser:
		return d.User != nil
	case d.Kind == KindGroup:
		return d.Group != nil
	default:
		return false
	}
}

// key is what owns and is owned: the name of the thing, however the document is called.
func (d Document) key() ownerKey {
	switch {
	case d.Service != nil:
		return ownerKey{d.Kind, string(d.Service.Service.Name())}
	case d.Kind.isNamedForPeople():
		return ownerKey{d.Kind, d.about()}
	default:
		return ownerKey{d.Kind, d.Name}
	}
}
