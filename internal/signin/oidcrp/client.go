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
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"

	"github.com/gatehouse-iap/gatehouse/internal/identityprovider"
	"github.com/gatehouse-iap/gatehouse/internal/signin"
)

// client is our side of one provider.
type client struct {
	provider   identityprovider.Provider
	config     identityprovider.OIDCConfig
	configured [sha256.Size]byte // digest of the provider's configuration
	roots      []byte            // what caFile held
	http       *http.Client
	now        func() time.Time
	log        *slog.Logger
	metadata   *cached[metadata]
	keys       *cached[keySet]
	looked     lookups
}

// metadata is what we use of a discovery document.
type metadata struct {
	Issuer                string   `json:"issuer"`
	AuthorizationEndpoint string   `json:"authorization_endpoint"`
	TokenEndpoint         string   `json:"token_endpoint"`
	KeysURI               string   `json:"jwks_uri"`
	UserinfoEndpoint      string   `json:"userinfo_endpoint"`
	EndSessionEndpoint    string   `json:"end_session_endpoint"`
	Algorithms            []string `json:"id_token_signing_alg_values_supported"`
	// IssParameter says that answers have the parameter iss (RFC 9207).
	IssParameter bool `json:"authorization_response_iss_parameter_supported"`
}

func newClient(p identityprovider.Provider, toProvider *http.Client, now func() time.Time, log *slog.Logger) *client {
	c := &client{provider: p, config: *p.OIDC, http: toProvider, now: now, log: log.With("provider", p.Name)}
	failed := func(what string) func(error) {
		return func(err error) { c.log.Warn("the identity provider's "+what+" could not be fetched", "error", err) }
	}
	c.metadata = &cached[metadata]{fetch: c.discover, now: now, failed: failed("discovery document")}
	c.keys = &cached[keySet]{fetch: c.fetchKeys, now: now, failed: failed("keys")}
	return c
}

// context makes both libraries use our HTTP client.
func (c *client) context(ctx context.Context) context.Context { return oidc.ClientContext(ctx, c.http) }

// discover reads the discovery document. That it is the issuer's own is checked by the library.
func (c *client) discover(ctx context.Context) (metadata, error) {
	provider, err := oidc.NewProvider(c.context(ctx), c.config.Issuer)
	var mismatch *oidc.IssuerMismatchError
	switch {
	case errors.As(err, &mismatch):
		return metadata{}, fmt.Errorf("%w: discovery: %w", signin.ErrProviderSetup, err)
	case err != nil:
		return metadata{}, fmt.Errorf("%w: discovery: %w", signin.ErrProviderDown, err)
	}
	var raw map[string]json.RawMessage
	if err := provider.Claims(&raw); err != nil {
		return metadata{}, fmt.Errorf("%w: discovery: %w", signin.ErrProviderSetup, err)
	}
	var m metadata
	for name, into := range map[string]any{
		"issuer": &m.Issuer, "authorization_endpoint": &m.AuthorizationEndpoint, "token_endpoint": &m.TokenEndpoint,
		"jwks_uri": &m.KeysURI, "userinfo_endpoint": &m.UserinfoEndpoint, "end_session_endpoint": &m.EndSessionEndpoint,
		"id_token_signing_alg_values_supported": &m.Algorithms, "authorization_response_iss_parameter_supported": &m.IssParameter,
	} {
		if value, found := raw[name]; found {
			if err := json.Unmarshal(value, into); err != nil {
				return metadata{}, fmt.Errorf("%w: discovery: %s: %w", signin.ErrProviderSetup, name, err)
			}
		}
	}
	return m, c.checkMetadata(m)
}

// checkMetadata refuses a document that would send secrets or people where they must not go, and names early what
// would fail at every sign-in.
func (c *client) checkMetadata(m metadata) error {
	for name, address := range map[string]string{
		"authorization_endpoint": m.AuthorizationEndpoint, "token_endpoint": m.TokenEndpoint, "jwks_uri": m.KeysURI,
		"userinfo_endpoint": m.UserinfoEndpoint, "end_session_endpoint": m.EndSessionEndpoint,
	} {
		if address == "" && (name == "userinfo_endpoint" || name == "end_session_endpoint") {
			continue
		}
		u, err := url.Parse(address)
		if err != nil || u.Host == "" || u.User != nil || u.Fragment != "" ||
			u.Scheme != "https" && !(u.Scheme == "http" && strings.HasPrefix(c.config.Issuer, "http://")) {
			return fmt.Errorf("%w: discovery: %s %q is not an https URL", signin.ErrProviderSetup, name, address)
		}
	}
	if m.Issuer != c.config.Issuer {
		return fmt.Errorf("%w: discovery: it is of the issuer %q", signin.ErrProviderSetup, m.Issuer)
	}
	if len(m.Algorithms) > 0 && !slices.ContainsFunc(m.Algorithms, func(a string) bool { return slices.Contains(c.algorithms(), a) }) {
		return fmt.Errorf("%w: discovery: ID tokens are signed with %s, and oidc.algorithms takes only %s",
			signin.ErrProviderSetup, strings.Join(m.Algorithms, ", "), strings.Join(c.algorithms(), ", "))
	}
	return nil
}

// algorithms are those that ID tokens may be signed with, whatever their header or discovery says.
func (c *client) algorithms() []string {
	if len(c.config.Algorithms) > 0 {
		return c.config.Algorithms
	}
	return []string{"RS256", "ES256"}
}
