// Package settings owns IapSettings: the document as Google's API, gcloud and Terraform write it, its rules, how it
// is inherited down the hierarchy, and the effective form that requests read. It decides nothing (enforcement does)
// and evaluates no expression.
package settings

import "time"

// IapSettings is what stands on one resource. A field that is nil or empty is not set there and is inherited.
type IapSettings struct {
	AccessSettings      *AccessSettings      `json:"accessSettings,omitempty"`
	ApplicationSettings *ApplicationSettings `json:"applicationSettings,omitempty"`
}

// AccessSettings says who may come near, and how they prove who they are.
type AccessSettings struct {
	CORSSettings           *CORSSettings           `json:"corsSettings,omitempty"`
	OAuthSettings          *OAuthSettings          `json:"oauthSettings,omitempty"`
	ReauthSettings         *ReauthSettings         `json:"reauthSettings,omitempty"`
	AllowedDomainsSettings *AllowedDomainsSettings `json:"allowedDomainsSettings,omitempty"`
}

// CORSSettings says what becomes of preflight requests.
type CORSSettings struct {
	AllowHTTPOptions *bool `json:"allowHttpOptions,omitempty"`
}

// OAuthSettings refines sign-in and programmatic access.
type OAuthSettings struct {
	LoginHint *string `json:"loginHint,omitempty"`
	// ProgrammaticClients are further audiences that bearer tokens for the resource may carry.
	ProgrammaticClients []string `json:"programmaticClients,omitempty"`
}

// ReauthMethod is how a person has to prove once more who they are.
type ReauthMethod string

// The methods, from weak to strong; the deprecated PASSWORD reads as LOGIN.
const (
	ReauthLogin                 ReauthMethod = "LOGIN"
	ReauthEnrolledSecondFactors ReauthMethod = "ENROLLED_SECOND_FACTORS"
	ReauthSecureKey             ReauthMethod = "SECURE_KEY"
)

// ReauthPolicyType says how a resource's reauthentication combines with what stands below it.
type ReauthPolicyType string

// The policy types: MINIMUM can only be made stricter below, DEFAULT is replaced.
const (
	ReauthMinimum ReauthPolicyType = "MINIMUM"
	ReauthDefault ReauthPolicyType = "DEFAULT"
)

// ReauthSettings demand a recent sign-in. All three fields are set together.
type ReauthSettings struct {
	Method     ReauthMethod     `json:"method"`
	MaxAge     time.Duration    `json:"maxAge"`
	PolicyType ReauthPolicyType `json:"policyType"`
}

// AllowedDomainsSettings restrict the hosts on which a resource may be reached.
type AllowedDomainsSettings struct {
	Enable  *bool    `json:"enable,omitempty"`
	Domains []string `json:"domains,omitempty"`
}

// ApplicationSettings say what the application and its visitors see.
type ApplicationSettings struct {
	CSMSettings                  *CSMSettings                  `json:"csmSettings,omitempty"`
	AccessDeniedPageSettings     *AccessDeniedPageSettings     `json:"accessDeniedPageSettings,omitempty"`
	CookieDomain                 *string                       `json:"cookieDomain,omitempty"`
	AttributePropagationSettings *AttributePropagationSettings `json:"attributePropagationSettings,omitempty"`
}

// CSMSettings asks for an RCToken in Ingress-Authorization.
type CSMSettings struct {
	RCTokenAud *string `json:"rctokenAud,omitempty"`
}

// AccessDeniedPageSettings say where people go who are refused.
type AccessDeniedPageSettings struct {
	AccessDeniedPageURI               *string `json:"accessDeniedPageUri,omitempty"`
	GenerateTroubleshootingURI        *bool   `json:"generateTroubleshootingUri,omitempty"`
	RemediationTokenGenerationEnabled *bool   `json:"remediationTokenGenerationEnabled,omitempty"`
}

// OutputCredential is where propagated attributes are put.
type OutputCredential string

// The credentials that carry attributes.
const (
	OutputHeader  OutputCredential = "HEADER"
	OutputJWT     OutputCredential = "JWT"
	OutputRCToken OutputCredential = "RCTOKEN"
)

// AttributePropagationSettings hand attributes of the person to the application.
type AttributePropagationSettings struct {
	Expression        *string            `json:"expression,omitempty"`
	OutputCredentials []OutputCredential `json:"outputCredentials,omitempty"`
	Enable            *bool              `json:"enable,omitempty"`
}
