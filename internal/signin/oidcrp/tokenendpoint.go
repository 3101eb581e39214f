package oidcrp

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/gatehouse-iap/gatehouse/internal/identityprovider"
	"github.com/gatehouse-iap/gatehouse/internal/signin"
)

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
		status, code := refused.Response.StatusCode, refused.ErrorCode
		return &endpointError{kind: endpointFault(status, code), code: code, status: status,
			text: fmt.Sprintf("token endpoint: status %d, %s", status, saidBy(code, refused.ErrorDescription))}
	case errors.As(err, &unreachable):
		return fmt.Errorf("%w: token endpoint: %w", signin.ErrProviderDown, err)
	default:
		return fmt.Errorf("%w: token endpoint: %w", signin.ErrProviderToken, err)
	}
}

// endpointFault says whose fault an answer of the token endpoint is, by its status and error code (RFC 6749, 5.2).
func endpointFault(status int, code string) error {
	switch code {
	case "invalid_client", "unauthorized_client", "unsupported_grant_type": // it speaks of us
		return signin.ErrProviderSetup
	case "server_error", "temporarily_unavailable", "slow_down":
		return signin.ErrProviderDown
	case "":
		if status == http.StatusUnauthorized || status == http.StatusForbidden {
			return signin.ErrProviderSetup
		}
		return signin.ErrProviderDown // not an answer of a token endpoint
	}
	if status >= 500 || status == http.StatusTooManyRequests {
		return signin.ErrProviderDown
	}
	return signin.ErrProviderAnswer
}

// endpointError is a refusal of the token endpoint.
type endpointError struct {
	kind   error
	code   string // of RFC 6749, 5.2
	status int
	text   string
}

func (e *endpointError) Error() string { return e.kind.Error() + ": " + e.text }
func (e *endpointError) Unwrap() error { return e.kind }
