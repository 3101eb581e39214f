package enforcement_test

import (
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/gatehouse-iap/gatehouse/internal/audit"
	"github.com/gatehouse-iap/gatehouse/internal/catalog"
	"github.com/gatehouse-iap/gatehouse/internal/enforcement"
	"github.com/gatehouse-iap/gatehouse/internal/policy"
	"github.com/gatehouse-iap/gatehouse/internal/session"
	"github.com/gatehouse-iap/gatehouse/internal/settings"
)

func TestWhatTheGateAnswersForAServiceHasItsOwnReason(t *testing.T) {
	t.Parallel()
	service := theService()
	service.PublicPaths = []catalog.PublicPath{{Prefix: "/hooks", Methods: []string{"POST"}}}
	service.CORSOrigins = []string{"https://spa.example.com"}
	preflight := http.Header{"Origin": {"https://spa.example.com"}, "Access-Control-Request-Method": {"PUT"}}
	for name, c := range map[string]struct {
		method, target string
		header         http.Header
		stranger       bool
		outcome        enforcement.Outcome
		status         int
		reason         policy.Reason
	}{
		"a public path":                      {"POST", "/hooks/a", nil, false, enforcement.Forward, 0, policy.PublicPath},
		"a preflight":                        {"OPTIONS", "/a", preflight, false, enforcement.Preflight, 204, policy.CORSPreflight},
		"a preflight of a public path":       {"OPTIONS", "/hooks/a", preflight, false, enforcement.Preflight, 204, policy.CORSPreflight},
		"somebody who signs in and is":       {"GET", "/?gcp-iap-mode=GATEHOUSE_SIGN_IN", nil, false, enforcement.SignedIn, 200, policy.SpecialURL},
		"somebody who signs in":              {"GET", "/?gcp-iap-mode=GATEHOUSE_SIGN_IN", nil, true, enforcement.SignIn, 302, policy.NoCredential},
		"an address of elsewhere":            {"GET", "/?gcp-iap-mode=GATEHOUSE_SIGN_IN&continue=https://evil.test", nil, false, enforcement.Refuse, 400, policy.ReturnRefused},
		"signing in by POST":                 {"POST", "/?gcp-iap-mode=GATEHOUSE_SIGN_IN", nil, false, enforcement.Refuse, 405, policy.SpecialURLRefused},
		"a callback that nobody sees":        {"GET", "/?gcp-iap-mode=AUTHENTICATING", http.Header{"Sec-Fetch-Mode": {"cors"}}, true, enforcement.Refuse, 401, policy.NoCredential},
		"a callback that is fetched ahead":   {"GET", "/?gcp-iap-mode=AUTHENTICATING", http.Header{"Sec-Purpose": {"prefetch;prerender"}}, true, enforcement.Refuse, 401, policy.NoCredential},
		"a callback that somebody waits for": {"GET", "/?gcp-iap-mode=AUTHENTICATING", http.Header{"Sec-Fetch-Mode": {"navigate"}}, true, enforcement.CompleteLogin, 302, policy.SpecialURL},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			point, record := newPoint(t, service, settings.IapSettings{})
			if c.stranger {
				point.Sessions = sessions{err: session.ErrNone}
			}
			if c.header == nil {
				c.header = http.Header{}
			}
			v := check(t, point, &enforcement.Request{
				Method: c.method, Host: "app.test", Target: c.target, Header: c.header, Peer: netip.MustParseAddr("192.0.2.1"),
			})
			if v.Step() && record.Reason != "" {
				t.Errorf("recorded before the step was taken: %+v", record)
			}
			point.Settle(&v, true)
			if v.Outcome != c.outcome || v.Status != c.status || v.Reason != c.reason || v.Prepared != nil {
				t.Errorf("outcome %d, status %d, %s, prepared %v", v.Outcome, v.Status, v.Reason, v.Prepared)
			}
			if record.Reason != c.reason || record.Status != c.status || c.reason == policy.PublicPath && record.Credential != audit.NoCredential {
				t.Errorf("recorded %+v", record)
			}
		})
	}
}

func TestSigningInForAPageLeadsBackToTheServiceOnly(t *testing.T) {
	t.Parallel()
	service := theService()
	service.CORSOrigins = []string{"https://spa.example.com"}
	const mode = "/?gcp-iap-mode=GATEHOUSE_SIGN_IN"
	for name, c := range map[string]struct {
		target string
		status int
		to     string
	}{
		"nowhere":                         {mode, 200, ""},
		"a path":                          {mode + "&continue=/app%3Fx%3D1%23part", 302, "https://app.test/app?x=1#part"},
		"the host's own address":          {mode + "&continue=https://app.test/app", 302, "https://app.test/app"},
		"the host's own origin":           {mode + "&continue=https://app.test", 302, "https://app.test/"},
		"a listed origin":                 {mode + "&continue=https%3A%2F%2Fspa.example.com%2Fa%3Fb", 302, "https://spa.example.com/a?b"},
		"continue before the mode":        {"/?continue=/app&gcp-iap-mode=GATEHOUSE_SIGN_IN", 302, "https://app.test/app"},
		"another origin":                  {mode + "&continue=https://evil.test/", 400, ""},
		"an origin that starts alike":     {mode + "&continue=https://spa.example.com.evil.test/", 400, ""},
		"an origin and a user":            {mode + "&continue=https://spa.example.com@evil.test/", 400, ""},
		"an origin and a port":            {mode + "&continue=https://spa.example.com:8443/", 400, ""},
		"two slashes":                     {mode + "&continue=//evil.test/", 400, ""},
		"a slash and a backslash":         {mode + "&continue=/%5Cevil.test/", 400, ""},
		"a tab between the slashes":       {mode + "&continue=/%09/evil.test/", 400, ""},
		"a script":                        {mode + "&continue=javascript:alert(1)", 400, ""},
		"a relative path":                 {mode + "&continue=app", 400, ""},
		"nothing at all":                  {mode + "&continue=", 400, ""},
		"a parameter that is given twice": {mode + "&continue=/a&continue=/b", 400, ""},
		"the mode given twice":            {mode + "&gcp-iap-mode=GATEHOUSE_SIGN_IN", 400, ""},
		"a parameter in another case":     {mode + "&Continue=/a", 400, ""},
		"an encoded parameter":            {mode + "&c%6fntinue=/a", 400, ""},
		"a broken escape":                 {mode + "&continue=/%25zz&continue=%zz", 400, ""},
		"a parameter of its own":          {mode + "&x=1", 400, ""},
		"an oversized address":            {mode + "&continue=/" + strings.Repeat("a", 3000), 400, ""},
	} {
		for _, stranger := range []bool{false, true} {
			point, record := newPoint(t, service, settings.IapSettings{})
			want := enforcement.SignedIn
			if stranger {
				point.Sessions, want = sessions{err: session.ErrNone}, enforcement.SignIn
			}
			v := check(t, point, &enforcement.Request{
				Method: "GET", Host: "app.test", Target: c.target, Header: http.Header{}, Peer: netip.MustParseAddr("192.0.2.1"),
			})
			switch {
			case c.status == 400:
				if v.Outcome != enforcement.Refuse || v.Status != 400 || record.Reason != v.Reason || v.Reason != policy.ReturnRefused && v.Reason != policy.SpecialURLInvalid {
					t.Errorf("%s: outcome %d, %d, %s", name, v.Outcome, v.Status, v.Reason)
				}
			case v.Outcome != want || !stranger && v.ReturnTo != c.to:
				t.Errorf("%s: outcome %d, to %q, want %q", name, v.Outcome, v.ReturnTo, c.to)
			}
		}
	}
}
