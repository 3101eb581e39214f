// Package identityprovider owns the identity providers: their documents, which e-mail domains each may vouch
// for, and the view of them that requests and sign-in read. It signs nobody in (signin and the methods below it).
package identityprovider

import (
	"context"
	"errors"
)

// Kind is the protocol of a provider.
type Kind string

// The kinds of provider.
const (
	OIDC  Kind = "oidc"
	LDAP  Kind = "ldap"
	Local Kind = "local" // accounts of our own directory
)

// The comments on the fields below are the reference for users (docs/reference/manifests.md).

// Provider is one identity provider. Its name is its key.
type Provider struct {
	// Lower-case letters, digits and hyphens; people do not see it.
	Name string `json:"name"`
	// The protocol: oidc for OpenID Connect, ldap for a directory server that checks passwords, local for the
	// accounts of this server.
	Kind Kind `json:"kind"`
	// What people see on the sign-in page; the name when left out.
	DisplayName string `json:"displayName,omitempty"`
	// The e-mail domains the provider is authoritative for: only it may vouch for their addresses. No two providers
	// list the same domain; "*", alone and on one provider only, stands for all that nobody lists.
	Domains []string `json:"domains,omitempty"`
	// Takes addresses without the claim email_verified. It needs explicit domains and an issuer that serves one
	// organisation only.
	TrustEmail bool `json:"trustEmail,omitempty"`
	// Keeps everybody out whom the provider vouches for, and ends their sessions.
	Disabled bool `json:"disabled,omitempty"`
	// How what the provider says of groups becomes groups that policies name.
	Groups *GroupsClaim `json:"groups,omitempty"`
	// The claims, or attributes of the directory server, that are kept with a session so that IapSettings can hand
	// them to applications, as attributes.saml_attributes. At most 45.
	Attributes []string `json:"attributes,omitempty"`
	// Of kind oidc: the OpenID Connect provider.
	OIDC *OIDCConfig `json:"oidc,omitempty"`
	// Of kind ldap: the directory server.
	LDAP *LDAPConfig `json:"ldap,omitempty"`
}

// Secret says where the server reads a secret; exactly one field is set. Secrets are never stored or shown.
type Secret struct {
	// The path of a file that holds it, and nothing else but a line end.
	File string `json:"file,omitempty"`
	// The name of an environment variable of the server.
	Env string `json:"env,omitempty"`
}

// ClientAuthentication is how the relying party proves itself at the token endpoint.
type ClientAuthentication string

// The ways of OpenID Connect Core section 9 that are supported.
const (
	ClientSecretBasic ClientAuthentication = "client_secret_basic"
	ClientSecretPost  ClientAuthentication = "client_secret_post"
	PrivateKeyJWT     ClientAuthentication = "private_key_jwt"
)

// OIDCConfig is an OpenID Connect provider.
type OIDCConfig struct {
	// The issuer, exactly as discovery and ID tokens say it.
	Issuer string `json:"issuer"`
	// The client id that the provider gave.
	ClientID string `json:"clientId"`
	// How the gate proves itself to the provider; client_secret_basic when left out.
	ClientAuthentication ClientAuthentication `json:"clientAuthentication,omitempty"`
	// The client secret that the provider gave.
	ClientSecret *Secret `json:"clientSecret,omitempty"`
	// The private key in PEM, for private_key_jwt.
	PrivateKey *Secret `json:"privateKey,omitempty"`
	// What is asked for besides openid and email.
	Scopes []string `json:"scopes,omitempty"`
	// The algorithms by which ID tokens may be signed; RS256 and ES256 when left out.
	Algorithms []string `json:"algorithms,omitempty"`
	// What the provider is asked to show: login, consent or select_account.
	Prompt string `json:"prompt,omitempty"`
	// The values of the claim acr by which the provider says that a second factor was used. Where an application demands one
	// (ENROLLED_SECOND_FACTORS), the provider is asked for them, in this order, as acr_values; and either of them in its answer
	// is as good as mfa in amr.
	SecondFactorACRValues []string `json:"secondFactorAcrValues,omitempty"`
	// A file with the certificates, in PEM, that the provider is verified by, in place of the system's roots.
	CAFile string `json:"caFile,omitempty"`
	// Lets the provider be at a loopback, private or link-local address.
	AllowPrivateAddresses bool `json:"allowPrivateAddresses,omitempty"`
	// Signs people out here only when they sign out, and not at the provider too.
	KeepProviderSession bool `json:"keepProviderSession,omitempty"`
	// The claim that holds the address; email when left out.
	EmailClaim string `json:"emailClaim,omitempty"`
}

// LDAPConfig is a directory server that checks passwords by bind.
type LDAPConfig struct {
	// The server: ldaps://HOST[:PORT], or ldap:// with startTls or to loopback.
	URL string `json:"url"`
	// Encrypts an ldap:// connection before anything is said.
	StartTLS bool `json:"startTls,omitempty"`
	// A file with the certificates, in PEM, that the server is verified by, in place of the system's roots.
	CAFile string `json:"caFile,omitempty"`
	// Who searches; anonymous when left out.
	BindDN string `json:"bindDn,omitempty"`
	// The password of bindDn.
	BindPassword *Secret `json:"bindPassword,omitempty"`
	// Below what people are searched.
	UserBase string `json:"userBase"`
	// How a person is found by address; the email attribute is {email} when left out.
	UserFilter string `json:"userFilter,omitempty"`
	// The attribute that names a person for ever; entryUUID when left out.
	SubjectAttribute string `json:"subjectAttribute,omitempty"`
	// The attribute that holds the address; mail when left out.
	EmailAttribute string `json:"emailAttribute,omitempty"`
	// Below what groups are searched; none are when left out.
	GroupBase string `json:"groupBase,omitempty"`
	// How a person's groups are found; (member={dn}) when left out.
	GroupFilter string `json:"groupFilter,omitempty"`
	// The attribute of a group that becomes its address; mail when left out.
	GroupAttribute string `json:"groupAttribute,omitempty"`
}

// GroupsClaim says which claim names a person's groups, and how a value becomes a group's address. At most one
// of template and table is set; with neither a value is an address already.
type GroupsClaim struct {
	// The claim; groups when left out.
	Claim string `json:"claim,omitempty"`
	// The address for a value, such as {value}@corp.example.
	Template string `json:"template,omitempty"`
	// The address for each value; values that are not in it are left out.
	Table map[string]string `json:"table,omitempty"`
	// Where groups are asked for that the provider leaves out of the token, with the access token of the sign-in; for
	// Entra https://graph.microsoft.com/v1.0/me/getMemberObjects.
	Lookup string `json:"lookup,omitempty"`
}

// ErrNotFound reports a provider that is not there.
var ErrNotFound = errors.New("no such identity provider")

// ErrInvalid is wrapped by every refusal of a provider.
var ErrInvalid = errors.New("invalid identity provider")

// Reader is what snapshot and sign-in read.
type Reader interface {
	Providers(ctx context.Context) ([]Provider, error) // ordered by name
}

// Store is what administration reads and writes. A change to any provider is one change row of kind "provider".
type Store interface {
	Reader
	PutProvider(ctx context.Context, provider Provider) error
	DeleteProvider(ctx context.Context, name string) error // ErrNotFound; ends the sessions it vouched for
}
