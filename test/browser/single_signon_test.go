package browser

import (
	"net/http"
	"strings"
	"testing"

	"github.com/gatehouse-iap/gatehouse/test/harness"
	"github.com/gatehouse-iap/gatehouse/test/inprocess"
)

// Two applications on hosts that share no domain, as browsers see it: *.localhost hosts are sites of their own.
func TestOneSignInOpensApplicationsOnUnrelatedHosts(t *testing.T) {
	t.Parallel()
	upstream := harness.Echo(t).URL
	gate := inprocess.Start(t,
		inprocess.App{Name: "wiki", Host: "wiki.localhost", Upstream: upstream},
		inprocess.App{Name: "shop", Host: "shop.other.localhost", Upstream: upstream})
	wiki, shop := gate.URL("wiki.localhost"), gate.URL("shop.other.localhost")
	page := chromium.NewPage(t)

	page.Open(wiki + "/start")
	signIn(page, harness.Alice, harness.Password)
	page.See("accounts.google.com:" + harness.Alice)

	page.Open(shop + "/basket?item=1")
	page.See("accounts.google.com:" + harness.Alice)
	if got := page.Location(); got != shop+"/basket?item=1" {
		t.Errorf("the second application was opened at %s", got)
	}
	wikiCookies, shopCookies := sessionCookies(page, wiki), sessionCookies(page, shop)
	if len(wikiCookies) != 1 || len(shopCookies) != 1 || wikiCookies[0] == shopCookies[0] {
		t.Errorf("the hosts' session cookies are %v and %v: each has one of its own", wikiCookies, shopCookies)
	}

	page.Open(gate.Auth + "/")
	page.Click("Sign out")
	page.See("not signed in")
	for _, origin := range []string{wiki, shop} {
		page.Open(origin + "/")
		page.See("Password")
	}
}

// A cookie that is carried to another application, by whoever can, opens nothing there.
func TestOneApplicationsCookieOpensNoOther(t *testing.T) {
	t.Parallel()
	upstream := harness.Echo(t).URL
	gate := inprocess.Start(t,
		inprocess.App{Name: "wiki", Host: "wiki.localhost", Upstream: upstream},
		inprocess.App{Name: "shop", Host: "shop.localhost", Upstream: upstream})
	page := chromium.NewPage(t)
	page.Open(gate.URL("wiki.localhost") + "/")
	page.Click(harness.Alice)
	page.See("accounts.google.com:" + harness.Alice)
	page.Open(gate.URL("shop.localhost") + "/")
	page.See("accounts.google.com:" + harness.Alice)

	carried := sessionCookies(page, gate.URL("wiki.localhost"))[0]
	name, _, _ := strings.Cut(sessionCookies(page, gate.URL("shop.localhost"))[0], "=")
	_, value, _ := strings.Cut(carried, "=")
	for _, cookie := range []string{carried, name + "=" + value} {
		answer := harness.Get(t, harness.Client(nil), gate.URL("shop.localhost")+"/", "Cookie", cookie)
		if answer.StatusCode != http.StatusFound {
			t.Errorf("the wiki's cookie gets %d at the shop, not a redirect to sign in\n%s", answer.StatusCode, answer.Text)
		}
	}
}

func sessionCookies(page *harness.Page, origin string) []string {
	var found []string
	for _, cookie := range page.Cookies(origin) {
		if strings.HasPrefix(cookie.Name, "__Host-GCP_IAP_AUTH_TOKEN_") {
			found = append(found, cookie.Name+"="+cookie.Value)
		}
	}
	return found
}
