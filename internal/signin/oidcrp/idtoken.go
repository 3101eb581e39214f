package oidcrp

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"

	"github.com/gatehouse-iap/gatehouse/internal/identityprovider"
	"github.com/gatehouse-iap/gatehouse/internal/signin"
)

const (
	// maxToken bounds a token before anything of it is parsed. Those of Entra with 200 groups have some 10 KiB.
	maxToken = 64 << 10
	// clockSkew is by how much the provider's clock may differ from ours.
	clockSkew = 2 * time.Minute
)

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
	found, err := readClaims(token)
	if err == nil {
		err = errors.Join(c.checkIssuer(found, m), c.checkParty(found), c.checkTimes(found))
	}
	if err != nil {
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

// checkIssuer looks at the issuer once more: the library, which has judged it, also takes a claim that is spelt ISS.
func (c *client) checkIssuer(found *claims, m metadata) error {
	issuer, err := found.text("iss")
	if err == nil && issuer != m.Issuer && !(identityprovider.IsGoogle(m.Issuer) && issuer == "accounts.google.com") {
		err = fmt.Errorf("it is from %.100q, not from the provider", issuer)
	}
	return err
}

// checkParty makes sure that the token was made for us: we are in the audience, and where a party is named it is we
// (OpenID Connect Core, 3.1.3.7).
func (c *client) checkParty(found *claims) error {
	audience, audienceErr := found.audience()
	party, err := found.text("azp")
	switch {
	case audienceErr != nil || err != nil:
		return errors.Join(audienceErr, err)
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
	return nil
}
