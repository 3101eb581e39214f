package identityprovider_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/gatehouse-iap/gatehouse/internal/identityprovider"
)

type (
	provider = identityprovider.Provider
	config   = identityprovider.OIDCConfig
	ldap     = identityprovider.LDAPConfig
	groups   = identityprovider.GroupsClaim
)

var secret = &identityprovider.Secret{File: "/run/secrets/oidc"}

// okta is a provider without fault.
func okta() provider {
	return provider{
		Name: "okta", Kind: identityprovider.OIDC, Domains: []string{"corp.example"},
		OIDC: &config{Issuer: "https://corp.okta.example", ClientID: "0oa1", ClientSecret: secret},
	}
}

func dirServer() provider {
	return provider{
		Name: "ldap", Kind: identityprovider.LDAP, Domains: []string{"lab.example"},
		LDAP: &ldap{URL: "ldaps://ldap.lab.example", UserBase: "ou=people"},
	}
}

func TestProvidersThatAreTaken(t *testing.T) {
	t.Parallel()
	for name, p := range map[string]provider{
		"the least": okta(),
		"everything": {
			Name: "entra-2", Kind: identityprovider.OIDC, DisplayName: "Entra", Domains: []string{"corp.example", "b.example"}, TrustEmail: true,
			Groups: &groups{Claim: "roles", Table: map[string]string{"8f1": "admins@corp.example"}},
			OIDC: &config{
				Issuer: "https://login.microsoftonline.com/3a1/v2.0", ClientID: "a b"[:1], ClientAuthentication: identityprovider.PrivateKeyJWT,
				PrivateKey: secret, Scopes: []string{"offline_access"}, Algorithms: []string{"PS256"}, Prompt: "select_account", EmailClaim: "upn",
			},
		},
		"every domain that nobody lists": with(okta(), func(p *provider) { p.Domains = []string{"*"} }),
		"http on this machine":           with(okta(), func(p *provider) { p.OIDC.Issuer = "http://127.0.0.1:5556/dex" }),
		"http by a name of this machine": with(okta(), func(p *provider) { p.OIDC.Issuer = "http://dex.localhost:5556" }),
		"http in a private network":      with(okta(), func(p *provider) { p.OIDC.Issuer, p.OIDC.AllowPrivateAddresses = "http://dex:5556", true }),
		"a template":                     with(okta(), func(p *provider) { p.Groups = &groups{Template: "{value}@corp.example"} }),
		"a directory server":             dirServer(),
		"plain LDAP on this machine":     with(dirServer(), func(p *provider) { p.LDAP.URL = "ldap://127.0.0.1:389" }),
		"our own directory":              {Name: "local", Kind: identityprovider.Local, Domains: []string{"*"}},
	} {
		if err := p.Validate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func with(p provider, change func(*provider)) provider {
	change(&p)
	return p
}

func TestProvidersThatAreRefused(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change func(*provider)
		says   string
	}{
		"a name that is none":                        {func(p *provider) { p.Name = "Okta" }, "lower-case letters"},
		"another kind under the name of ours":        {func(p *provider) { p.Name = "local" }, `kind "local", and no other`},
		"no kind":                                    {func(p *provider) { p.Kind = "" }, "not one of oidc"},
		"no configuration":                           {func(p *provider) { p.OIDC = nil }, "needs the part oidc"},
		"that of another kind":                       {func(p *provider) { p.LDAP = &ldap{} }, "of kind ldap only"},
		"no domains":                                 {func(p *provider) { p.Domains = nil }, "domains is empty"},
		"a domain twice":                             {func(p *provider) { p.Domains = []string{"a.b", "a.b"} }, "twice"},
		"a domain in capitals":                       {func(p *provider) { p.Domains = []string{"Corp.example"} }, `written "corp.example"`},
		"a domain with a dot at the end":             {func(p *provider) { p.Domains = []string{"corp.example."} }, "empty"},
		"a wildcard within a domain":                 {func(p *provider) { p.Domains = []string{"*.corp.example"} }, "other than letters"},
		"a look-alike of a domain":                   {func(p *provider) { p.Domains = []string{"cоrp.example"} }, "other than letters"},
		"a domain of service accounts":               {func(p *provider) { p.Domains = []string{"dev-project.iam.gserviceaccount.com"} }, "always local"},
		"* beside others":                            {func(p *provider) { p.Domains = []string{"*", "a.b"} }, "stands alone"},
		"trustEmail for every domain":                {func(p *provider) { p.TrustEmail, p.Domains = true, []string{"*"} }, "explicit domains"},
		"trustEmail for everybody's issuer":          {func(p *provider) { p.TrustEmail, p.OIDC.Issuer = true, "https://accounts.google.com" }, "one organisation"},
		"an issuer of all tenants":                   {func(p *provider) { p.OIDC.Issuer = "https://login.microsoftonline.com/common/v2.0" }, "your own tenant"},
		"an issuer of all tenants, of another cloud": {func(p *provider) { p.OIDC.Issuer = "https://login.microsoftonline.us/organizations/v2.0" }, "your own tenant"},
		"an issuer of all tenants, in capitals":      {func(p *provider) { p.OIDC.Issuer = "https://Login.MicrosoftOnline.com/Common/v2.0" }, "your own tenant"},
		"discovery's word for any tenant":            {func(p *provider) { p.OIDC.Issuer = "https://login.microsoftonline.com/{tenantid}/v2.0" }, "your own tenant"},
		"an issuer of personal accounts": {func(p *provider) {
			p.OIDC.Issuer = "https://login.microsoftonline.com/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0"
		}, "your own tenant"},
		"an issuer over http":                        {func(p *provider) { p.OIDC.Issuer = "http://okta.example" }, "must be https"},
		"an issuer with a query":                     {func(p *provider) { p.OIDC.Issuer += "?x" }, "URL of an issuer"},
		"an issuer with a password":                  {func(p *provider) { p.OIDC.Issuer = "https://a:b@okta.example" }, "URL of an issuer"},
		"an issuer that is no URL":                   {func(p *provider) { p.OIDC.Issuer = "okta.example" }, "URL of an issuer"},
		"no client id":                               {func(p *provider) { p.OIDC.ClientID = "" }, "clientId"},
		"no secret":                                  {func(p *provider) { p.OIDC.ClientSecret = nil }, "clientSecret is missing"},
		"a secret from two places":                   {func(p *provider) { p.OIDC.ClientSecret = &identityprovider.Secret{File: "a", Env: "b"} }, "exactly one"},
		"a secret from nowhere":                      {func(p *provider) { p.OIDC.ClientSecret = &identityprovider.Secret{} }, "exactly one"},
		"a private key that is not used":             {func(p *provider) { p.OIDC.PrivateKey = secret }, "private_key_jwt"},
		"private_key_jwt without key":                {func(p *provider) { p.OIDC.ClientAuthentication = identityprovider.PrivateKeyJWT }, "privateKey is missing"},
		"a way of authentication that is none":       {func(p *provider) { p.OIDC.ClientAuthentication = "none" }, "client_secret_basic"},
		"an algorithm with a shared secret":          {func(p *provider) { p.OIDC.Algorithms = []string{"HS256"} }, "algorithms"},
		"no algorithm at all":                        {func(p *provider) { p.OIDC.Algorithms = []string{"none"} }, "algorithms"},
		"an acr with a space in it":                  {func(p *provider) { p.OIDC.SecondFactorACRValues = []string{"2 3"} }, "secondFactorAcrValues"},
		"an empty acr":                               {func(p *provider) { p.OIDC.SecondFactorACRValues = []string{""} }, "secondFactorAcrValues"},
		"prompt=none":                                {func(p *provider) { p.OIDC.Prompt = "none" }, "prompt"},
		"an address from a claim nobody has checked": {func(p *provider) { p.OIDC.EmailClaim = "upn" }, "trustEmail"},
		"two ways to groups":                         {func(p *provider) { p.Groups = &groups{Template: "{value}@corp.example", Table: map[string]string{}} }, "use one"},
		"a template without place":                   {func(p *provider) { p.Groups = &groups{Template: "x@corp.example"} }, "{value} once"},
		"a template of another's domain":             {func(p *provider) { p.Groups = &groups{Template: "{value}@b.example"} }, "not authoritative"},
		"a table of another's domain":                {func(p *provider) { p.Groups = &groups{Table: map[string]string{"a": "a@b.example"}} }, "not authoritative"},
		"a table of something else":                  {func(p *provider) { p.Groups = &groups{Table: map[string]string{"a": "admins"}} }, "exactly one @"},
	} {
		p := okta()
		test.change(&p)
		if err := p.Validate(); !errors.Is(err, identityprovider.ErrInvalid) || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: %v, want one that says %q", name, err, test.says)
		}
	}
	for name, change := range map[string]func(*provider){
		"passwords in the clear":        func(p *provider) { p.LDAP.URL = "ldap://ldap.lab.example" },
		"a password in the URL":         func(p *provider) { p.LDAP.URL = "ldaps://a:b@ldap.lab.example" },
		"startTls in TLS":               func(p *provider) { p.LDAP.StartTLS = true },
		"a name without password":       func(p *provider) { p.LDAP.BindDN = "cn=x" },
		"a password without name":       func(p *provider) { p.LDAP.BindPassword = secret },
		"no base":                       func(p *provider) { p.LDAP.UserBase = "" },
		"a filter that is not about me": func(p *provider) { p.LDAP.UserFilter = "(objectClass=*)" },
		"a filter that does not parse":  func(p *provider) { p.LDAP.UserFilter = "(&(mail={email})" },
		"a group filter that does not parse": func(p *provider) {
			p.LDAP.GroupBase, p.LDAP.GroupFilter = "ou=groups", "member={dn})("
		},
		"a base that is no name":        func(p *provider) { p.LDAP.UserBase = "people" },
		"a group base that is no name":  func(p *provider) { p.LDAP.GroupBase = "ou=a,,b" },
		"an attribute that is a filter": func(p *provider) { p.LDAP.EmailAttribute = "mail=*)(x" },
		"groups asked for elsewhere":    func(p *provider) { p.Groups = &groups{Lookup: "https://graph.example/"} },
		"groups without base":           func(p *provider) { p.LDAP.GroupFilter = "(member={dn})" },
		"trustEmail":                    func(p *provider) { p.TrustEmail = true },
	} {
		p := dirServer()
		change(&p)
		if err := p.Validate(); !errors.Is(err, identityprovider.ErrInvalid) {
			t.Errorf("LDAP with %s: %v", name, err)
		}
	}
}

func TestAllFaultsAreNamedAtOnce(t *testing.T) {
	t.Parallel()
	err := provider{Name: "Okta", Kind: identityprovider.OIDC, OIDC: &config{}}.Validate()
	for _, part := range []string{"name", "domains", "issuer", "clientId", "clientSecret"} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%v does not name %s", err, part)
		}
	}
}

func TestProvidersMustFitTogether(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change func(*provider)
		says   string
	}{
		"the same domain":    {func(p *provider) { p.Domains = []string{"corp.example"} }, "only one may vouch"},
		"the same name":      {func(p *provider) { p.Name = "okta" }, "two providers are called"},
		"the same issuer":    {func(p *provider) { p.OIDC.Issuer = "https://corp.okta.example" }, "one provider"},
		"the same client id": {func(p *provider) { p.OIDC.ClientID = "0oa1" }, "redirect URI"},
	} {
		other := okta()
		other.Name, other.Domains = "other", []string{"other.example"}
		other.OIDC = &config{Issuer: "https://other.example", ClientID: "other", ClientSecret: secret}
		if err := identityprovider.ValidateAll([]provider{okta(), other}); err != nil {
			t.Fatal(err)
		}
		test.change(&other)
		if err := identityprovider.ValidateAll([]provider{okta(), other}); !errors.Is(err, identityprovider.ErrInvalid) || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
	everybody := []provider{
		with(okta(), func(p *provider) { p.Domains = []string{"*"} }),
		{Name: "local", Kind: identityprovider.Local, Domains: []string{"*"}},
	}
	if err := identityprovider.ValidateAll(everybody); err == nil {
		t.Error("two providers for every domain fit together")
	}
}
