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
	path := strings.TrimPrefix(issuer, "https://"+host)
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

// Tokens in the shapes that the large providers give them, with what is odd about each. The real services cannot be
// reached from these tests; the shapes are from their documentation.
func TestTokensAsTheProvidersShapeThem(t *testing.T) {
	t.Parallel()
	const (
		google   = "https://accounts.google.com"
		entra    = "https://login.microsoftonline.com/3a1f0000-0000-0000-0000-00000000beef/v2.0"
		okta     = "https://corp.okta.com/oauth2/default"
		keycloak = "https://id.corp.example/realms/corp"
	)
	googlePerson := map[string]any{
		"azp": "0oa-corp", "sub": "110169484474386276334", "hd": "corp.example", "email": "alice@corp.example", "email_verified": true,
		"name": "Alice", "given_name": "Alice", "picture": "https://lh3.googleusercontent.com/a",
	}
	entraPerson := map[string]any{
		"sub": "AAAAAAAAAAAAAAAAAAAAAIkzqFVrSaSaFHy782bbtaQ", "oid": "00000000-0000-0000-66f3-3332eca7ea81", "tid": "3a1f0000-0000-0000-0000-00000000beef",
		"ver": "2.0", "name": "Alice", "preferred_username": "alice@corp.example", "rh": "0.AS8A", "uti": "Vz", "email": "Alice@corp.example", "aio": "Df2",
	}
	oktaPerson := map[string]any{
		"sub": "00uid4BxXw6I6TV4m0g3", "ver": 1, "amr": []string{"mfa", "otp", "pwd"}, "idp": "00ok1u7AsAkrwdZL3z0g3", "preferred_username": "alice@corp.example",
		"email": "alice@corp.example", "email_verified": true, "groups": []string{"Everyone", "admins"},
	}
	keycloakPerson := map[string]any{
		"sub": "f:2c1:alice", "typ": "ID", "azp": "0oa-corp", "sid": "6fd2", "acr": "1", "email": "alice@corp.example", "email_verified": true,
		"groups": []string{"/ops/admins", "/dev"}, "preferred_username": "alice", "aud": []string{"0oa-corp", "account"},
	}
	but := func(claims map[string]any, changes map[string]any) map[string]any {
		changed := maps.Clone(claims)
		for name, value := range changes {
			if changed[name] = value; value == nil {
				delete(changed, name)
			}
		}
		return changed
	}
	plain := func(*identityprovider.Provider) {}
	trust := func(p *identityprovider.Provider) { p.TrustEmail = true }
	domain := func(domains ...string) func(*identityprovider.Provider) {
		return func(p *identityprovider.Provider) { p.Domains = domains }
	}
	for name, test := range map[string]struct {
		issuer    string
		configure func(*identityprovider.Provider)
		claims    map[string]any
		header    map[string]any
		want      principal.Identity // Email empty: refused
		groups    []string
		cause     string
	}{
		"Google keeps its own subject": {
			issuer: google, configure: plain, claims: googlePerson,
			want: principal.Identity{Email: "alice@corp.example", Subject: "110169484474386276334", HostedDomain: "corp.example"},
		},
		"Google may write its issuer without scheme": {
			issuer: google, configure: plain, claims: but(googlePerson, map[string]any{"iss": "accounts.google.com"}),
			want: principal.Identity{Email: "alice@corp.example", Subject: "110169484474386276334", HostedDomain: "corp.example"},
		},
		"Google: a secondary domain has the hd of the primary one": {
			issuer: google, configure: domain("corp.example", "corp.test"), claims: but(googlePerson, map[string]any{"email": "alice@corp.test"}),
			want: principal.Identity{Email: "alice@corp.test", Subject: "110169484474386276334", HostedDomain: "corp.example"},
		},
		"Google: a personal account under an address of the company is not the company's": {
			issuer: google, configure: plain, claims: but(googlePerson, map[string]any{"hd": nil}), cause: "personal account",
		},
		"Google: another company's account": {
			issuer: google, configure: plain, claims: but(googlePerson, map[string]any{"email": "a@evil.test", "hd": "evil.test"}), cause: "not of a domain",
		},
		"Google: gmail.com is nobody's organisation": {
			issuer: google, configure: domain("gmail.com"), claims: but(googlePerson, map[string]any{"hd": nil, "email": "a.lice@gmail.com"}),
			want: principal.Identity{Email: "a.lice@gmail.com", Subject: "110169484474386276334"},
		},
		"Google: a subject that is no number": {
			issuer: google, configure: plain, claims: but(googlePerson, map[string]any{"sub": "alice"}), cause: "not a number",
		},
		"Entra sends no email_verified: taken on trust": {
			issuer: entra, configure: trust, claims: entraPerson, header: map[string]any{"x5t": "nOo3ZDrODXEK1jKWhXslHR_KXEg"},
			want: principal.Identity{Email: "alice@corp.example", HostedDomain: "corp.example"},
		},
		"Entra without trust": {issuer: entra, configure: plain, claims: entraPerson, cause: "email_verified is not true"},
		"Entra: a person without mailbox has no claim email": {
			issuer: entra, configure: trust, claims: but(entraPerson, map[string]any{"email": nil}), cause: "it sent none",
		},
		"Entra: the address from another claim": {
			issuer: entra, configure: func(p *identityprovider.Provider) { p.TrustEmail, p.OIDC.EmailClaim = true, "preferred_username" },
			claims: but(entraPerson, map[string]any{"email": "ceo@corp.example"}),
			want:   principal.Identity{Email: "alice@corp.example", HostedDomain: "corp.example"},
		},
		"Entra: an address that a tenant's administrator made up": {
			issuer: entra, configure: trust, claims: but(entraPerson, map[string]any{"email": "ceo@other.example"}), cause: "not of a domain",
		},
		"Entra: a guest's user name": {
			issuer: entra, configure: func(p *identityprovider.Provider) { p.TrustEmail, p.OIDC.EmailClaim = true, "preferred_username" },
			claims: but(entraPerson, map[string]any{"preferred_username": "pat_partner.example#EXT#@corp.onmicrosoft.com"}), cause: "not of a domain",
		},
		"Entra: a token of another tenant": {
			issuer: entra, configure: trust,
			claims: but(entraPerson, map[string]any{"iss": "https://login.microsoftonline.com/00000000-0000-0000-0000-000000000bad/v2.0"}), cause: "different provider",
		},
		"Entra: a token of version 1": {
			issuer: entra, configure: trust,
			claims: but(entraPerson, map[string]any{"iss": "https://sts.windows.net/3a1f0000-0000-0000-0000-00000000beef/", "ver": "1.0"}), cause: "different provider",
		},
		"Entra names groups by number": {
			issuer: entra, claims: but(entraPerson, map[string]any{"groups": []string{"8f1a", "77bb"}}),
			configure: func(p *identityprovider.Provider) {
				p.TrustEmail, p.Groups = true, &identityprovider.GroupsClaim{Table: map[string]string{"8f1a": "admins@corp.example"}}
			},
			want: principal.Identity{Email: "alice@corp.example", HostedDomain: "corp.example"}, groups: []string{"admins@corp.example"},
		},
		"Entra replaces many groups by a link: there are none, and the log says so": {
			issuer: entra, claims: but(entraPerson, map[string]any{
				"_claim_names": map[string]string{"groups": "src1"}, "_claim_sources": map[string]any{"src1": map[string]string{"endpoint": "https://graph.example"}},
			}),
			configure: func(p *identityprovider.Provider) {
				p.TrustEmail, p.Groups = true, &identityprovider.GroupsClaim{Template: "{value}@corp.example"}
			},
			want: principal.Identity{Email: "alice@corp.example", HostedDomain: "corp.example"}, cause: "left groups out of the token",
		},
		"Okta": {
			issuer: okta, claims: oktaPerson,
			configure: func(p *identityprovider.Provider) {
				p.Groups = &identityprovider.GroupsClaim{Template: "{value}@corp.example"}
			},
			want: principal.Identity{Email: "alice@corp.example", HostedDomain: "corp.example"}, groups: []string{"everyone@corp.example", "admins@corp.example"},
		},
		"Okta: the organisation's issuer in place of the authorization server's": {
			issuer: okta, configure: plain, claims: but(oktaPerson, map[string]any{"iss": "https://corp.okta.com"}), cause: "different provider",
		},
		"Okta: an address that waits for its confirmation": {
			issuer: okta, configure: plain, claims: but(oktaPerson, map[string]any{"email_verified": false}), cause: "email_verified is not true",
		},
		"Keycloak lists other audiences, and names us as the party": {
			issuer: keycloak, claims: keycloakPerson,
			configure: func(p *identityprovider.Provider) {
				p.Groups = &identityprovider.GroupsClaim{Table: map[string]string{"/ops/admins": "admins@corp.example"}}
			},
			want: principal.Identity{Email: "alice@corp.example", HostedDomain: "corp.example"}, groups: []string{"admins@corp.example"},
		},
		"Keycloak: another client's token that lists us": {
			issuer: keycloak, configure: plain, claims: but(keycloakPerson, map[string]any{"azp": "account"}), cause: "azp",
		},
		"Keycloak: people of its own user base are not verified unless it is told so": {
			issuer: keycloak, configure: plain, claims: but(keycloakPerson, map[string]any{"email_verified": false}), cause: "email_verified is not true",
		},
		"Keycloak says false: that is no trust to give": {
			issuer: keycloak, configure: trust, claims: but(keycloakPerson, map[string]any{"email_verified": false}), cause: "email_verified is not true",
		},
		"one group as text in place of a list": {
			issuer: keycloak, claims: but(keycloakPerson, map[string]any{"groups": "dev"}),
			configure: func(p *identityprovider.Provider) {
				p.Groups = &identityprovider.GroupsClaim{Template: "{value}@corp.example"}
			},
			want: principal.Identity{Email: "alice@corp.example", HostedDomain: "corp.example"}, groups: []string{"dev@corp.example"},
		},
		"a provider for every domain: addresses have no organisation": {
			issuer: keycloak, configure: domain("*"), claims: keycloakPerson, want: principal.Identity{Email: "alice@corp.example"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFederation(t)
			f.as(t, test.issuer, test.configure)
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
		})
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
