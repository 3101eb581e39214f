package oidcrp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

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
	if err != nil {
		return signin.Vouched{}, refreshError(err)
	}
	if len(token.RefreshToken) > maxRefresh {
		return signin.Vouched{}, fmt.Errorf("%w: its refresh token is larger than %d bytes", signin.ErrProviderToken, maxRefresh)
	}
	if token.RefreshToken != "" { // rotated
		kept.Refresh = token.RefreshToken
	}
	return c.refreshed(ctx, metadata, token, kept)
}

// refreshError says what an error of the token endpoint means for the sign-in that was asked about. Any error code of
// OAuth that does not speak of us or of an outage is a refusal: providers have codes of their own for people who are
// gone, and RFC 6749 knows none. Dex answers so with status 500; there the codes of RFC 6749 count, which a server
// that is broken has no reason to send.
func refreshError(err error) error {
	var refused *endpointError
	if !errors.As(err, &refused) {
		return err
	}
	over := refused.kind == signin.ErrProviderAnswer
	if refused.status == http.StatusInternalServerError {
		over = slices.Contains([]string{"invalid_request", "invalid_grant", "invalid_scope"}, refused.code)
	}
	if over {
		return fmt.Errorf("%w: %s", errOver, refused.text)
	}
	return err
}

// refreshed reads what came with a refresh. Many providers give a new ID token; its nonce, if it has one, was
// checked when the sign-in began, and nothing new is bound to it (OpenID Connect Core, 12.2). Others are asked for what
// they would have said in it.
func (c *client) refreshed(ctx context.Context, m metadata, token *oauth2.Token, kept tokens) (signin.Vouched, error) {
	raw, _ := token.Extra("id_token").(string)
	var found *claims
	var err error
	switch {
	case raw != "":
		if found, err = c.verify(ctx, m, raw, token.AccessToken); err == nil && len(raw) <= maxHint {
			kept.ID = raw
		}
	case m.UserinfoEndpoint != "":
		found, err = c.userinfo(ctx, m, token.AccessToken)
	}
	var v signin.Vouched
	if err == nil && found != nil {
		v, err = c.person(ctx, found, token.AccessToken, recheckedLately, false)
	}
	text, encodeErr := json.Marshal(kept)
	if encodeErr != nil {
		return signin.Vouched{}, encodeErr
	}
	v.Tokens, v.Refreshable = text, true
	return v, err
}

// recheckedLately is for how long groups that one session looked up serve the others of the same person.
const recheckedLately = time.Minute
