package enforcement_test

import (
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/gatehouse-iap/gatehouse/internal/enforcement"
	"github.com/gatehouse-iap/gatehouse/internal/policy"
	"github.com/gatehouse-iap/gatehouse/internal/settings"
)

// The tricks are those that sign-in is tested with.
func TestNoTrickIsAnAddressToContinueTo(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../signin/testdata/redirect-tricks.txt")
	if err != nil {
		t.Fatal(err)
	}
	service := theService()
	service.CORSOrigins = []string{"https://spa.example.com"}
	point, _ := newPoint(t, service, settings.IapSettings{})
	tried, allowed := 0, 0
	for _, own := range []string{"app.test", "spa.example.com"} {
		hosts := strings.NewReplacer("EVIL", "evil.test", "APP", own, "AUTH", "auth.test")
		for line := range strings.SplitSeq(strings.TrimSuffix(string(text), "\n"), "\n") {
			if strings.HasPrefix(line, "# ") {
				continue
			}
			trick, err := strconv.Unquote(`"` + line + `"`)
			if err != nil {
				t.Fatal(err)
			}
			trick = hosts.Replace(trick)
			tried++
			v := check(t, point, &enforcement.Request{
				Method: "GET", Host: "app.test", Target: "/?gcp-iap-mode=GATEHOUSE_SIGN_IN&continue=" + url.QueryEscape(trick),
				Header: http.Header{}, Peer: netip.MustParseAddr("192.0.2.1"),
			})
			switch {
			case v.Outcome == enforcement.Refuse && v.Reason == policy.ReturnRefused:
			case v.Outcome == enforcement.SignedIn && leadsHome(v.ReturnTo):
				allowed++
			default:
				t.Errorf("%q: outcome %d, %s, leads to %q", trick, v.Outcome, v.Reason, v.ReturnTo)
			}
		}
	}
	if tried < 600 || allowed > tried/3 {
		t.Errorf("of %d tricks %d are addresses to continue to", tried, allowed)
	}
}

// leadsHome looks at bytes: behind an origin of the service comes a slash.
func leadsHome(address string) bool {
	for i := range len(address) {
		if c := address[i]; c <= ' ' || c >= 0x7f || c == '\\' {
			return false
		}
	}
	return strings.HasPrefix(address, "https://app.test/") || strings.HasPrefix(address, "https://spa.example.com/")
}

// FuzzContinue: an address to continue to is an address of the service, or refused.
func FuzzContinue(f *testing.F) {
	service := theService()
	service.CORSOrigins = []string{"https://spa.example.com"}
	point, _ := newPoint(f, service, settings.IapSettings{})
	for _, seed := range []string{"continue=/x", "continue=https%3A%2F%2Fspa.example.com%2F", "continue=//evil.test", "continue=%5c%5cevil.test", "continue=/&continue=/", "&&=", "continue=https://app.test@evil.test/"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, query string) {
		v := check(t, point, &enforcement.Request{
			Method: "GET", Host: "app.test", Target: "/?gcp-iap-mode=GATEHOUSE_SIGN_IN&" + query, Header: http.Header{}, Peer: netip.MustParseAddr("192.0.2.1"),
		})
		if v.Outcome != enforcement.Refuse && (v.Outcome != enforcement.SignedIn || v.ReturnTo != "" && !leadsHome(v.ReturnTo)) {
			t.Errorf("%q: outcome %d, leads to %q", query, v.Outcome, v.ReturnTo)
		}
	})
}
