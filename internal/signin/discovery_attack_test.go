package signin_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/gatehouse-iap/gatehouse/internal/signin/oidctest"
)

func TestAttacksOnDiscoveryAndEndpoints(t *testing.T) {
	t.Parallel()
	huge := `{"issuer":"` + strings.Repeat("a", 2<<20) + `"}`
	for name, test := range map[string]struct {
		bend  oidctest.Bends
		cause string
	}{
		"another issuer":                         {oidctest.Bends{Discovery: set("issuer", "https://evil.test")}, "evil.test"},
		"no issuer":                              {oidctest.Bends{Discovery: remove("issuer")}, "issuer"},
		"no token endpoint":                      {oidctest.Bends{Discovery: remove("token_endpoint")}, "token_endpoint"},
		"a token endpoint that is no URL":        {oidctest.Bends{Discovery: set("token_endpoint", "javascript:alert(1)")}, "token_endpoint"},
		"a token endpoint that is no text":       {oidctest.Bends{Discovery: set("token_endpoint", []string{"x"})}, "discovery"},
		"keys from a file":                       {oidctest.Bends{Discovery: set("jwks_uri", "file:///etc/passwd")}, "jwks_uri"},
		"an authorization endpoint with script":  {oidctest.Bends{Discovery: set("authorization_endpoint", "javascript:alert(1)")}, "authorization_endpoint"},
		"an endpoint with a password":            {oidctest.Bends{Discovery: set("token_endpoint", "https://a:b@evil.test/")}, "token_endpoint"},
		"an endpoint at the cloud's metadata":    {oidctest.Bends{Discovery: set("token_endpoint", "http://169.254.169.254/latest")}, "not a public address"},
		"keys in a private network":              {oidctest.Bends{Discovery: set("jwks_uri", "http://10.0.0.1/keys")}, "not a public address"},
		"keys in a private network, IPv6":        {oidctest.Bends{Discovery: set("jwks_uri", "http://[fd00::1]/keys")}, "not a public address"},
		"keys in a private network, mapped":      {oidctest.Bends{Discovery: set("jwks_uri", "http://[::ffff:10.0.0.1]/keys")}, "not a public address"},
		"discovery redirected":                   {oidctest.Bends{Serve: elsewhere("/.well-known/openid-configuration")}, "not followed"},
		"keys redirected":                        {oidctest.Bends{Serve: elsewhere("/keys")}, "not followed"},
		"the code redirected":                    {oidctest.Bends{Serve: elsewhere("/token")}, "not followed"},
		"discovery without end":                  {oidctest.Bends{Serve: says("/.well-known/openid-configuration", 200, huge)}, "larger than"},
		"keys without end":                       {oidctest.Bends{Serve: says("/keys", 200, huge)}, "larger than"},
		"a token answer without end":             {oidctest.Bends{Serve: says("/token", 200, huge)}, "token endpoint"},
		"discovery that is no JSON":              {oidctest.Bends{Serve: says("/.well-known/openid-configuration", 200, "<html>")}, "discovery"},
		"a token answer that is no JSON":         {oidctest.Bends{Serve: says("/token", 200, "<html>")}, "token endpoint"},
		"a token answer that says error and 200": {oidctest.Bends{Serve: says("/token", 200, `{"error":"invalid_grant"}`)}, "invalid_grant"},
		"a token answer without access token":    {oidctest.Bends{Token: remove("access_token")}, "access_token"},
		"a connection that ends":                 {oidctest.Bends{Serve: hangUp("/token")}, "token endpoint"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFederation(t)
			f.corp.Bend(test.bend)
			f.nobody(t, newBrowser(t, f.world).get(appURL+"/"))
			f.logged(t, test.cause)
			if f.corp.Calls("/elsewhere/token") != 0 {
				t.Error("code and secret were sent where a redirect led")
			}
		})
	}
}

// elsewhere answers a path with a redirect.
func elsewhere(path string) func(w http.ResponseWriter, r *http.Request) bool {
	return func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == path {
			http.Redirect(w, r, "http://"+r.Host+"/elsewhere"+path, http.StatusTemporaryRedirect)
		}
		return r.URL.Path == path
	}
}

// hangUp closes the connection without an answer.
func hangUp(path string) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path != path {
			return false
		}
		if conn, _, err := w.(http.Hijacker).Hijack(); err == nil {
			_ = conn.Close()
		}
		return true
	}
}
