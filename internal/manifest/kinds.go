package manifest

import (
	"reflect"

	"github.com/gatehouse-iap/gatehouse/internal/admin"
	"github.com/gatehouse-iap/gatehouse/internal/identityprovider"
	"github.com/gatehouse-iap/gatehouse/internal/settings"
)

// APIVersion is the version that every document names.
const APIVersion = "gatehouse.dev/v1"

// KindInfo is one kind of document.
type KindInfo struct {
	Kind admin.Kind
	Spec reflect.Type
}

// Kinds lists the kinds in the order in which they are written down.
func Kinds() []KindInfo {
	return []KindInfo{
		{admin.KindProject, reflect.TypeFor[Project]()},
		{admin.KindBackendService, reflect.TypeFor[BackendService]()},
		{admin.KindAppEngineApp, reflect.TypeFor[AppEngineApp]()},
		{admin.KindCloudRunService, reflect.TypeFor[CloudRunService]()},
		{admin.KindIdentityProvider, reflect.TypeFor[IdentityProvider]()},
		{admin.KindUser, reflect.TypeFor[User]()},
		{admin.KindGroup, reflect.TypeFor[Group]()},
		{admin.KindIamPolicy, reflect.TypeFor[IamPolicy]()},
		{admin.KindIapSettings, reflect.TypeFor[IapSettings]()},
	}
}

func specOf(kind admin.Kind) (reflect.Type, bool) {
	for _, k := range Kinds() {
		if k.Kind == kind {
			return k.Spec, true
		}
	}
	return nil, false
}

// LaterKinds are those that the design has and this version has not.
func LaterKinds() []admin.Kind { return []admin.Kind{"AccessLevel", "Tenant"} }

// Enums are the values of the types that have few.
func Enums() map[reflect.Type][]string {
	return map[reflect.Type][]string{
		reflect.TypeFor[identityprovider.Kind](): {
			string(identityprovider.OIDC), string(identityprovider.LDAP), string(identityprovider.Local),
		},
		reflect.TypeFor[identityprovider.ClientAuthentication](): {
			string(identityprovider.ClientSecretBasic), string(identityprovider.ClientSecretPost), string(identityprovider.PrivateKeyJWT),
		},
		reflect.TypeFor[settings.ReauthMethod](): {
			string(settings.ReauthLogin), string(settings.ReauthEnrolledSecondFactors), string(settings.ReauthSecureKey),
		},
		reflect.TypeFor[settings.ReauthPolicyType](): {string(settings.ReauthMinimum), string(settings.ReauthDefault)},
		reflect.TypeFor[settings.OutputCredential](): {
			string(settings.OutputHeader), string(settings.OutputJWT), string(settings.OutputRCToken),
		},
	}
}

// Field is one field of a spec.
type Field struct {
	Name     string
	Type     reflect.Type
	Required bool
	// Owner is the type that the field is written in, and GoName what it is called there.
	Owner  reflect.Type
	GoName string
	Index  []int
}

// Fields lists the fields that documents can set in a type, those of embedded types among them.
func Fields(t reflect.Type) []Field {
	var fields []Field
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Anonymous {
			for _, inner := range Fields(f.Type) {
				inner.Index = append([]int{i}, inner.Index...)
				fields = append(fields, inner)
			}
			continue
		}
		name := jsonName(f)
		if name == "" || refusal(t, name) != "" {
			continue
		}
		fields = append(fields, Field{
			Name: name, Type: f.Type, Required: f.Tag.Get("manifest") == "required" || required(t, name),
			Owner: t, GoName: f.Name, Index: []int{i},
		})
	}
	return fields
}

// required lists the required fields of types that other rooms own. Whether they are there is theirs to check;
// this is for the reference.
func required(t reflect.Type, name string) bool {
	switch t {
	case reflect.TypeFor[identityprovider.Provider]():
		return name == "kind" || name == "domains"
	case reflect.TypeFor[identityprovider.OIDCConfig]():
		return name == "issuer" || name == "clientId"
	case reflect.TypeFor[identityprovider.LDAPConfig]():
		return name == "url" || name == "userBase"
	case reflect.TypeFor[settings.ReauthSettings]():
		return true
	default:
		return false
	}
}

// refusal says why a field that people might expect is not there.
func refusal(t reflect.Type, name string) string {
	switch t {
	case reflect.TypeFor[identityprovider.Provider]():
		if name == "name" {
			return "the name is metadata.name: leave it out here"
		}
	case reflect.TypeFor[Service]():
		switch name {
		case "backends":
			return "the addresses of the application are a list of URLs: write upstreams"
		case "healthChecks":
			return "a service has its health check in itself: write healthCheck: {requestPath: /healthz}"
		case "timeoutSec":
			return "how long the application may take is in upstreamTimeouts: write firstByteSec there"
		}
	case reflect.TypeFor[IamPolicy]():
		if name == "auditConfigs" {
			return "audit configurations are not supported: every decision is recorded already"
		}
	case reflect.TypeFor[Binding]():
		if name == "condition" {
			return "conditions are not supported yet: take the binding out, or grant it without"
		}
	case reflect.TypeFor[User]():
		if name == "password" {
			return "a password does not belong in a file: leave it out and run gatehouse users set-password, or name where its hash is with passwordHash: {file: PATH}"
		}
	case reflect.TypeFor[Metadata]():
		if name == "labels" || name == "annotations" || name == "namespace" {
			return "metadata has a name only: leave it out"
		}
	case reflect.TypeFor[identityprovider.OIDCConfig](), reflect.TypeFor[identityprovider.LDAPConfig]():
		if name == "password" || name == "secret" {
			return "secrets are named by {file: PATH} or {env: NAME}, such as clientSecret: {file: /etc/gatehouse/client-secret}"
		}
	}
	return ""
}
