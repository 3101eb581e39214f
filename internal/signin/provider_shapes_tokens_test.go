package signin_test

import (
	"maps"

	"github.com/gatehouse-iap/gatehouse/internal/identityprovider"
	"github.com/gatehouse-iap/gatehouse/internal/principal"
)

// but is claims with some changed; nil removes one.
func but(claims map[string]any, changes map[string]any) map[string]any {
	changed := maps.Clone(claims)
	for name, value := range changes {
		if changed[name] = value; value == nil {
			delete(changed, name)
		}
	}
	return changed
}

func plain(*identityprovider.Provider) {}

func trust(p *identityprovider.Provider) { p.TrustEmail = true }

func domain(domains ...string) func(*identityprovider.Provider) {
	return func(p *identityprovider.Provider) { p.Domains = domains }
}

// trustedIn takes the address on trust, from a claim.
func trustedIn(claim string) func(*identityprovider.Provider) {
	return func(p *identityprovider.Provider) { p.TrustEmail, p.OIDC.EmailClaim = true, claim }
}

// grouped reads groups from a claim, as they are under the company's domain.
func grouped(claim string) func(*identityprovider.Provider) {
	return func(p *identityprovider.Provider) {
		p.Groups = &identityprovider.GroupsClaim{Claim: claim, Template: "{value}@corp.example"}
	}
}

// alice is who is in, in most shapes.
var alice = principal.Identity{Email: "alice@corp.example", HostedDomain: "corp.example"}

func googleShapes() map[string]shape {
	person := map[string]any{
		"azp": "0oa-corp", "sub": "110169484474386276334", "hd": "corp.example", "email": "alice@corp.example", "email_verified": true,
		"name": "Alice", "given_name": "Alice", "picture": "https://lh3.googleusercontent.com/a",
	}
	return map[string]shape{
		"Google keeps its own subject": {
			configure: plain, claims: person,
			want: principal.Identity{Email: "alice@corp.example", Subject: "110169484474386276334", HostedDomain: "corp.example"},
		},
		"Google may write its issuer without scheme": {
			configure: plain, claims: but(person, map[string]any{"iss": "accounts.google.com"}),
			want: principal.Identity{Email: "alice@corp.example", Subject: "110169484474386276334", HostedDomain: "corp.example"},
		},
		"Google: a secondary domain has the hd of the primary one": {
			configure: domain("corp.example", "corp.test"), claims: but(person, map[string]any{"email": "alice@corp.test"}),
			want: principal.Identity{Email: "alice@corp.test", Subject: "110169484474386276334", HostedDomain: "corp.example"},
		},
		"Google: a personal account under an address of the company is not the company's": {
			configure: plain, claims: but(person, map[string]any{"hd": nil}), cause: "personal account",
		},
		"Google: another company's account": {
			configure: plain, claims: but(person, map[string]any{"email": "a@evil.test", "hd": "evil.test"}), cause: "not of a domain",
		},
		"Google: gmail.com is nobody's organisation": {
			configure: domain("gmail.com"), claims: but(person, map[string]any{"hd": nil, "email": "a.lice@gmail.com"}),
			want: principal.Identity{Email: "a.lice@gmail.com", Subject: "110169484474386276334"},
		},
		"Google: a subject that is no number": {
			configure: plain, claims: but(person, map[string]any{"sub": "alice"}), cause: "not a number",
		},
		"Google: an address that is not confirmed": {
			configure: plain, claims: but(person, map[string]any{"email_verified": false}), cause: "email_verified is not true",
		},
		"Google: confirmed in quotes, as its tokeninfo page writes it": {
			configure: plain, claims: but(person, map[string]any{"email_verified": "true"}), cause: "email_verified is not true",
		},
		"Google: an organisation that is no text": {
			configure: plain, claims: but(person, map[string]any{"hd": []string{"corp.example"}}), cause: "hd",
		},
		"Google: an organisation of somebody else's under an address of ours": {
			configure: plain, claims: but(person, map[string]any{"hd": "evil.test"}), cause: "hd is evil.test",
		},
	}
}

func entraShapes() map[string]shape {
	person := map[string]any{
		"sub": "AAAAAAAAAAAAAAAAAAAAAIkzqFVrSaSaFHy782bbtaQ", "oid": "00000000-0000-0000-66f3-3332eca7ea81", "tid": "3a1f0000-0000-0000-0000-00000000beef",
		"ver": "2.0", "name": "Alice", "preferred_username": "alice@corp.example", "rh": "0.AS8A", "uti": "Vz", "email": "Alice@corp.example", "aio": "Df2",
	}
	return map[string]shape{
		"Entra sends no email_verified: taken on trust": {
			configure: trust, claims: person, header: map[string]any{"x5t": "nOo3ZDrODXEK1jKWhXslHR_KXEg"},
			want: alice,
		},
		"Entra without trust": {configure: plain, claims: person, cause: "email_verified is not true"},
		"Entra: a person without mailbox has no claim email": {
			configure: trust, claims: but(person, map[string]any{"email": nil}), cause: "it sent none",
		},
		"Entra: the address from another claim": {
			configure: func(p *identityprovider.Provider) { p.TrustEmail, p.OIDC.EmailClaim = true, "preferred_username" },
			claims:    but(person, map[string]any{"email": "ceo@corp.example"}),
			want:      alice,
		},
		"Entra: an address that a tenant's administrator made up": {
			configure: trust, claims: but(person, map[string]any{"email": "ceo@other.example"}), cause: "not of a domain",
		},
		"Entra: a guest's user name": {
			configure: func(p *identityprovider.Provider) { p.TrustEmail, p.OIDC.EmailClaim = true, "preferred_username" },
			claims:    but(person, map[string]any{"preferred_username": "pat_partner.example#EXT#@corp.onmicrosoft.com"}), cause: "not of a domain",
		},
		"Entra: a token of another tenant": {
			configure: trust,
			claims:    but(person, map[string]any{"iss": "https://login.microsoftonline.com/00000000-0000-0000-0000-000000000bad/v2.0"}), cause: "different provider",
		},
		"Entra: a token of version 1": {
			configure: trust,
			claims:    but(person, map[string]any{"iss": "https://sts.windows.net/3a1f0000-0000-0000-0000-00000000beef/", "ver": "1.0"}), cause: "different provider",
		},
		"Entra names groups by number": {
			claims: but(person, map[string]any{"groups": []string{"8f1a", "77bb"}}),
			configure: func(p *identityprovider.Provider) {
				p.TrustEmail, p.Groups = true, &identityprovider.GroupsClaim{Table: map[string]string{"8f1a": "admins@corp.example"}}
			},
			want: alice, groups: []string{"admins@corp.example"},
		},
		"Entra replaces many groups by a link: there are none, and the log says so": {
			claims: but(person, map[string]any{
				"_claim_names": map[string]string{"groups": "src1"}, "_claim_sources": map[string]any{"src1": map[string]string{"endpoint": "https://graph.example"}},
			}),
			configure: func(p *identityprovider.Provider) {
				p.TrustEmail, p.Groups = true, &identityprovider.GroupsClaim{Template: "{value}@corp.example"}
			},
			want: alice, cause: "left groups out of the token",
		},
		"Entra: the address from upn, which has no say in email": {
			configure: trustedIn("upn"), claims: but(person, map[string]any{"upn": "alice@corp.example", "email": "ceo@corp.example"}), want: alice,
		},
		"Entra: a guest of this tenant, who has no upn": {
			configure: trustedIn("upn"), claims: but(person, map[string]any{"idp": "https://sts.windows.net/bad/"}), cause: "it sent none",
		},
		"Entra: the key set that all tenants share signs for one that is not ours": {
			configure: trust, claims: but(person, map[string]any{"iss": "https://login.microsoftonline.com/{tenantid}/v2.0"}), cause: "different provider",
		},
		"Entra: the owner of the domain is confirmed":             {configure: trust, claims: but(person, map[string]any{"xms_edov": true}), want: alice},
		"Entra: the owner of the domain is confirmed by number":   {configure: trust, claims: but(person, map[string]any{"xms_edov": 1}), want: alice},
		"Entra: the owner of the domain is confirmed in quotes":   {configure: trust, claims: but(person, map[string]any{"xms_edov": "1"}), want: alice},
		"Entra: a confirmed owner is no confirmed address":        {configure: plain, claims: but(person, map[string]any{"xms_edov": true}), cause: "email_verified is not true"},
		"Entra: the owner of the domain is not confirmed":         {configure: trust, claims: but(person, map[string]any{"xms_edov": false}), cause: "xms_edov"},
		"Entra: the owner is not confirmed, by number":            {configure: trust, claims: but(person, map[string]any{"xms_edov": 0}), cause: "xms_edov"},
		"Entra: what is said of the owner cannot be read":         {configure: trust, claims: but(person, map[string]any{"xms_edov": []bool{true}}), cause: "xms_edov"},
		"Entra: the owner of email says nothing of another claim": {configure: trustedIn("preferred_username"), claims: but(person, map[string]any{"xms_edov": false}), want: alice},
		"Entra says only that there are groups: there are none, and the log says so": {
			claims: but(person, map[string]any{"hasgroups": true}), want: alice, cause: "left groups out of the token",
			configure: func(p *identityprovider.Provider) { trust(p); grouped("")(p) },
		},
	}
}

func oktaShapes() map[string]shape {
	person := map[string]any{
		"sub": "00uid4BxXw6I6TV4m0g3", "ver": 1, "amr": []string{"mfa", "otp", "pwd"}, "idp": "00ok1u7AsAkrwdZL3z0g3", "preferred_username": "alice@corp.example",
		"email": "alice@corp.example", "email_verified": true, "groups": []string{"Everyone", "admins"},
	}
	return map[string]shape{
		"Okta": {
			claims: person,
			configure: func(p *identityprovider.Provider) {
				p.Groups = &identityprovider.GroupsClaim{Template: "{value}@corp.example"}
			},
			want: alice, groups: []string{"everyone@corp.example", "admins@corp.example"},
		},
		"Okta: the organisation's issuer in place of the authorization server's": {
			configure: plain, claims: but(person, map[string]any{"iss": "https://corp.okta.com"}), cause: "different provider",
		},
		"Okta: an address that waits for its confirmation": {
			configure: plain, claims: but(person, map[string]any{"email_verified": false}), cause: "email_verified is not true",
		},
		"Okta: the organisation's own server leaves the address to userinfo": {
			configure: plain, claims: but(person, map[string]any{"email": nil, "email_verified": nil}), cause: "it sent none",
		},
		"Okta: groups are read from no claim unless it is said which": {configure: plain, claims: person, want: alice},
		"Okta: a group with spaces in its name has no address": {
			configure: grouped(""), claims: but(person, map[string]any{"groups": []string{"Domain Admins", "dev"}}), want: alice, groups: []string{"dev@corp.example"},
		},
		"Okta: a group named like an address of another domain has none": {
			configure: grouped(""), claims: but(person, map[string]any{"groups": []string{"root@evil.test", "dev"}}), want: alice, groups: []string{"dev@corp.example"},
		},
	}
}

func keycloakShapes() map[string]shape {
	person := map[string]any{
		"sub": "f:2c1:alice", "typ": "ID", "azp": "0oa-corp", "sid": "6fd2", "acr": "1", "email": "alice@corp.example", "email_verified": true,
		"groups": []string{"/ops/admins", "/dev"}, "preferred_username": "alice", "aud": []string{"0oa-corp", "account"},
	}
	return map[string]shape{
		"Keycloak lists other audiences, and names us as the party": {
			claims: person,
			configure: func(p *identityprovider.Provider) {
				p.Groups = &identityprovider.GroupsClaim{Table: map[string]string{"/ops/admins": "admins@corp.example"}}
			},
			want: alice, groups: []string{"admins@corp.example"},
		},
		"Keycloak: another client's token that lists us": {
			configure: plain, claims: but(person, map[string]any{"azp": "account"}), cause: "azp",
		},
		"Keycloak: people of its own user base are not verified unless it is told so": {
			configure: plain, claims: but(person, map[string]any{"email_verified": false}), cause: "email_verified is not true",
		},
		"Keycloak says false: that is no trust to give": {
			configure: trust, claims: but(person, map[string]any{"email_verified": false}), cause: "email_verified is not true",
		},
		"Keycloak: a path of groups is not cut to its last name": {
			configure: grouped(""), claims: but(person, map[string]any{"groups": []string{"/sandbox/admins"}}), want: alice, groups: []string{"/sandbox/admins@corp.example"},
		},
		"Keycloak: realm roles under a name of their own": {
			configure: grouped("roles"), claims: but(person, map[string]any{"roles": []string{"admins", "offline_access"}}), want: alice,
			groups: []string{"admins@corp.example", "offline_access@corp.example"},
		},
		"Keycloak: roles within realm_access are no list of groups": {
			configure: grouped("realm_access"), claims: but(person, map[string]any{"realm_access": map[string]any{"roles": []string{"admins"}}}), want: alice,
		},
		"Keycloak: other audiences, and no party named": {configure: plain, claims: but(person, map[string]any{"azp": nil}), cause: "azp"},
		"Keycloak: the realm's name in another case": {
			configure: plain, claims: but(person, map[string]any{"iss": "https://id.corp.example/realms/Corp"}), cause: "different provider",
		},
		"Keycloak: its access token in place of the ID token": {
			configure: plain, claims: person, header: map[string]any{"typ": "at+jwt"}, cause: "type",
		},
		"one group as text in place of a list": {
			claims: but(person, map[string]any{"groups": "dev"}),
			configure: func(p *identityprovider.Provider) {
				p.Groups = &identityprovider.GroupsClaim{Template: "{value}@corp.example"}
			},
			want: alice, groups: []string{"dev@corp.example"},
		},
		"a provider for every domain: addresses have no organisation": {
			configure: domain("*"), claims: person, want: principal.Identity{Email: "alice@corp.example"},
		},
	}
}

func auth0Shapes() map[string]shape {
	const groups = "https://corp.example/groups"
	person := map[string]any{
		"sub": "auth0|5f7c8ec7c33c6c004bbafe82", "sid": "Zk", "nickname": "alice", "updated_at": "2026-01-01T00:00:00.000Z", "email": "alice@corp.example", "email_verified": true,
		groups: []string{"admins"},
	}
	return map[string]shape{
		"Auth0 ends its issuer with a slash, and its claims have addresses for names": {
			configure: grouped(groups), claims: person, want: alice, groups: []string{"admins@corp.example"},
		},
		"Auth0: the issuer without its slash": {
			configure: plain, claims: but(person, map[string]any{"iss": "https://corp.eu.auth0.com"}), cause: "different provider",
		},
		"Auth0: whoever signed up there has confirmed nothing yet": {
			configure: plain, claims: but(person, map[string]any{"email_verified": false}), cause: "email_verified is not true",
		},
		"Auth0: a database of one's own that says true in quotes": {
			configure: plain, claims: but(person, map[string]any{"email_verified": "true"}), cause: "email_verified is not true",
		},
	}
}

func gitlabShapes() map[string]shape {
	person := map[string]any{
		"sub": "42", "sub_legacy": "8d1f", "auth_time": 1700000000, "nickname": "alice", "email": "alice@corp.example", "email_verified": true,
		"groups_direct": []string{"corp/admins", "corp/dev"},
	}
	return map[string]shape{
		"GitLab names groups by path, and only some of them": {
			claims: person, want: alice, groups: []string{"admins@corp.example"},
			configure: func(p *identityprovider.Provider) {
				p.Groups = &identityprovider.GroupsClaim{Claim: "groups_direct", Table: map[string]string{"corp/admins": "admins@corp.example"}}
			},
		},
		"GitLab: an address that was not confirmed": {
			configure: plain, claims: but(person, map[string]any{"email_verified": false}), cause: "email_verified is not true",
		},
	}
}

func authentikShapes() map[string]shape {
	person := map[string]any{
		"sub": "b2f1", "acr": "goauthentik.io/providers/oauth2/default", "amr": []string{"pwd", "mfa"}, "uid": "x", "email": "alice@corp.example",
		"email_verified": true, "groups": []string{"admins", "authentik Admins"},
	}
	return map[string]shape{
		"authentik: an issuer for each application, and a group with a space": {
			configure: grouped(""), claims: person, want: alice, groups: []string{"admins@corp.example"},
		},
		"authentik says false unless it is told otherwise": {
			configure: trust, claims: but(person, map[string]any{"email_verified": false}), cause: "email_verified is not true",
		},
	}
}
