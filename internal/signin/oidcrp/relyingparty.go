// Package oidcrp signs people in at OpenID Connect providers: it leaves for them, redeems what comes back, asks again
// by refresh token, and reads logout tokens. It believes a provider only what is signed by the provider's published
// keys, for us and for this attempt; besides, what it answers over https when it is asked again, and groups that it
// leaves out. Whether the provider may vouch for the person is judged in signin.
package oidcrp

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/identityprovider"
	"github.com/gatehouse-iap/gatehouse/internal/session"
	"github.com/gatehouse-iap/gatehouse/internal/signin"
)

// RelyingParty is our side of all OpenID Connect providers. Fill in the fields before first use.
type RelyingParty struct {
	Now func() time.Time
	Log *slog.Logger
	// Client makes the HTTP client toward a provider; nil for one that is guarded as production needs it.
	Client func(identityprovider.OIDCConfig) *http.Client
	// Wrap sees every request to a provider, on its way out through the guarded client; nil for nobody.
	Wrap func(http.RoundTripper) http.RoundTripper
	// Fetched hears of every fetch of what a provider publishes, "discovery" or "keys"; nil for nobody.
	Fetched func(provider, document string, err error)

	mu      sync.Mutex
	clients map[string]*client // by the provider's name
}

var _ signin.Redirecting = (*RelyingParty)(nil)

// client returns our side of one provider. A provider whose configuration or caFile has changed gets a new one: nothing
// that was learnt before is kept. While its caFile cannot be read, the certificates of before count.
func (rp *RelyingParty) client(p identityprovider.Provider) (*client, error) {
	if p.OIDC == nil {
		return nil, fmt.Errorf("%w: %q is not of kind oidc", signin.ErrProviderSetup, p.Name)
	}
	text, err := json.Marshal(p)
	if err != nil {
		return nil, err
	}
	configured := sha256.Sum256(text)
	roots, rootsErr := readCAFile(p.OIDC.CAFile)
	rp.mu.Lock()
	defer rp.mu.Unlock()
	before := rp.clients[p.Name]
	known := before != nil && before.configured == configured
	switch {
	case known && rootsErr != nil:
		rp.Log.Warn("the certificates of an identity provider cannot be read again; those of before count", "provider", p.Name, "error", rootsErr)
		return before, nil
	case rootsErr != nil:
		return nil, fmt.Errorf("%w: %w", signin.ErrProviderSetup, rootsErr)
	case known && bytes.Equal(before.roots, roots):
		return before, nil
	case before != nil:
		before.http.CloseIdleConnections()
	}
	c := newClient(p, rp.httpClient(*p.OIDC, roots), rp.Now, rp.Log)
	c.configured, c.roots = configured, roots
	if rp.Fetched != nil {
		c.metadata.fetch = heard(c.metadata.fetch, func(err error) { rp.Fetched(p.Name, "discovery", err) })
		c.keys.fetch = heard(c.keys.fetch, func(err error) { rp.Fetched(p.Name, "keys", err) })
	}
	if rp.clients == nil {
		rp.clients = make(map[string]*client)
	}
	rp.clients[p.Name] = c
	return c, nil
}

func (rp *RelyingParty) httpClient(c identityprovider.OIDCConfig, roots []byte) *http.Client {
	if rp.Client != nil {
		return rp.Client(c)
	}
	client := newHTTPClient(c, roots)
	if rp.Wrap != nil {
		client.Transport = rp.Wrap(client.Transport)
	}
	return client
}

// Leave returns the address at the provider to which a browser goes to sign in.
func (rp *RelyingParty) Leave(ctx context.Context, p identityprovider.Provider, d signin.Departure) (string, error) {
	c, err := rp.client(p)
	if err != nil {
		return "", err
	}
	metadata, err := c.metadata.get(ctx)
	if err != nil {
		return "", err
	}
	address, err := url.Parse(metadata.AuthorizationEndpoint)
	if err != nil {
		return "", fmt.Errorf("%w: authorization_endpoint: %w", signin.ErrProviderSetup, err)
	}
	query := address.Query() // an endpoint may have a query of its own
	for name, value := range map[string]string{
		"client_id": c.config.ClientID, "response_type": "code", "scope": c.scope(), "redirect_uri": d.RedirectURI,
		"state": d.State, "nonce": d.Nonce, "code_challenge": d.Challenge, "code_challenge_method": "S256",
		"login_hint": d.LoginHint, "prompt": prompts(c.config.Prompt, d.Prompt), "hd": hostedDomainHint(p, d.HostedDomain),
		"domain_hint": domainHint(p, d.HostedDomain), "max_age": maxAge(d.MaxAge), "acr_values": c.contexts(d.Factor),
	} {
		if value != "" {
			query.Set(name, value)
		}
	}
	address.RawQuery = query.Encode()
	return address.String(), nil
}

// contexts are the contexts of authentication to ask the provider for, best first. Those for security keys have common
// names (OpenID Connect EAP ACR Values); for second factors in general each provider has its own.
func (c *client) contexts(factor session.Factor) string {
	switch factor {
	case session.SecurityKey:
		return "phrh phr"
	case session.SecondFactor:
		return strings.Join(c.config.SecondFactorACRValues, " ")
	default:
		return ""
	}
}

func maxAge(age time.Duration) string {
	if age == 0 {
		return ""
	}
	return strconv.Itoa(int(age / time.Second))
}

// scope is what we ask for: who the person is, and what the configuration adds.
func (c *client) scope() string {
	scopes := []string{"openid", "email"}
	for _, scope := range c.config.Scopes {
		if !slices.Contains(scopes, scope) {
			scopes = append(scopes, scope)
		}
	}
	return strings.Join(scopes, " ")
}

// prompts joins what the configuration and this departure ask of the provider; asking nothing goes with nothing else.
func prompts(configured, wanted string) string {
	switch {
	case wanted == "" || wanted == configured:
		return configured
	case configured == "" || wanted == "none":
		return wanted
	default:
		return configured + " " + wanted
	}
}

// hostedDomainHint spares people of one company Google's list of all their accounts. It is a hint: what comes back is
// held against the configuration all the same.
func hostedDomainHint(p identityprovider.Provider, expected string) string {
	if identityprovider.IsGoogle(p.OIDC.Issuer) && expected != "" {
		return expected
	}
	if !identityprovider.IsGoogle(p.OIDC.Issuer) || len(p.Domains) != 1 || p.Domains[0] == identityprovider.AnyDomain {
		return ""
	}
	return p.Domains[0]
}

// domainHint is the same in Microsoft's words, for those whom an application's settings expect.
func domainHint(p identityprovider.Provider, expected string) string {
	if !identityprovider.IsMicrosoft(p.OIDC.Issuer) {
		return ""
	}
	return expected
}

// Return redeems what a browser brought back.
func (rp *RelyingParty) Return(ctx context.Context, p identityprovider.Provider, a signin.Answer) (signin.Vouched, error) {
	c, err := rp.client(p)
	if err != nil {
		return signin.Vouched{}, err
	}
	metadata, err := c.metadata.get(ctx)
	if err != nil {
		return signin.Vouched{}, err
	}
	// Before anything else: an answer that another provider gave is none, not even its error (RFC 9207).
	switch {
	case a.Issuer != "" && a.Issuer != c.config.Issuer:
		return signin.Vouched{}, fmt.Errorf("%w: it says that it comes from %q", signin.ErrProviderAnswer, a.Issuer)
	case a.Issuer == "" && metadata.IssParameter:
		return signin.Vouched{}, fmt.Errorf("%w: it lacks the parameter iss, which the provider says it sends", signin.ErrProviderAnswer)
	case a.Error != "":
		return signin.Vouched{}, answerError(a.Error, a.Detail)
	case a.Code == "":
		return signin.Vouched{}, fmt.Errorf("%w: it has neither code nor error", signin.ErrProviderAnswer)
	}
	token, err := c.redeem(ctx, metadata, url.Values{
		"grant_type": {"authorization_code"}, "code": {a.Code}, "redirect_uri": {a.RedirectURI}, "code_verifier": {a.Verifier},
	})
	if err != nil {
		return signin.Vouched{}, err
	}
	raw, _ := token.Extra("id_token").(string)
	if raw == "" {
		return signin.Vouched{}, fmt.Errorf("%w: the token endpoint gave no ID token", signin.ErrProviderToken)
	}
	claims, err := c.verify(ctx, metadata, raw, token.AccessToken)
	if err != nil {
		return signin.Vouched{}, err
	}
	if err := claims.checkNonce(a.Nonce); err != nil {
		return signin.Vouched{}, err
	}
	v, err := c.person(ctx, claims, token.AccessToken, session.ConfirmEvery, true)
	if err != nil {
		return signin.Vouched{}, err
	}
	return v, c.keep(&v, raw, token.RefreshToken)
}

// answerError turns an error code of the authorization endpoint into what people can do about it.
func answerError(code, detail string) error {
	kind := signin.ErrProviderAnswer
	switch code {
	case "access_denied":
		kind = signin.ErrDeclined
	case "login_required", "interaction_required", "account_selection_required", "consent_required":
		kind = signin.ErrQuestions
	case "invalid_request", "unauthorized_client", "unsupported_response_type", "invalid_scope", "invalid_client", "redirect_uri_mismatch":
		kind = signin.ErrProviderSetup
	case "server_error", "temporarily_unavailable":
		kind = signin.ErrProviderDown
	}
	return fmt.Errorf("%w: %s", kind, saidBy(code, detail))
}

// saidBy quotes what a provider, or whoever wrote the answer, says of an error. It is for the log.
func saidBy(code, detail string) string {
	const limit = 300
	text := fmt.Sprintf("it says %.60q", code)
	if detail != "" {
		if len(detail) > limit {
			detail = detail[:limit] + "…"
		}
		text += fmt.Sprintf(", %q", detail)
	}
	return text
}

// tokens is what we keep of a sign-in, for asking again and for signing out.
type tokens struct {
	Refresh string `json:"r,omitempty"`
	ID      string `json:"i,omitempty"` // the hint by which the provider knows whose session to end
}

const (
	// maxHint bounds the ID token that is kept as a hint: it travels in an address.
	maxHint = 4 << 10
	// maxRefresh bounds the refresh token, which is kept with the session.
	maxRefresh = 32 << 10
)

// keep notes the tokens of a sign-in.
func (c *client) keep(v *signin.Vouched, raw, refresh string) error {
	kept := tokens{Refresh: refresh, ID: raw}
	if len(raw) > maxHint {
		kept.ID = ""
	}
	if len(refresh) > maxRefresh {
		return fmt.Errorf("%w: its refresh token is larger than %d bytes", signin.ErrProviderToken, maxRefresh)
	}
	text, err := json.Marshal(kept)
	v.Tokens, v.Refreshable = text, refresh != ""
	return err
}
