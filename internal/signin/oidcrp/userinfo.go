package oidcrp

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/gatehouse-iap/gatehouse/internal/signin"
)

// userinfo asks who the person behind an access token is (OpenID Connect Core, 5.3). Only https says that the answer
// is the provider's: it is asked for after a refresh that came without an ID token, and in place of none.
func (c *client) userinfo(ctx context.Context, m metadata, accessToken string) (*claims, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, m.UserinfoEndpoint, nil)
	if err != nil {
		return nil, fmt.Errorf("%w: userinfo: %w", signin.ErrProviderSetup, err)
	}
	request.Header.Set("Authorization", "Bearer "+accessToken)
	body, err := answerOf(c.http, request)
	var status *statusError
	switch {
	case errors.As(err, &status) && (status.code == http.StatusUnauthorized || status.code == http.StatusForbidden):
		return nil, fmt.Errorf("%w: userinfo: %w", signin.ErrProviderToken, err)
	case err != nil:
		return nil, fmt.Errorf("%w: userinfo: %w", signin.ErrProviderDown, err)
	}
	found := &claims{}
	if found.raw, err = members(body); err != nil {
		return nil, fmt.Errorf("%w: userinfo: %w", signin.ErrProviderToken, err)
	}
	if subject, err := found.text("sub"); err != nil || subject == "" {
		return nil, fmt.Errorf("%w: userinfo: it names nobody", signin.ErrProviderToken)
	}
	return found, nil
}
