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

// Provider is one identity provider. Its name is its key.
type Provider struct {
	Name        string `json:"name"`
	Kind        Kind   `json:"kind"`
	DisplayName string `json:"displayName,omitempty"`
	// Domains are the e-mail domains the provider is authoritative for: only it may vouch for their addresses.
	// No two providers list the same domain; "*", alone and on one provider only, stands for all that nobody lists.
	Domains []string `json:"domains,omitempty"`
	// TrustEmail takes addresses without the claim email_verified. It needs explicit domains and an issuer that
	// serves one organisation only.
	TrustEmail bool         `json:"trustEmail,omitempty"`
	Disabled   bool         `json:"disabled,omitempty"`
	Groups     *GroupsClaim `json:"groups,omitempty"`
	OIDC       *OIDCConfig  `json:"oidc,omitempty"`
	LDAP       *LDAPConfig  `json:"ldap,omitempty"`
}

// Secret says where a secret is read from; exactly one field is set. Secrets are never stored or shown.
type Secret struct {
	File string `json:"file,omitempty"`
	Env  string `json:"env,omitempty"`
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
	Issuer               string               `json:"issuer"` // exactly as discovery and ID tokens say it
	ClientID             string               `json:"clientId"`
	ClientAuthentication ClientAuthentication `json:"clientAuthentication,omitempty"` // client_secret_basic when empty
	ClientSecret         *Secret              `json:"clientSecret,omitempty"`
	PrivateKey           *Secret              `json:"privateKey,omitempty"` // PEM, for private_key_jwt
	Scopes               []string             `json:"scopes,omitempty"`     // besides openid and email
	// Algorithms pins the signature algorithms of ID tokens; RS256 and ES256 when empty.
	Algorithms []string `json:"algorithms,omitempty"`
	Prompt     string   `json:"prompt,omitempty"`
	// CAFile replaces the system's roots toward this provider.
	CAFile string `json:"caFile,omitempty"`
	// AllowPrivateAddresses lets the provider be at a loopback, private or link-local address.
	AllowPrivateAddresses bool `json:"allowPrivateAddresses,omitempty"`
	// KeepProviderSession signs people out here only when they sign out, and not at the provider too.
	KeepProviderSession bool `json:"keepProviderSession,omitempty"`
	// EmailClaim names the claim that holds the address; "email" when empty.
	EmailClaim string `json:"emailClaim,omitempty"`
}

// LDAPConfig is a directory server that checks passwords by bind.
type LDAPConfig struct {
	URL          string  `json:"url"` // ldaps://HOST[:PORT], or ldap:// with startTLS or to loopback
	StartTLS     bool    `json:"startTls,omitempty"`
	CAFile       string  `json:"caFile,omitempty"`
	BindDN       string  `json:"bindDn,omitempty"` // for searches; anonymous when empty
	BindPassword *Secret `json:"bindPassword,omitempty"`
	UserBase     string  `json:"userBase"`
	UserFilter   string  `json:"userFilter,omitempty"` // the email attribute is {email}, when empty
	// SubjectAttribute names people for ever; "entryUUID" when empty.
	SubjectAttribute string `json:"subjectAttribute,omitempty"`
	EmailAttribute   string `json:"emailAttribute,omitempty"` // "mail" when empty
	GroupBase        string `json:"groupBase,omitempty"`
	GroupFilter      string `json:"groupFilter,omitempty"`    // "(member={dn})" when empty
	GroupAttribute   string `json:"groupAttribute,omitempty"` // "mail" when empty
}

// GroupsClaim says which claim names a person's groups, and how a value becomes a group's address. At most one
// of Template and Table is set; with neither a value is an address already.
type GroupsClaim struct {
	Claim    string            `json:"claim,omitempty"`    // "groups" when empty
	Template string            `json:"template,omitempty"` // "{value}@corp.example"
	Table    map[string]string `json:"table,omitempty"`    // value to address; others are left out
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
