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
	"golang.org/x/oauth2"

	"github.com/gatehouse-iap/gatehouse/internal/identityprovider"
	"github.com/gatehouse-iap/gatehouse/internal/signin"
)

// errOver reports that the provider has ended the sign-in.
var errOver = errors.New("the provider has ended the sign-in")

// Refresh asks again by refresh token.
func (rp *RelyingParty) Refresh(ctx context.Context, p identityprovider.Provider, text []byte) (signin.Vouched, error) {
	c, err := rp.client(p)
	if err != nil {
		return signin.Vouched{}, err
	}
	var kept tokens
	if err := json.Unmarshal(text, &kept); err != nil || kept.Refresh == "" {
		return signin.Vouched{}, fmt.Errorf("%w: there is no refresh token", errOver)
	}
	metadata, err := c.metadata.get(ctx)
	if err != nil {
		return signin.Vouched{}, err
	}
	token, err := c.redeem(ctx, metadata, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {kept.Refresh}})
	var refused *endpointError
	switch {
	case errors.As(err, &refused) && refused.code == "invalid_grant":
		return signin.Vouched{}, fmt.Errorf("%w: %s", errOver, refused.text)
	case errors.Is(err, signin.ErrProviderAnswer): // another refusal: it says nothing of the person
		return signin.Vouched{}, fmt.Errorf("%w: %w", signin.ErrProviderSetup, err)
	case err != nil:
		return signin.Vouched{}, err
	}
	if token.RefreshToken != "" { // rotated
		kept.Refresh = token.RefreshToken
	}
	return c.refreshed(ctx, metadata, token, kept)
}

// refreshed reads what came with a refresh. Many providers give a new ID token; its nonce, if it has one, was
// checked when the sign-in began, and nothing new is bound to it (OpenID Connect Core, 12.2).
func (c *client) refreshed(ctx context.Context, m metadata, token *oauth2.Token, kept tokens) (signin.Vouched, error) {
	v := signin.Vouched{Refreshable: true}
	raw, _ := token.Extra("id_token").(string)
	var err error
	if raw != "" {
		var found *claims
		if found, err = c.verify(ctx, m, raw, token.AccessToken); err == nil {
			v = found.vouched(c)
			v.Refreshable = true
			if len(raw) <= maxHint {
				kept.ID = raw
			}
		}
	}
	text, encodeErr := json.Marshal(kept)
	if encodeErr != nil {
		return signin.Vouched{}, encodeErr
	}
	v.Tokens = text
	return v, err
}

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
	found := &claims{}
	if err := token.Claims(&found.raw); err != nil {
		return signin.LoggedOut{}, fmt.Errorf("%w: %w", signin.ErrProviderToken, err)
	}
	said, err := c.loggedOut(found, token)
	if err != nil {
		return signin.LoggedOut{}, fmt.Errorf("%w: %w", signin.ErrProviderToken, err)
	}
	return said, nil
}

// loggedOut checks what is special about logout tokens. That they have no nonce keeps an ID token from being one.
func (c *client) loggedOut(found *claims, token *oidc.IDToken) (said signin.LoggedOut, err error) {
	now := c.now()
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
	case !slices.Contains(token.Audience, c.config.ClientID):
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
