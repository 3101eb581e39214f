package oidcrp

import (
	"errors"
	"log/slog"
	"net/http"
	"testing"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/identityprovider"
	"github.com/gatehouse-iap/gatehouse/internal/signin"
)

// A provider over https sends nobody, and no secret, to anything that is not.
func TestEveryEndpointOfAnHTTPSIssuerIsHTTPS(t *testing.T) {
	t.Parallel()
	good := metadata{
		Issuer: "https://idp.example", AuthorizationEndpoint: "https://idp.example/authorize", TokenEndpoint: "https://token.example/token?x=1",
		KeysURI: "https://keys.example/keys",
	}
	c := newClient(identityprovider.Provider{OIDC: &identityprovider.OIDCConfig{Issuer: good.Issuer}}, http.DefaultClient, time.Now, slog.New(slog.DiscardHandler))
	if err := c.checkMetadata(good); err != nil {
		t.Fatal(err)
	}
	for _, address := range []string{"", "http://idp.example/x", "ftp://idp.example/x", "//idp.example/x", "/x", "https:///x", "https://a@idp.example/", "https://idp.example/#x", "https://idp.example:x/"} {
		for name, change := range map[string]func(*metadata){
			"authorization": func(m *metadata) { m.AuthorizationEndpoint = address },
			"token":         func(m *metadata) { m.TokenEndpoint = address },
			"keys":          func(m *metadata) { m.KeysURI = address },
			"end of session": func(m *metadata) {
				if m.EndSessionEndpoint = address; address == "" {
					m.TokenEndpoint = "" // only here nothing is something
				}
			},
		} {
			bad := good
			change(&bad)
			if err := c.checkMetadata(bad); !errors.Is(err, signin.ErrProviderSetup) {
				t.Errorf("%s endpoint %q: %v", name, address, err)
			}
		}
	}
}
