package oidcrp

import (
	"bytes"
	"context"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"

	"github.com/gatehouse-iap/gatehouse/internal/signin"
)

const (
	// maxToken bounds a token before anything of it is parsed. Those of Entra with 200 groups have some 10 KiB.
	maxToken = 64 << 10
	// clockSkew is by how much the provider's clock may differ from ours.
	clockSkew = 2 * time.Minute
	// maxGroups bounds the values of a groups claim.
	maxGroups = 2000
)

// claims is the payload of a verified token. Names are compared as they are: the general decoder would take "Email"
// for "email".
type claims struct {
	raw    map[string]json.RawMessage
	issued time.Time
}

// verify checks an ID token: signature, issuer, audience, authorised party, times, and that it goes with the access
// token that came beside it.
func (c *client) verify(ctx context.Context, m metadata, raw, accessToken string) (*claims, error) {
	if err := checkHeader(raw, "JWT"); err != nil {
		return nil, fmt.Errorf("%w: %w", signin.ErrProviderToken, err)
	}
	keys := &lookup{client: c}
	verifier := oidc.NewVerifier(m.Issuer, keys, &oidc.Config{
		ClientID: c.config.ClientID, SupportedSigningAlgs: c.algorithms(), SkipExpiryCheck: true, // ours allows for clocks, both ways
	})
	token, err := verifier.Verify(ctx, raw)
	if err != nil {
		return nil, keys.fault(err)
	}
	if token.AccessTokenHash != "" {
		if err := token.VerifyAccessToken(accessToken); err != nil {
			return nil, fmt.Errorf("%w: %w", signin.ErrProviderToken, err)
		}
	}
	found := &claims{issued: token.IssuedAt}
	if err := token.Claims(&found.raw); err != nil {
		return nil, fmt.Errorf("%w: %w", signin.ErrProviderToken, err)
	}
	if err := errors.Join(c.checkParty(found, token.Audience), c.checkTimes(found)); err != nil {
		return nil, fmt.Errorf("%w: %w", signin.ErrProviderToken, err)
	}
	return found, nil
}

// lookup is the key set of one verification. It remembers that keys could not be had, which the library's error does
// not say, so that a provider which does not answer is kept apart from a token that is wrong.
type lookup struct {
	client *client
	err    error
}

func (l *lookup) VerifySignature(ctx context.Context, token string) (payload []byte, err error) {
	payload, l.err = l.client.checkSignature(ctx, token)
	return payload, l.err
}

func (l *lookup) fault(err error) error {
	if errors.Is(l.err, signin.ErrProviderDown) || errors.Is(l.err, signin.ErrProviderSetup) {
		return l.err
	}
	return fmt.Errorf("%w: %w", signin.ErrProviderToken, err)
}

// checkHeader refuses what could make a token name its own key, or mean something else than it seems. x5t is only a
// hash, which Entra sends; it is not used.
func checkHeader(token string, types ...string) error {
	if len(token) > maxToken {
		return fmt.Errorf("it is larger than %d bytes", maxToken)
	}
	encoded, rest, _ := strings.Cut(token, ".")
	if strings.Count(rest, ".") != 1 {
		return errors.New("it is not a signed JWT in compact form")
	}
	text, err := base64.RawURLEncoding.DecodeString(encoded)
	if err != nil {
		return fmt.Errorf("its header: %w", err)
	}
	var header map[string]json.RawMessage
	if err := json.Unmarshal(text, &header); err != nil {
		return fmt.Errorf("its header: %w", err)
	}
	for _, name := range []string{"jku", "jwk", "x5u", "x5c", "crit", "zip", "b64"} {
		if _, found := header[name]; found {
			return fmt.Errorf("its header has %q, which is not taken", name)
		}
	}
	if raw, found := header["typ"]; found {
		var typ string
		if err := json.Unmarshal(raw, &typ); err != nil || !slices.ContainsFunc(types, func(t string) bool { return strings.EqualFold(t, typ) }) {
			return fmt.Errorf("it is a token of type %.60s", raw)
		}
	}
	return nil
}

// checkParty makes sure that the token was made for us: we are in the audience, and where a party is named it is we
// (OpenID Connect Core, 3.1.3.7).
func (c *client) checkParty(found *claims, audience []string) error {
	party, err := found.text("azp")
	switch {
	case err != nil:
		return err
	case !slices.Contains(audience, c.config.ClientID):
		return fmt.Errorf("it is for %q, not for us", audience)
	case party != "" && party != c.config.ClientID:
		return fmt.Errorf("it was given to %q (azp), not to us", party)
	case len(audience) > 1 && party == "":
		return fmt.Errorf("it is for several clients, %q, and does not say whom it was given to (azp)", audience)
	}
	return nil
}

// checkTimes holds the token against our clock.
func (c *client) checkTimes(found *claims) error {
	now := c.now()
	expires, hasEnd, err := found.time("exp")
	if err != nil || !hasEnd {
		return errors.Join(errors.New("it has no usable exp"), err)
	}
	issued, hasStart, err := found.time("iat")
	if err != nil || !hasStart {
		return errors.Join(errors.New("it has no usable iat"), err)
	}
	notBefore, hasNotBefore, err := found.time("nbf")
	switch {
	case err != nil:
		return err
	case now.After(expires.Add(clockSkew)):
		return fmt.Errorf("it expired %s ago: is one of the clocks off?", now.Sub(expires).Round(time.Second))
	case issued.After(now.Add(clockSkew)):
		return fmt.Errorf("it was made %s in the future: is one of the clocks off?", issued.Sub(now).Round(time.Second))
	case hasNotBefore && notBefore.After(now.Add(clockSkew)):
		return fmt.Errorf("it is not valid for another %s: is one of the clocks off?", notBefore.Sub(now).Round(time.Second))
	}
	found.issued = issued
	return nil
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

// maxSeconds keeps times within what time.Time can compare: the year 9999.
const maxSeconds = 253402300799

func (c *claims) time(name string) (time.Time, bool, error) {
	raw, found := c.raw[name]
	if !found {
		return time.Time{}, false, nil
	}
	var seconds float64
	if err := json.Unmarshal(raw, &seconds); err != nil || !(seconds >= 0 && seconds <= maxSeconds) {
		return time.Time{}, false, fmt.Errorf("the claim %s is not a time", name)
	}
	return time.Unix(int64(seconds), 0), true, nil
}

// list returns a claim that is a list of strings, or one string. What is not a string is passed over.
func (c *claims) list(name string) []string {
	raw, found := c.raw[name]
	if !found {
		return nil
	}
	var one string
	if json.Unmarshal(raw, &one) == nil {
		if one == "" {
			return nil
		}
		return []string{one}
	}
	var many []json.RawMessage
	if json.Unmarshal(raw, &many) != nil {
		return nil
	}
	var values []string
	for _, item := range many[:min(len(many), maxGroups)] {
		var value string
		if json.Unmarshal(item, &value) == nil && value != "" {
			values = append(values, value)
		}
	}
	return values
}

// vouched is what the claims say, in sign-in's words. Claims of a wrong type count as absent, so that what needs
// them fails.
func (c *claims) vouched(of *client) signin.Vouched {
	v := signin.Vouched{AMR: c.list("amr")}
	v.Subject, _ = c.text("sub")
	v.Session, _ = c.text("sid")
	v.ACR, _ = c.text("acr")
	emailClaim := of.config.EmailClaim
	if emailClaim == "" {
		emailClaim = "email"
	}
	v.Email, _ = c.text(emailClaim)
	_, said := c.raw["email_verified"]
	v.EmailVerified = emailClaim == "email" && c.isTrue("email_verified") || of.provider.TrustEmail && (emailClaim != "email" || !said)
	var err error
	if v.HostedDomain, err = c.text("hd"); err != nil {
		v.HostedDomain = "." // no domain: refused, not passed over
	}
	if at, found, err := c.time("auth_time"); err == nil && found {
		v.AuthTime = at
	}
	v.Attributes = c.attributes(of.provider.Attributes)
	if of.provider.Groups != nil {
		name := of.provider.Groups.ClaimName()
		v.Groups = c.list(name)
		if c.elsewhere(name) {
			of.log.Warn("the provider left groups out of the token and says where to look them up, which is not done yet: "+
				"the person has none here. Limit the claim to the groups that are assigned to the application", "claim", name, "subject", v.Subject)
		}
	}
	return v
}

// elsewhere reports whether a claim is replaced by a reference to where it could be fetched, as Entra does for people
// in more than 200 groups.
func (c *claims) elsewhere(name string) bool {
	var names map[string]json.RawMessage
	if json.Unmarshal(c.raw["_claim_names"], &names) == nil {
		if _, found := names[name]; found {
			return true
		}
	}
	return c.isTrue("hasgroups")
}
