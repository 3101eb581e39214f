package settings

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

func access(a AccessSettings) IapSettings           { return IapSettings{AccessSettings: &a} }
func application(a ApplicationSettings) IapSettings { return IapSettings{ApplicationSettings: &a} }

func reauth(method ReauthMethod, age time.Duration, policy ReauthPolicyType) IapSettings {
	return access(AccessSettings{ReauthSettings: &ReauthSettings{Method: method, MaxAge: age, PolicyType: policy}})
}

func domains(list ...string) IapSettings {
	return access(AccessSettings{AllowedDomainsSettings: &AllowedDomainsSettings{Enable: ptr(true), Domains: list}})
}

func deniedPage(uri string) IapSettings {
	return application(ApplicationSettings{AccessDeniedPageSettings: &AccessDeniedPageSettings{AccessDeniedPageURI: &uri}})
}

func TestSettingsThatWouldHarmAreRefused(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", 600)
	for name, c := range map[string]struct {
		settings IapSettings
		path     string
	}{
		"reauthentication every minute":             {reauth(ReauthLogin, time.Minute, ReauthMinimum), "accessSettings.reauthSettings.maxAge"},
		"a second less than five minutes":           {reauth(ReauthLogin, 299*time.Second, ReauthMinimum), "accessSettings.reauthSettings.maxAge"},
		"reauthentication without a method":         {reauth("", time.Hour, ReauthMinimum), "accessSettings.reauthSettings"},
		"reauthentication without an age":           {reauth(ReauthLogin, 0, ReauthMinimum), "accessSettings.reauthSettings"},
		"reauthentication without a policy type":    {reauth(ReauthLogin, time.Hour, ""), "accessSettings.reauthSettings"},
		"an unknown method":                         {reauth("FACE", time.Hour, ReauthMinimum), "accessSettings.reauthSettings.method"},
		"an unknown policy type":                    {reauth(ReauthLogin, time.Hour, "MAXIMUM"), "accessSettings.reauthSettings.policyType"},
		"a wildcard on a top-level domain":          {domains("ok.test", "*.com"), "accessSettings.allowedDomainsSettings.domains[1]"},
		"a wildcard on a suffix of a registry":      {domains("*.co.uk"), "accessSettings.allowedDomainsSettings.domains[0]"},
		"a wildcard on a suffix of a company":       {domains("*.APPSPOT.com"), "accessSettings.allowedDomainsSettings.domains[0]"},
		"a wildcard in the middle":                  {domains("a.*.example.com"), "accessSettings.allowedDomainsSettings.domains[0]"},
		"a wildcard for everything":                 {domains("*"), "accessSettings.allowedDomainsSettings.domains[0]"},
		"a wildcard for nothing":                    {domains("*."), "accessSettings.allowedDomainsSettings.domains[0]"},
		"a URL for a domain":                        {domains("https://a.test"), "accessSettings.allowedDomainsSettings.domains[0]"},
		"a port":                                    {domains("a.test:443"), "accessSettings.allowedDomainsSettings.domains[0]"},
		"a page without a scheme":                   {deniedPage("help.example.com"), "applicationSettings.accessDeniedPageSettings.accessDeniedPageUri"},
		"a page that is a script":                   {deniedPage("javascript:alert(1)"), "applicationSettings.accessDeniedPageSettings.accessDeniedPageUri"},
		"a page without a host":                     {deniedPage("https:///x"), "applicationSettings.accessDeniedPageSettings.accessDeniedPageUri"},
		"a page relative to the scheme":             {deniedPage("//evil.test/"), "applicationSettings.accessDeniedPageSettings.accessDeniedPageUri"},
		"a page with a user":                        {deniedPage("https://bank.example@evil.test/"), "applicationSettings.accessDeniedPageSettings.accessDeniedPageUri"},
		"a page with a backslash":                   {deniedPage(`https://a.test\@evil.test`), "applicationSettings.accessDeniedPageSettings.accessDeniedPageUri"},
		"a page that splits a header":               {deniedPage("https://a.test/\r\nX: y"), "applicationSettings.accessDeniedPageSettings.accessDeniedPageUri"},
		"a page without an end":                     {deniedPage("https://a.test/" + strings.Repeat("a", 2048)), "applicationSettings.accessDeniedPageSettings.accessDeniedPageUri"},
		"a cookie domain with a wildcard":           {application(ApplicationSettings{CookieDomain: ptr("*.example.com")}), "applicationSettings.cookieDomain"},
		"a cookie domain that ends the attribute":   {application(ApplicationSettings{CookieDomain: ptr("example.com; Path=/x")}), "applicationSettings.cookieDomain"},
		"a cookie domain that is an address":        {application(ApplicationSettings{CookieDomain: ptr("10.0.0.1")}), "applicationSettings.cookieDomain"},
		"a login hint that adds parameters, spaced": {access(AccessSettings{OAuthSettings: &OAuthSettings{LoginHint: ptr("a b")}}), "accessSettings.oauthSettings.loginHint"},
		"a login hint without an end":               {access(AccessSettings{OAuthSettings: &OAuthSettings{LoginHint: &long}}), "accessSettings.oauthSettings.loginHint"},
		"an empty client id":                        {access(AccessSettings{OAuthSettings: &OAuthSettings{ProgrammaticClients: []string{""}}}), "accessSettings.oauthSettings.programmaticClients[0]"},
		"an RCToken audience with a line break":     {application(ApplicationSettings{CSMSettings: &CSMSettings{RCTokenAud: ptr("a\nb")}}), "applicationSettings.csmSettings.rctokenAud"},
		"an RCToken audience that is a resource's":  {application(ApplicationSettings{CSMSettings: &CSMSettings{RCTokenAud: ptr("/projects/1/global/backendServices/2")}}), "applicationSettings.csmSettings.rctokenAud"},
		"an expression without an end": {application(ApplicationSettings{AttributePropagationSettings: &AttributePropagationSettings{Expression: ptr(strings.Repeat("x", MaxExpression+1))}}),
			"applicationSettings.attributePropagationSettings.expression"},
		"an expression that its room refuses": {application(ApplicationSettings{AttributePropagationSettings: &AttributePropagationSettings{Expression: ptr("nonsense(")}}),
			"applicationSettings.attributePropagationSettings.expression"},
	} {
		rules := Rules{ValidateExpression: func(s string) error {
			if s == "nonsense(" {
				return errors.New("no")
			}
			return nil
		}}
		_, err := rules.Canonical(c.settings)
		var faults Faults
		if !errors.As(err, &faults) || !errors.Is(err, ErrInvalid) || !slices.ContainsFunc(faults, func(f Fault) bool { return f.Path == c.path }) {
			t.Errorf("%s: %v, want a fault of %s", name, err, c.path)
		}
	}
}

func TestSettingsThatAreInOrderAreAccepted(t *testing.T) {
	t.Parallel()
	for name, s := range map[string]IapSettings{
		"everything":                 everything(),
		"five minutes":               reauth(ReauthLogin, MinReauthAge, ReauthDefault),
		"a host without a dot":       domains("localhost", "intranet"),
		"a wildcard of one's own":    domains("*.internal", "*.myapp.appspot.com", "*.Bücher.example"),
		"an address":                 domains("10.0.0.1"),
		"no page, said so":           deniedPage(""),
		"a page by plain HTTP":       deniedPage("http://intranet/denied"),
		"a cookie domain, as in IAP": application(ApplicationSettings{CookieDomain: ptr("com")}),
	} {
		if _, err := (Rules{}).Canonical(s); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCanonicalLeavesItsArgumentAlone(t *testing.T) {
	t.Parallel()
	s := domains("A.test", "a.test")
	got, err := Rules{}.Canonical(s)
	if err != nil || !reflect.DeepEqual(got, domains("a.test")) {
		t.Errorf("%v, %v", got, err)
	}
	if !reflect.DeepEqual(s, domains("A.test", "a.test")) {
		t.Errorf("the argument became %v", s.AccessSettings.AllowedDomainsSettings.Domains)
	}
}

func TestAllowedDomainsAllowTheirHostsOnly(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		domains []string
		host    string
		want    bool
	}{
		"nothing is set":                          {nil, "a.test", true},
		"switched on with an empty list":          {[]string{}, "a.test", false},
		"the host itself":                         {[]string{"b.test", "a.test"}, "a.test", true},
		"a host below one that is no wildcard":    {[]string{"a.test"}, "b.a.test", false},
		"a host below a wildcard":                 {[]string{"*.a.test"}, "b.a.test", true},
		"a host far below a wildcard":             {[]string{"*.a.test"}, "c.b.a.test", true},
		"the domain of the wildcard itself":       {[]string{"*.a.test"}, "a.test", false},
		"a host that only ends like the wildcard": {[]string{"*.a.test"}, "ba.test", false},
		"a host that ends with a dot and it":      {[]string{"*.a.test"}, ".a.test", false},
	} {
		e := Effective{AllowedDomains: c.domains}
		if got := e.AllowsHost(c.host); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
	if e := Merge([]Level{{"projects/1", access(AccessSettings{AllowedDomainsSettings: &AllowedDomainsSettings{Domains: []string{"a.test"}}})}}).Effective(); !e.AllowsHost("b.test") {
		t.Error("a list that is not switched on restricts")
	}
	if e := Merge([]Level{{"projects/1", domains()}}).Effective(); e.AllowsHost("a.test") {
		t.Error("an empty list that is switched on allows")
	}
}

func TestACookieDomainIsOnlyOneThatBrowsersWouldTakeAndNobodyShares(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		domain, host string
		ok           bool
	}{
		"none":                         {"", "app.example.com", true},
		"the domain above":             {"example.com", "app.example.com", true},
		"the host itself":              {"app.example.com", "app.example.com", true},
		"another domain":               {"example.org", "app.example.com", false},
		"a sibling":                    {"api.example.com", "app.example.com", false},
		"a name that only ends alike":  {"ample.com", "example.com", false},
		"a top-level domain":           {"com", "app.example.com", false},
		"a suffix of a registry":       {"co.uk", "app.co.uk", false},
		"a suffix of a company":        {"appspot.com", "app.appspot.com", false},
		"a name that nobody manages":   {"localhost", "app.localhost", false},
		"one's own on such a suffix":   {"app.appspot.com", "v2.app.appspot.com", true},
		"an address":                   {"10.0.0.1", "10.0.0.1", false},
		"the end of an address":        {"0.0.1", "10.0.0.1", false},
		"an address of the new format": {"::1", "::1", false},
	} {
		if err := CheckCookieDomain(c.domain, c.host); (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}
