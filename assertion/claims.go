package assertion

import (
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"
)

// Where an identity comes from ([Claims.IdentitySource]).
const (
	SourceGoogle    = "GOOGLE"             // Google accounts, service accounts, Gatehouse's own directory
	SourceWorkforce = "WORKFORCE_IDENTITY" // workforce identity federation
	SourceGCIP      = "GCIP"               // Identity Platform (external identities)
)

// Claims is what a verified assertion says. Every call of [Verifier.Verify] returns a copy of its own.
type Claims struct {
	// Issuer is always [Issuer].
	Issuer string
	// Audience is the application that the assertion was made for: one of those that the Verifier expects.
	Audience string
	// AuthorizedParty is the azp claim; IAP repeats the audience there.
	AuthorizedParty string

	// Subject is who asks: unique, and stable over a change of address. It includes its namespace, as in
	// "accounts.google.com:108…" or "securetoken.google.com/PROJECT/TENANT:uid". Empty when nobody is signed in.
	Subject string
	// Email is the address without namespace. It is empty when nobody is signed in, and for workforce
	// identities whose pool maps no address.
	//
	// An address of Identity Platform ([SourceGCIP]) may be whatever its owner typed: look at
	// GCIP.EmailVerified before it counts for anything.
	Email string
	// HostedDomain is the hd claim: the domain of the organisation that manages the account. An organisation's
	// people are best recognised by this, not by the end of their address.
	HostedDomain string

	// IdentitySource is one of the Source constants; empty in assertions of nobody.
	IdentitySource string
	// AccessLevels are the names of the access levels that the request met, as "accessPolicies/1/accessLevels/name".
	AccessLevels []string
	// DeviceID names the device when a device policy applies and IAP may say so.
	DeviceID string
	// Workforce is set for workforce identities only.
	Workforce *Workforce
	// GCIP is set for identities of Identity Platform only.
	GCIP *GCIP
	// AdditionalClaims are the attributes that IAP was told to propagate.
	AdditionalClaims map[string][]string

	// IssuedAt and Expires bound the assertion itself. They say nothing about when somebody signed in.
	IssuedAt, Expires time.Time
	// KeyID names the key that signed.
	KeyID string

	notBefore time.Time
	payload   []byte
}

// Workforce is the workforce_identity claim.
type Workforce struct {
	Principal string // as "principal://iam.googleapis.com/locations/global/workforcePools/POOL/subject/SUBJECT"
	Pool      string // as "locations/global/workforcePools/POOL"
}

// Public reports that the assertion is about nobody: the resource is open to allUsers and the visitor has not
// signed in. IAP then leaves out sub and email.
func (c *Claims) Public() bool { return c.Subject == "" }

// Namespace returns what precedes the first colon of the subject: "accounts.google.com", "sts.google.com", or
// "securetoken.google.com/PROJECT[/TENANT]".
func (c *Claims) Namespace() string {
	namespace, _, found := strings.Cut(c.Subject, ":")
	if !found {
		return ""
	}
	return namespace
}

// Decode unmarshals the whole payload into v, for claims that have no field here.
func (c *Claims) Decode(v any) error {
	if c.payload == nil {
		return errors.New("assertion: these claims were not read from an assertion")
	}
	return json.Unmarshal(c.payload, v)
}

// parseClaims reads a payload whose signature is good.
func parseClaims(payload []byte) (*Claims, error) {
	o, err := parseObject(payload)
	if err != nil {
		return nil, err
	}
	f := &fields{object: o}
	c := &Claims{
		Issuer:           f.text("iss"),
		Audience:         f.text("aud"),
		AuthorizedParty:  f.text("azp"),
		Subject:          f.nonEmptyText("sub"),
		Email:            f.nonEmptyText("email"),
		HostedDomain:     f.text("hd"),
		IdentitySource:   f.text("identity_source"),
		AdditionalClaims: f.textLists("additional_claims"),
		IssuedAt:         f.seconds("iat"),
		Expires:          f.seconds("exp"),
		notBefore:        f.seconds("nbf"),
		payload:          payload,
	}
	if google := f.child("google"); google != nil {
		c.AccessLevels = google.texts("access_levels")
		c.DeviceID = google.text("device_id")
		if c.DeviceID == "" {
			c.DeviceID = google.text("DeviceId") // the spelling of Google's documentation
		}
		f.join(google)
	}
	if workforce := f.child("workforce_identity"); workforce != nil {
		c.Workforce = &Workforce{
			Principal: workforce.text("iam_principal"),
			Pool:      workforce.text("workforce_pool_name"),
		}
		f.join(workforce)
	}
	if raw := f.get("gcip"); present(raw) {
		c.GCIP, err = parseGCIP(raw)
		if err != nil {
			f.join(&fields{err: err})
		}
	}
	if f.err != nil {
		return nil, f.err
	}
	return c, c.settleIdentity(f)
}

// settleIdentity checks that sub and email fit together and takes the namespace off the address.
func (c *Claims) settleIdentity(f *fields) error {
	for _, name := range []string{"iss", "aud", "iat", "exp"} {
		if !f.has(name) {
			return errors.New("the claim " + quote(name) + " is missing")
		}
	}
	if c.Subject == "" {
		if c.Email != "" {
			return errors.New("there is an email but no sub")
		}
		return nil
	}
	// Only the subject's own namespace comes off: an address under a foreign one stays as it is, and so equals
	// nobody's.
	if namespace := c.Namespace(); namespace != "" && c.Email != "" {
		c.Email = strings.TrimPrefix(c.Email, namespace+":")
		if c.Email == "" {
			return errors.New(`"email" is a namespace without an address`)
		}
	}
	return nil
}

// clone returns a copy that shares nothing a caller could change.
func (c *Claims) clone() *Claims {
	d := *c
	d.AccessLevels = slices.Clone(c.AccessLevels)
	d.AdditionalClaims = cloneLists(c.AdditionalClaims)
	if c.Workforce != nil {
		w := *c.Workforce
		d.Workforce = &w
	}
	d.GCIP = c.GCIP.clone()
	return &d
}

func cloneLists(lists map[string][]string) map[string][]string {
	lists = maps.Clone(lists)
	for name, list := range lists {
		lists[name] = slices.Clone(list)
	}
	return lists
}
