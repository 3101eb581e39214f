// Package settings owns IapSettings: the document as Google's API, gcloud and Terraform write it, its rules, how it
// is inherited down the hierarchy, and the effective form that requests read. It decides nothing (enforcement does)
// and evaluates no expression.
package settings

import "time"

// The comments on fields are the reference for users (docs/reference/manifests.md).

// IapSettings is what stands on one resource. A field that is nil or empty is not set there and is inherited.
type IapSettings struct {
	// Who may come near, and how they prove who they are.
	AccessSettings *AccessSettings `json:"accessSettings,omitempty"`
	// What the application and its visitors see.
	ApplicationSettings *ApplicationSettings `json:"applicationSettings,omitempty"`
}

// AccessSettings says who may come near, and how they prove who they are.
type AccessSettings struct {
	// What becomes of preflight requests.
	CORSSettings *CORSSettings `json:"corsSettings,omitempty"`
	// Sign-in and programmatic access.
	OAuthSettings *OAuthSettings `json:"oauthSettings,omitempty"`
	// How recent a sign-in must be.
	ReauthSettings *ReauthSettings `json:"reauthSettings,omitempty"`
	// The hosts on which the application may be reached.
	AllowedDomainsSettings *AllowedDomainsSettings `json:"allowedDomainsSettings,omitempty"`
}

// CORSSettings says what becomes of preflight requests.
type CORSSettings struct {
	// Whether every OPTIONS request passes to the application, without sign-in and without identity headers. The
	// application must then not act on OPTIONS.
	AllowHTTPOptions *bool `json:"allowHttpOptions,omitempty"`
}

// OAuthSettings refines sign-in and programmatic access.
type OAuthSettings struct {
	// The domain, such as example.com, or the address of the people who are expected: sign-in goes to their identity
	// provider without asking, and tells it. It is a hint, and lets nobody in or out.
	LoginHint *string `json:"loginHint,omitempty"`
	// Further audiences that bearer tokens for the resource may carry, besides the OAuth client id of the service.
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
	// How the person has to prove once more who they are.
	Method ReauthMethod `json:"method"`
	// How old the sign-in may be: at least 300s.
	MaxAge time.Duration `json:"maxAge"`
	// Whether resources below may be less strict: below MINIMUM they may not, DEFAULT they replace.
	PolicyType ReauthPolicyType `json:"policyType"`
}

// AllowedDomainsSettings restrict the hosts on which a resource may be reached.
type AllowedDomainsSettings struct {
	// Whether the list counts. Switched on with an empty list, nothing is reached.
	Enable *bool `json:"enable,omitempty"`
	// Hosts, such as app.example.com, and wildcards, such as *.example.com, which stand for all below but not for
	// example.com itself. A wildcard on a public suffix, such as *.co.uk, is refused.
	Domains []string `json:"domains,omitempty"`
}

// ApplicationSettings say what the application and its visitors see.
type ApplicationSettings struct {
	// The RCToken in Ingress-Authorization.
	CSMSettings *CSMSettings `json:"csmSettings,omitempty"`
	// Where people go who are refused.
	AccessDeniedPageSettings *AccessDeniedPageSettings `json:"accessDeniedPageSettings,omitempty"`
	// The domain that the session cookies of a resource have, so that its hosts in that domain share one sign-in. Every
	// other host in the domain sees the cookie too. A domain that does not fit the host, and a public suffix, is ignored.
	CookieDomain *string `json:"cookieDomain,omitempty"`
	// Which attributes of the person the application is told.
	AttributePropagationSettings *AttributePropagationSettings `json:"attributePropagationSettings,omitempty"`
}

// CSMSettings asks for an RCToken in Ingress-Authorization.
type CSMSettings struct {
	// The audience of the token; empty for none.
	RCTokenAud *string `json:"rctokenAud,omitempty"`
}

// AccessDeniedPageSettings say where people go who are refused.
type AccessDeniedPageSettings struct {
	// The http or https address of the page to which browsers are sent; empty for our own. Programs always get 403.
	AccessDeniedPageURI *string `json:"accessDeniedPageUri,omitempty"`
	// Accepted as in IAP. It changes nothing: our own page always has the id under which the decision is explained.
	GenerateTroubleshootingURI *bool `json:"generateTroubleshootingUri,omitempty"`
	// Accepted as in IAP. It changes nothing: there are no remediation tokens.
	RemediationTokenGenerationEnabled *bool `json:"remediationTokenGenerationEnabled,omitempty"`
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
	// The expression that selects and names attributes, in CEL.
	Expression *string `json:"expression,omitempty"`
	// Where the attributes are put.
	OutputCredentials []OutputCredential `json:"outputCredentials,omitempty"`
	// Whether attributes are propagated at all.
	Enable *bool `json:"enable,omitempty"`
}
