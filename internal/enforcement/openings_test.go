package enforcement_test

import (
	"net/http"
	"net/netip"
	"testing"

	"github.com/gatehouse-iap/gatehouse/internal/audit"
	"github.com/gatehouse-iap/gatehouse/internal/catalog"
	"github.com/gatehouse-iap/gatehouse/internal/enforcement"
	"github.com/gatehouse-iap/gatehouse/internal/policy"
	"github.com/gatehouse-iap/gatehouse/internal/session"
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
		"somebody who signs in and is":       {"GET", "/?gcp-iap-mode=GATEHOUSE_SIGN_IN", nil, false, enforcement.SignedIn, 200, policy.Granted},
		"somebody who signs in":              {"GET", "/?gcp-iap-mode=GATEHOUSE_SIGN_IN", nil, true, enforcement.SignIn, 302, policy.NoCredential},
		"an address of elsewhere":            {"GET", "/?gcp-iap-mode=GATEHOUSE_SIGN_IN&continue=https://evil.test", nil, false, enforcement.Refuse, 400, policy.ReturnRefused},
		"signing in by POST":                 {"POST", "/?gcp-iap-mode=GATEHOUSE_SIGN_IN", nil, false, enforcement.Refuse, 405, policy.MethodRefused},
		"a callback that nobody sees":        {"GET", "/?gcp-iap-mode=AUTHENTICATING", http.Header{"Sec-Fetch-Mode": {"cors"}}, true, enforcement.Refuse, 401, policy.NoCredential},
		"a callback that is fetched ahead":   {"GET", "/?gcp-iap-mode=AUTHENTICATING", http.Header{"Sec-Purpose": {"prefetch;prerender"}}, true, enforcement.Refuse, 401, policy.NoCredential},
		"a callback that somebody waits for": {"GET", "/?gcp-iap-mode=AUTHENTICATING", http.Header{"Sec-Fetch-Mode": {"navigate"}}, true, enforcement.CompleteLogin, 302, policy.NoCredential},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			point, record := newPoint(t, service)
			if c.stranger {
				point.Sessions = sessions{err: session.ErrNone}
			}
			if c.header == nil {
				c.header = http.Header{}
			}
			v := point.Check(t.Context(), &enforcement.Request{
				Method: c.method, Host: "app.test", Target: c.target, Header: c.header, Peer: netip.MustParseAddr("192.0.2.1"),
			})
			if v.Outcome != c.outcome || v.Status != c.status || v.Reason != c.reason || v.Prepared != nil {
				t.Errorf("outcome %d, status %d, %s, prepared %v", v.Outcome, v.Status, v.Reason, v.Prepared)
			}
			if record.Reason != c.reason || record.Status != c.status || c.reason == policy.PublicPath && record.Credential != audit.NoCredential {
				t.Errorf("recorded %+v", record)
			}
		})
	}
}
