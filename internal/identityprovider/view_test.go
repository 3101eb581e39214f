package identityprovider_test

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/gatehouse-iap/gatehouse/internal/identityprovider"
	"github.com/gatehouse-iap/gatehouse/internal/principal"
)

func user(provider, email string) principal.Identity {
	return principal.Identity{Kind: principal.User, Provider: provider, Subject: "1", Email: email}
}

func TestWhoMayVouchForWhom(t *testing.T) {
	t.Parallel()
	off := okta()
	off.Name, off.Domains, off.Disabled = "off", []string{"old.example"}, true
	rest := provider{Name: "local", Kind: identityprovider.Local, Domains: []string{"*"}}
	view := identityprovider.NewView([]provider{okta(), rest, off})
	for name, test := range map[string]struct {
		who  principal.Identity
		want bool
	}{
		"the provider of the domain":               {user("okta", "a@corp.example"), true},
		"another provider of a listed domain":      {user("local", "a@corp.example"), false},
		"the provider of the rest":                 {user("local", "a@anywhere.example"), true},
		"a provider outside its domains":           {user("okta", "a@anywhere.example"), false},
		"a subdomain is another domain":            {user("okta", "a@sub.corp.example"), false},
		"a provider that is switched off":          {user("off", "a@old.example"), false},
		"its domain does not fall to the rest":     {user("local", "a@old.example"), false},
		"a provider that does not exist":           {user("gone", "a@anywhere.example"), false},
		"nobody":                                   {principal.Identity{}, false},
		"a service account of our own":             {principal.Identity{Kind: principal.ServiceAccount, Provider: "local", Email: "r@corp.example"}, true},
		"a service account that a provider claims": {principal.Identity{Kind: principal.ServiceAccount, Provider: "okta", Email: "r@corp.example"}, false},
	} {
		if got := view.Vouches(test.who); got != test.want {
			t.Errorf("%s: %v", name, got)
		}
	}
	if got := len(view.Enabled()); got != 2 {
		t.Errorf("%d providers are switched on", got)
	}
}

func TestWithoutProvidersOurOwnDirectoryVouchesForEverybody(t *testing.T) {
	t.Parallel()
	view := identityprovider.NewView(nil)
	if !view.Vouches(user("local", "a@corp.example")) || view.Vouches(user("okta", "a@corp.example")) {
		t.Error("somebody else vouches")
	}
	if view := identityprovider.NewView([]provider{okta()}); view.Vouches(user("local", "a@anywhere.example")) {
		t.Error("our own directory vouches although providers are configured and it is none of them")
	}
}

func TestNoProviderVouchesForAddressesOfServiceAccounts(t *testing.T) {
	t.Parallel()
	view := identityprovider.NewView([]provider{with(okta(), func(p *provider) { p.Domains = []string{"*"} })})
	if view.Vouches(user("okta", "robot@dev-project.iam.gserviceaccount.com")) || !view.Vouches(user("okta", "a@anywhere.example")) {
		t.Error("a provider for every domain vouches for a program")
	}
}

func TestADomainThatTwoProvidersClaimIsNobodys(t *testing.T) {
	t.Parallel()
	second := okta()
	second.Name = "second"
	view := identityprovider.NewView([]provider{okta(), second})
	if view.Vouches(user("okta", "a@corp.example")) || view.Vouches(user("second", "a@corp.example")) {
		t.Error("one of them may vouch")
	}
}

func TestGroupsFromClaims(t *testing.T) {
	t.Parallel()
	values := []string{"Admins@Corp.example", "dev", "/ops", "dev"}
	for name, test := range map[string]struct {
		groups *groups
		want   []string
	}{
		"without mapping there are none":        {nil, nil},
		"values are addresses":                  {&groups{}, []string{"admins@corp.example"}},
		"a template makes addresses":            {&groups{Template: "{value}@corp.example"}, []string{"dev@corp.example", "/ops@corp.example"}},
		"a table names some and drops the rest": {&groups{Table: map[string]string{"/ops": "ops@corp.example"}}, []string{"ops@corp.example"}},
	} {
		if got := test.groups.Addresses(values); !reflect.DeepEqual(got, test.want) {
			t.Errorf("%s: %q", name, got)
		}
	}
}

func TestSecretsAreReadWhereTheyAre(t *testing.T) {
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte("s3cret\r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("GATEHOUSE_TEST_SECRET", "from env")
	for want, s := range map[string]*identityprovider.Secret{"s3cret": {File: file}, "from env": {Env: "GATEHOUSE_TEST_SECRET"}} {
		if got, err := s.Read(); err != nil || string(got) != want {
			t.Errorf("%s: %q, %v", s, got, err)
		}
	}
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, []byte("\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, s := range []*identityprovider.Secret{nil, {File: file + "x"}, {File: empty}, {Env: "GATEHOUSE_TEST_NO_SECRET"}} {
		if got, err := s.Read(); err == nil || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%v: %q, %v", s, got, err)
		}
	}
}

func TestAProviderMayNameTheGroupsThatItsConfigurationLeadsTo(t *testing.T) {
	t.Parallel()
	table := &groups{Table: map[string]string{"8f1": "Admins@corp.example"}}
	for name, test := range map[string]struct {
		provider provider
		want     bool
	}{
		"no groups are read":          {okta(), false},
		"as they are":                 {with(okta(), func(p *provider) { p.Groups = &groups{} }), true},
		"of another domain":           {with(okta(), func(p *provider) { p.Groups, p.Domains = &groups{}, []string{"b.example"} }), false},
		"of any domain":               {with(okta(), func(p *provider) { p.Groups, p.Domains = &groups{}, []string{"*"} }), true},
		"by a table":                  {with(okta(), func(p *provider) { p.Groups = table }), true},
		"by a table without it":       {with(okta(), func(p *provider) { p.Groups = &groups{Table: map[string]string{"8f1": "dev@corp.example"}} }), false},
		"of a provider switched off":  {with(okta(), func(p *provider) { p.Groups, p.Disabled = &groups{}, true }), false},
		"a directory without groups":  {with(dirServer(), func(p *provider) { p.Domains = []string{"corp.example"} }), false},
		"a directory that has groups": {with(dirServer(), func(p *provider) { p.Domains, p.LDAP.GroupBase = []string{"corp.example"}, "ou=groups" }), true},
	} {
		if got := test.provider.MayName("admins@corp.example"); got != test.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
