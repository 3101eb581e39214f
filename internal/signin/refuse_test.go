package signin_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/gatehouse-iap/gatehouse/internal/policy"
	"github.com/gatehouse-iap/gatehouse/internal/resource"
	"github.com/gatehouse-iap/gatehouse/internal/signin/oidctest"
)

// reference is the id on a page.
var reference = regexp.MustCompile(`<code class="id">([0-9A-Z]{26})</code>`)

func TestEveryRefusalOfSignInCanBeLookedUp(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		refuse func(t *testing.T, f *federation, b *browser) page
		reason policy.Reason
		host   string
		path   string
		name   resource.Name
	}{
		"a way back that is no request of a browser's": {func(t *testing.T, _ *federation, b *browser) page {
			return b.do(request(t, http.MethodPost, appURL+"/x?gcp-iap-mode=AUTHENTICATING&redirect_token_v2=stolen", ""))
		}, policy.SignInRefused, appHost, "/x", app.Resource},
		"two beginnings at once": {func(_ *testing.T, _ *federation, b *browser) page {
			return b.get(appURL + "/x?gcp-iap-mode=AUTHENTICATING&gatehouse_restart=a&gatehouse_restart=b")
		}, policy.SignInRefused, appHost, "/x", app.Resource},
		"a circle": {func(t *testing.T, _ *federation, b *browser) page {
			b.http.CheckRedirect = func(*http.Request, []*http.Request) error { return nil } // it is the gate that ends it
			b.between = func(r *http.Request, pass func(*http.Request) *http.Response) *http.Response {
				r.Header.Del("Cookie")
				return pass(r)
			}
			return b.get(appURL + "/x")
		}, policy.SignInLoops, authHost, "/v1/oauth/clientIds/0oa-corp:handleRedirect", ""},
		"a state that is none": {func(_ *testing.T, _ *federation, b *browser) page {
			return b.get(authURL + "/o/oauth2/v2/auth?state=forged")
		}, policy.SignInRefused, authHost, "/o/oauth2/v2/auth", ""},
		"an answer at another provider's address": {func(t *testing.T, f *federation, b *browser) page {
			back := f.answer(t, b, f.left(t, b))
			back.Path = "/v1/oauth/clientIds/another:handleRedirect"
			return b.get(back.String())
		}, policy.SignInRefused, authHost, "/v1/oauth/clientIds/another:handleRedirect", app.Resource},
		"a form of another site": {func(t *testing.T, f *federation, b *browser) page {
			r := request(t, http.MethodPost, authURL+"/signout", "")
			r.Header.Set("Origin", "https://evil.test")
			return b.do(r)
		}, policy.SignInRefused, authHost, "/signout", ""},
		"an address that is not the provider's": {func(_ *testing.T, f *federation, b *browser) page {
			f.corp.SignedIn("mallory", "alice@other.example")
			return b.get(appURL + "/")
		}, policy.AddressRefused, authHost, "/v1/oauth/clientIds/0oa-corp:handleRedirect", app.Resource},
		"a provider that is down": {func(_ *testing.T, f *federation, b *browser) page {
			f.corp.Bend(oidctest.Bends{Serve: status("/token", 503)})
			return b.get(appURL + "/")
		}, policy.ProviderUnavailable, authHost, "/v1/oauth/clientIds/0oa-corp:handleRedirect", app.Resource},
		"a token that proves nothing": {func(_ *testing.T, f *federation, b *browser) page {
			f.corp.Bend(oidctest.Bends{Claims: remove("nonce")})
			return b.get(appURL + "/")
		}, policy.ProviderTokenInvalid, authHost, "/v1/oauth/clientIds/0oa-corp:handleRedirect", app.Resource},
		"a store that is down": {func(t *testing.T, f *federation, b *browser) page {
			back := f.answer(t, b, f.left(t, b))
			if err := f.db.Close(); err != nil {
				t.Fatal(err)
			}
			return b.get(back.String())
		}, policy.StoreFailed, authHost, "/v1/oauth/clientIds/0oa-corp:handleRedirect", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFederation(t)
			p := test.refuse(t, f, newBrowser(t, f.world))
			found := reference.FindStringSubmatch(p.body)
			if found == nil {
				t.Fatalf("%s: no reference on the page: %s", p.Status, p.body)
			}
			d, recorded := f.records.of(found[1])
			if !recorded {
				t.Fatal("no record")
			}
			if d.Reason != test.reason || d.Status != p.StatusCode || d.Host != test.host || d.Path != test.path || d.Resource != test.name ||
				!d.Identity.IsZero() || d.Peer.String() != "192.0.2.1" || !d.Time.Equal(f.clock.Now()) {
				t.Errorf("record %+v of %s", d, p.Status)
			}
			if !strings.Contains(f.log.String(), "decision="+found[1]) {
				t.Errorf("the log does not lead from the reference to the cause:\n%s", f.log)
			}
		})
	}
}

// A sibling domain can plant cookies for the parent domain, and so for us: none of those that count may be one that it
// can plant.
func TestEveryCookieThatCountsIsOneThatNoSiblingDomainCanSet(t *testing.T) {
	t.Parallel()
	f := newFederation(t)
	w := f.world
	ours := map[string]bool{"GCP_IAP_UID": true} // for scripts; nothing here reads it
	see := func(p page) page {
		for _, c := range p.Cookies() {
			switch {
			case c.Domain != "" || c.Path != "/" || !c.Secure || !c.HttpOnly && c.Name != "GCP_IAP_UID":
				t.Errorf("cookie %s", c.Raw)
			case !strings.HasPrefix(c.Name, "__Host-") && !strings.HasPrefix(c.Name, "GCP_IAP_XSRF_NONCE_") && !ours[c.Name]:
				t.Errorf("%s is not bound to its host", c.Name)
			}
		}
		return p
	}
	b := newBrowser(t, w)
	release := b.step()
	at, steps := appURL+"/", 0
	for ; at != "" && steps < 20; steps++ {
		at = see(b.get(at)).Header.Get("Location")
	}
	see(b.get(appURL + "/?gcp-iap-mode=CLEAR_LOGIN_COOKIE"))
	see(b.post("/signout", nil))
	release()
	if steps < 5 {
		t.Errorf("only %d steps", steps)
	}
}

// What a sibling domain can plant beside our own cookies keeps a person out at worst.
func TestAPlantedCookieBesideOursLetsNobodyElseIn(t *testing.T) {
	t.Parallel()
	f := newFederation(t)
	attacker, victim := newBrowser(t, f.world), newBrowser(t, f.world)
	theirs := f.answer(t, attacker, f.left(t, attacker))
	f.corp.SignedIn("bob-at-corp", "bob@corp.example")
	f.left(t, victim)
	r := request(t, http.MethodGet, theirs.String(), "")
	for name := range cookiesOf(t, attacker, authURL) {
		r.Header.Add("Cookie", name+"=planted")
	}
	before := f.corp.Calls("/token")
	release := victim.step()
	defer release()
	p := victim.do(r)
	if !strings.Contains(p.Header.Get("Location"), "gatehouse_restart=") || f.corp.Calls("/token") != before || len(f.sessions(t)) != 0 {
		t.Errorf("%s to %q, %d sessions", p.Status, p.Header.Get("Location"), len(f.sessions(t)))
	}
	f.logged(t, "another browser")
}
