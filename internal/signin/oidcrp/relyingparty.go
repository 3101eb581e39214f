// Package oidcrp signs people in at OpenID Connect providers: it leaves for them, redeems what comes back, asks again
// by refresh token, and reads logout tokens. It believes a provider only what is signed by the provider's published
// keys, for us and for this attempt. Whether the provider may vouch for the person is judged in signin.
package oidcrp

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/gatehouse-iap/gatehouse/internal/identityprovider"
	"github.com/gatehouse-iap/gatehouse/internal/signin"
)

// RelyingParty is our side of all OpenID Connect providers. Fill in the fields before first use.
type RelyingParty struct {
	Now func() time.Time
	Log *slog.Logger
	// Client makes the HTTP client toward a provider; nil for one that is guarded as production needs it.
	Client func(identityprovider.OIDCConfig) (*http.Client, error)

	mu      sync.Mutex
	clients map[string]*client // by the provider's name
}

var _ signin.Redirecting = (*RelyingParty)(nil)

// client returns our side of one provider. A provider whose configuration has changed gets a new one: nothing that
// was learnt under the old configuration is kept.
func (rp *RelyingParty) client(p identityprovider.Provider) (*client, error) {
	if p.OIDC == nil {
		return nil, fmt.Errorf("%w: %q is not of kind oidc", signin.ErrProviderSetup, p.Name)
	}
	text, err := json.Marshal(p)
	if err != nil {
		return nil, err
	}
	digest := sha256.Sum256(text)
	rp.mu.Lock()
	defer rp.mu.Unlock()
	if c := rp.clients[p.Name]; c != nil && c.digest == digest {
		return c, nil
	}
	makeClient := newHTTPClient
	if rp.Client != nil {
		makeClient = rp.Client
	}
	toProvider, err := makeClient(*p.OIDC)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", signin.ErrProviderSetup, err)
	}
	c := newClient(p, toProvider, rp.Now, rp.Log)
	c.digest = digest
	if rp.clients == nil {
		rp.clients = make(map[string]*client)
	}
	rp.clients[p.Name] = c
	return c, nil
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
		"domain_hint": domainHint(p, d.HostedDomain), "max_age": maxAge(d.MaxAge), "acr_values": d.ACRValues,
	} {
		if value != "" {
			query.Set(name, value)
		}
	}
	address.RawQuery = query.Encode()
	return address.String(), nil
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
	return c.vouched(claims, raw, token.RefreshToken)
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

// maxHint bounds the ID token that is kept as a hint: it travels in an address.
const maxHint = 4 << 10

// vouched is what the claims say, in sign-in's words.
func (c *client) vouched(claims *claims, raw, refresh string) (signin.Vouched, error) {
	kept := tokens{Refresh: refresh, ID: raw}
	if len(raw) > maxHint {
		kept.ID = ""
	}
	text, err := json.Marshal(kept)
	if err != nil {
		return signin.Vouched{}, err
	}
	v := claims.vouched(c)
	v.Tokens, v.Refreshable = text, refresh != ""
	return v, nil
}

// redeem asks the token endpoint, proving who we are as the configuration says.
func (c *client) redeem(ctx context.Context, m metadata, parameters url.Values) (*oauth2.Token, error) {
	// The library calls this the client credentials grant; it is its one way to ask with whatever parameters.
	request := clientcredentials.Config{
		ClientID: c.config.ClientID, TokenURL: m.TokenEndpoint, AuthStyle: oauth2.AuthStyleInHeader, EndpointParams: parameters,
	}
	switch c.config.ClientAuthentication {
	case identityprovider.PrivateKeyJWT:
		assertion, err := c.assertion(m.TokenEndpoint)
		if err != nil {
			return nil, fmt.Errorf("%w: private key: %w", signin.ErrProviderSetup, err)
		}
		request.AuthStyle = oauth2.AuthStyleInParams
		parameters.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
		parameters.Set("client_assertion", assertion)
	default:
		secret, err := c.config.ClientSecret.Read() // each time: it may have been rotated
		if err != nil {
			return nil, fmt.Errorf("%w: %w", signin.ErrNoSecret, err)
		}
		request.ClientSecret = string(secret)
		if c.config.ClientAuthentication == identityprovider.ClientSecretPost {
			request.AuthStyle = oauth2.AuthStyleInParams
		}
	}
	token, err := request.Token(c.context(ctx))
	if err != nil {
		return nil, tokenError(err)
	}
	return token, nil
}

// tokenError turns an error of the token endpoint into what people can do about it.
func tokenError(err error) error {
	var refused *oauth2.RetrieveError
	var unreachable *url.Error
	switch {
	case errors.As(err, &refused):
		kind := signin.ErrProviderAnswer
		switch status := refused.Response.StatusCode; {
		case refused.ErrorCode == "invalid_client" || refused.ErrorCode == "unauthorized_client" || refused.ErrorCode == "unsupported_grant_type",
			refused.ErrorCode == "" && (status == 401 || status == 403):
			kind = signin.ErrProviderSetup
		case status >= 500 || status == 429 || refused.ErrorCode == "temporarily_unavailable" || refused.ErrorCode == "server_error":
			kind = signin.ErrProviderDown
		case refused.ErrorCode == "":
			kind = signin.ErrProviderDown // not an answer of a token endpoint
		}
		return &endpointError{kind: kind, code: refused.ErrorCode, text: fmt.Sprintf("token endpoint: status %d, %s",
			refused.Response.StatusCode, saidBy(refused.ErrorCode, refused.ErrorDescription))}
	case errors.As(err, &unreachable):
		return fmt.Errorf("%w: token endpoint: %w", signin.ErrProviderDown, err)
	default:
		return fmt.Errorf("%w: token endpoint: %w", signin.ErrProviderToken, err)
	}
}

// endpointError is a refusal of the token endpoint.
type endpointError struct {
	kind error
	code string // of RFC 6749, 5.2
	text string
}

func (e *endpointError) Error() string { return e.kind.Error() + ": " + e.text }
func (e *endpointError) Unwrap() error { return e.kind }
