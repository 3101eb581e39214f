package signin_test

import (
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse-iap/gatehouse/internal/identityprovider"
	"github.com/gatehouse-iap/gatehouse/internal/principal"
	"github.com/gatehouse-iap/gatehouse/internal/signin/oidctest"
)

// as makes the provider corp stand at another issuer, such as Google's own.
func (f *federation) as(t *testing.T, issuer string, configure func(*identityprovider.Provider)) {
	t.Helper()
	real := f.corp.Host()
	f.corp.Issuer = issuer
	host := strings.Split(strings.TrimPrefix(issuer, "https://"), "/")[0]
	path := strings.TrimSuffix(strings.TrimPrefix(issuer, "https://"+host), "/")
	served := http.StripPrefix(path, f.corp)
	f.outside[host] = served
	f.relying.Client = func(identityprovider.OIDCConfig) *http.Client {
		return &http.Client{Transport: into{host: host, handler: served}}
	}
	delete(f.outside, real)
	p := f.corpProvider()
	configure(&p)
	f.use(t, p)
}

// into sends the requests for one host into a handler.
type into struct {
	host    string
	handler http.Handler
}

func (i into) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Host != i.host {
		return nil, errors.New("no route to " + r.URL.Host)
	}
	recorder := httptest.NewRecorder()
	i.handler.ServeHTTP(recorder, r)
	return recorder.Result(), nil
}

// shape is a token as a provider gives it, and what becomes of it.
type shape struct {
	configure func(*identityprovider.Provider)
	claims    map[string]any
	header    map[string]any
	want      principal.Identity // Email empty: refused
	groups    []string
	cause     string
}

// Tokens in the shapes that the large providers give them, with what is odd about each. The real services cannot be
// reached from these tests; the shapes are from their documentation.
func TestTokensAsTheProvidersShapeThem(t *testing.T) {
	t.Parallel()
	for issuer, shapes := range map[string]map[string]shape{
		"https://accounts.google.com": googleShapes(),
		"https://login.microsoftonline.com/3a1f0000-0000-0000-0000-00000000beef/v2.0": entraShapes(),
		"https://corp.okta.com/oauth2/default":                                        oktaShapes(),
		"https://id.corp.example/realms/corp":                                         keycloakShapes(),
		"https://corp.eu.auth0.com/":                                                  auth0Shapes(),
		"https://gitlab.corp.example":                                                 gitlabShapes(),
		"https://authentik.corp.example/application/o/gatehouse/":                     authentikShapes(),
	} {
		for name, test := range shapes {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				test.try(t, issuer)
			})
		}
	}
}

// try signs in with the token.
func (test shape) try(t *testing.T, issuer string) {
	f := newFederation(t)
	f.as(t, issuer, test.configure)
	f.corp.As(oidctest.Person{Subject: "replaced", Claims: test.claims})
	f.corp.Bend(oidctest.Bends{Header: func(h map[string]any) { maps.Copy(h, test.header) }})
	p := newBrowser(t, f.world).get(appURL + "/")
	if test.cause != "" {
		f.logged(t, test.cause)
	}
	if test.want.Email == "" {
		f.nobody(t, p)
		return
	}
	p.wantHello(t, test.want.Email, appHost+"/")
	stored := f.sessions(t)
	if len(stored) != 1 {
		t.Fatalf("%d sessions\n%s", len(stored), f.log)
	}
	got := stored[0].Identity
	if test.want.Subject == "" && len(got.Subject) == 21 {
		got.Subject = "" // drawn
	}
	test.want.Kind, test.want.Provider = principal.User, "corp"
	if got != test.want || !slices.Equal(stored[0].Groups, test.groups) {
		t.Errorf("identity %+v, groups %q, want %+v, %q", got, stored[0].Groups, test.want, test.groups)
	}
}

func TestGoogleIsToldWhichOrganisationIsMeant(t *testing.T) {
	t.Parallel()
	f := newFederation(t)
	f.as(t, "https://accounts.google.com", func(*identityprovider.Provider) {})
	at := f.left(t, newBrowser(t, f.world))
	if hd := at.Query().Get("hd"); hd != "corp.example" {
		t.Errorf("hd=%q", hd)
	}
}
