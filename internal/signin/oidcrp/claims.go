package oidcrp

import (
	"bytes"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"

	"github.com/gatehouse-iap/gatehouse/internal/identityprovider"
	"github.com/gatehouse-iap/gatehouse/internal/signin"
)

// Bounds of what is kept of a token.
const (
	maxGroups  = 2000 // values of the groups claim
	maxMethods = 16   // values of amr
	maxSession = 1 << 10
)

// claims is the payload of a verified token. Names are compared as they are: the general decoder would take "Email"
// for "email".
type claims struct{ raw map[string]json.RawMessage }

// readClaims reads the payload of a token whose signature is good. A name that is given twice is refused: which of the
// two counts would be up to the reader (RFC 7519, 4).
func readClaims(token *oidc.IDToken) (*claims, error) {
	var payload json.RawMessage
	if err := token.Claims(&payload); err != nil {
		return nil, err
	}
	raw, err := members(payload)
	return &claims{raw: raw}, err
}

// members reads a JSON object.
func members(text []byte) (map[string]json.RawMessage, error) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	if start, err := decoder.Token(); err != nil || start != json.Delim('{') {
		return nil, errors.New("it is no JSON object")
	}
	raw := map[string]json.RawMessage{}
	for decoder.More() {
		name, err := decoder.Token()
		if err != nil {
			return nil, err
		}
		var value json.RawMessage
		if err := decoder.Decode(&value); err != nil {
			return nil, err
		}
		if _, twice := raw[name.(string)]; twice {
			return nil, fmt.Errorf("it has %.60q twice", name)
		}
		raw[name.(string)] = value
	}
	if _, err := decoder.Token(); err != nil {
		return nil, err
	}
	if _, err := decoder.Token(); err != io.EOF {
		return nil, errors.New("something follows its JSON object")
	}
	return raw, nil
}

func (c *claims) checkNonce(nonce string) error {
	said, err := c.text("nonce")
	if err != nil || nonce == "" || subtle.ConstantTimeCompare([]byte(said), []byte(nonce)) != 1 {
		return fmt.Errorf("%w: its nonce is not that of this attempt", signin.ErrProviderToken)
	}
	return nil
}

// text returns a claim that must be a string; empty when it is absent or null.
func (c *claims) text(name string) (string, error) {
	raw, found := c.raw[name]
	if !found {
		return "", nil
	}
	var s *string
	if err := json.Unmarshal(raw, &s); err != nil {
		return "", fmt.Errorf("the claim %s is not a string", name)
	}
	if s == nil {
		return "", nil
	}
	return *s, nil
}

// isTrue reports whether a claim is JSON true: not "true", not 1.
func (c *claims) isTrue(name string) bool { return bytes.Equal(c.raw[name], []byte("true")) }

// foreignDomain reports whether Entra says of the address that its tenant has not shown to own the domain. The claim is
// optional there, and written as true, 1 or either in quotes; what is neither of these is no confirmation.
func (c *claims) foreignDomain() bool {
	raw, said := c.raw["xms_edov"]
	return said && !slices.Contains([]string{`true`, `1`, `"true"`, `"1"`}, string(raw))
}

// maxSeconds keeps times within what time.Time can compare: the year 9999.
const maxSeconds = 253402300799

func (c *claims) time(name string) (time.Time, bool, error) {
	raw, found := c.raw[name]
	if !found || bytes.Equal(raw, []byte("null")) {
		return time.Time{}, false, nil
	}
	var seconds float64
	if err := json.Unmarshal(raw, &seconds); err != nil || !(seconds >= 0 && seconds <= maxSeconds) {
		return time.Time{}, false, fmt.Errorf("the claim %s is not a time", name)
	}
	return time.Unix(int64(seconds), 0), true, nil
}

// audience is the claim aud: one text, or a list of nothing else.
func (c *claims) audience() ([]string, error) {
	raw := c.raw["aud"]
	var one string
	if json.Unmarshal(raw, &one) == nil && !bytes.Equal(raw, []byte("null")) {
		return []string{one}, nil
	}
	var many []json.RawMessage
	if json.Unmarshal(raw, &many) != nil {
		return nil, errors.New("it has no usable audience")
	}
	audience := make([]string, len(many))
	for i, item := range many {
		if json.Unmarshal(item, &audience[i]) != nil {
			return nil, errors.New("its audience is not a list of texts")
		}
	}
	return audience, nil
}

// list returns a claim that is a list of strings, or one string, and whether there were more than limit. What is not
// a string is passed over.
func (c *claims) list(name string, limit int) (values []string, more bool) {
	raw, found := c.raw[name]
	if !found {
		return nil, false
	}
	var one string
	if json.Unmarshal(raw, &one) == nil {
		if one == "" {
			return nil, false
		}
		return []string{one}, false
	}
	var many []json.RawMessage
	if json.Unmarshal(raw, &many) != nil {
		return nil, false
	}
	for _, item := range many {
		var value string
		if json.Unmarshal(item, &value) != nil || value == "" {
			continue
		}
		if len(values) == limit {
			return values, true
		}
		values = append(values, value)
	}
	return values, false
}

// vouched is what the claims say, in sign-in's words. Claims of a wrong type count as absent, so that what needs
// them fails.
func (c *claims) vouched(of *client) (signin.Vouched, error) {
	var v signin.Vouched
	v.AMR, _ = c.list("amr", maxMethods)
	v.Subject, _ = c.text("sub")
	v.ACR, _ = c.text("acr")
	if slices.Contains(of.config.SecondFactorACRValues, v.ACR) && !slices.Contains(v.AMR, "mfa") {
		v.AMR = append(v.AMR, "mfa") // in words that do not depend on the provider
	}
	v.Attributes = of.provider.AttributesOf(c.raw)
	if v.Session, _ = c.text("sid"); len(v.Session) > maxSession || len(v.ACR) > maxSession {
		return v, fmt.Errorf("%w: its sid or acr is longer than %d bytes", signin.ErrProviderToken, maxSession)
	}
	emailClaim := of.config.EmailClaim
	if emailClaim == "" {
		emailClaim = "email"
	}
	v.Email, _ = c.text(emailClaim)
	if emailClaim == "email" && c.foreignDomain() {
		return v, fmt.Errorf("%w: the claim xms_edov does not say that the tenant owns the domain of %.100q", identityprovider.ErrAddress, v.Email)
	}
	_, said := c.raw["email_verified"]
	v.EmailVerified = emailClaim == "email" && c.isTrue("email_verified") || of.provider.TrustEmail && (emailClaim != "email" || !said)
	var err error
	if v.HostedDomain, err = c.text("hd"); err != nil {
		v.HostedDomain = "." // no domain: refused, not passed over
	}
	if at, found, err := c.time("auth_time"); err == nil && found {
		v.AuthTime = at
	}
	if of.provider.Groups == nil {
		return v, nil
	}
	name, more := of.provider.Groups.ClaimName(), false
	if v.Groups, more = c.list(name, maxGroups); more {
		// With some of them left out, a person would have or lose access by chance.
		return v, fmt.Errorf("%w: the claim %s names more than %d groups: have the provider send those that count here only", signin.ErrProviderSetup, name, maxGroups)
	}
	return v, nil
}
