package oidcrp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"

	"github.com/gatehouse-iap/gatehouse/internal/identityprovider"
	"github.com/gatehouse-iap/gatehouse/internal/signin"
)

// SignOutURL returns where to sign out at the provider (OpenID Connect RP-Initiated Logout 1.0).
func (rp *RelyingParty) SignOutURL(ctx context.Context, p identityprovider.Provider, text []byte, back string) (string, error) {
	c, err := rp.client(p)
	if err != nil {
		return "", err
	}
	metadata, err := c.metadata.get(ctx)
	if err != nil || metadata.EndSessionEndpoint == "" {
		return "", err
	}
	address, err := url.Parse(metadata.EndSessionEndpoint)
	if err != nil {
		return "", fmt.Errorf("%w: end_session_endpoint: %w", signin.ErrProviderSetup, err)
	}
	var kept tokens
	_ = json.Unmarshal(text, &kept) // without a hint the provider asks
	query := address.Query()
	query.Set("client_id", c.config.ClientID)
	query.Set("post_logout_redirect_uri", back)
	if kept.ID != "" {
		query.Set("id_token_hint", kept.ID)
	}
	address.RawQuery = query.Encode()
	return address.String(), nil
}

const (
	logoutEvent = "http://schemas.openid.net/event/backchannel-logout"
	// logoutAge is how old a logout token may be.
	logoutAge = 10 * time.Minute
)

// LogoutToken reads a logout token (OpenID Connect Back-Channel Logout 1.0, 2.6).
func (rp *RelyingParty) LogoutToken(ctx context.Context, p identityprovider.Provider, raw string) (signin.LoggedOut, error) {
	c, err := rp.client(p)
	if err != nil {
		return signin.LoggedOut{}, err
	}
	if err := checkHeader(raw, "logout+jwt", "JWT"); err != nil {
		return signin.LoggedOut{}, fmt.Errorf("%w: %w", signin.ErrProviderToken, err)
	}
	metadata, err := c.metadata.get(ctx)
	if err != nil {
		return signin.LoggedOut{}, err
	}
	keys := &lookup{client: c}
	verifier := oidc.NewVerifier(metadata.Issuer, keys, &oidc.Config{
		ClientID: c.config.ClientID, SupportedSigningAlgs: c.algorithms(), SkipExpiryCheck: true,
	})
	token, err := verifier.Verify(ctx, raw)
	if err != nil {
		return signin.LoggedOut{}, keys.fault(err)
	}
	found, err := readClaims(token)
	if err == nil {
		err = c.checkIssuer(found, metadata)
	}
	var said signin.LoggedOut
	if err == nil {
		said, err = c.loggedOut(found)
	}
	if err != nil {
		return signin.LoggedOut{}, fmt.Errorf("%w: %w", signin.ErrProviderToken, err)
	}
	return said, nil
}

// loggedOut checks what is special about logout tokens. That they have no nonce keeps an ID token from being one.
func (c *client) loggedOut(found *claims) (said signin.LoggedOut, err error) {
	now := c.now()
	audience, err := found.audience()
	if err != nil {
		return said, err
	}
	issued, hasStart, err := found.time("iat")
	if err != nil || !hasStart {
		return said, errors.Join(errors.New("it has no usable iat"), err)
	}
	said.Expires = issued.Add(logoutAge + clockSkew)
	expires, hasEnd, err := found.time("exp")
	switch _, hasNonce := found.raw["nonce"]; {
	case err != nil:
		return said, err
	case hasNonce:
		return said, errors.New("it has a nonce, which logout tokens must not have")
	case !slices.Contains(audience, c.config.ClientID):
		return said, errors.New("it is not for us")
	case issued.After(now.Add(clockSkew)):
		return said, errors.New("it is from the future: is one of the clocks off?")
	case !now.Before(said.Expires):
		return said, fmt.Errorf("it is %s old", now.Sub(issued).Round(time.Second))
	case hasEnd && now.After(expires.Add(clockSkew)):
		return said, errors.New("it has expired")
	}
	var events map[string]json.RawMessage
	var event map[string]json.RawMessage
	if json.Unmarshal(found.raw["events"], &events) != nil || json.Unmarshal(events[logoutEvent], &event) != nil || event == nil {
		return said, errors.New("it has not the event of a logout")
	}
	var subjectErr, sessionErr, idErr error
	said.Subject, subjectErr = found.text("sub")
	said.Session, sessionErr = found.text("sid")
	said.ID, idErr = found.text("jti")
	switch {
	case errors.Join(subjectErr, sessionErr, idErr) != nil:
		return said, errors.Join(subjectErr, sessionErr, idErr)
	case said.Subject == "" && said.Session == "":
		return said, errors.New("it names nobody: neither sub nor sid")
	case said.ID == "":
		return said, errors.New("it has no jti")
	}
	return said, nil
}
