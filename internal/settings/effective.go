package settings

import "time"

// Effective is what holds for one service once everything above it is merged: plain values for the request path.
// It is immutable; the zero value is what holds where nobody has set anything.
type Effective struct {
	AllowHTTPOptions    bool
	LoginHint           string
	ProgrammaticClients []string
	Reauth              Reauth
	// AllowedDomains restricts the hosts; nil allows every host that the service has.
	AllowedDomains []string

	RCTokenAudience     string
	AccessDeniedPageURI string
	TroubleshootingURI  bool
	RemediationToken    bool
	CookieDomain        string
	Attributes          Attributes
}

// Reauth demands a sign-in that is at most MaxAge old; zero demands nothing.
type Reauth struct {
	Method ReauthMethod
	MaxAge time.Duration
	// PolicyType is what the merged settings count as toward a level below.
	PolicyType ReauthPolicyType
}

// Attributes is attribute propagation as it holds; an empty Expression propagates nothing.
type Attributes struct {
	Expression           string
	Header, JWT, RCToken bool
}
