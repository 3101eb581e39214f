package browser

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/gatehouse-iap/gatehouse/test/harness"
)

// here is an application that shows the address of the page, fragment and all.
func here(t *testing.T) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write([]byte(`<!doctype html><title>here</title><p>ARRIVED<p id=at><script>at.textContent = location.href</script>`))
	}))
	t.Cleanup(server.Close)
	return server.URL
}

const deepLink = "/deep/link?q=1;c=2&empty=&x=%zz#section/2?not=a&query"

func TestDeepLinksAndFragmentsSurviveSigningIn(t *testing.T) {
	t.Parallel()
	gate := harness.Start(t, "--upstream", here(t))
	arrived := func(page *harness.Page, how string) {
		t.Helper()
		page.See("ARRIVED")
		if got := page.Location(); got != gate.App+deepLink {
			t.Errorf("%s one arrives at %s, want %s", how, got, gate.App+deepLink)
		}
	}

	page := chromium.NewPage(t)
	page.Open(gate.App + deepLink)
	page.See("Password")
	signIn(page, harness.Alice, "wrong")
	page.See("Not signed in")
	signIn(page, harness.Alice, harness.Password)
	arrived(page, "with a password, the second time,")

	page.Open(gate.App + "/?gcp-iap-mode=CLEAR_LOGIN_COOKIE")
	page.See("Choose an account")
	page.Open("about:blank")
	page.Open(gate.App + deepLink)
	page.See("Choose an account")
	page.Click("Use another account")
	page.See("Development accounts")
	page.Click(harness.Alice)
	arrived(page, "past the chooser")

	page.Open("about:blank")
	page.Open(gate.App + deepLink)
	arrived(page, "with a session")

	gate.CLI(t, "sessions", "revoke", "--user="+harness.Alice)
	without := chromium.NewPage(t)
	without.DisableScripts()
	without.Open(gate.App + deepLink)
	signIn(without, harness.Alice, harness.Password)
	without.See("ARRIVED")
	if got, want := without.Location(), gate.App+"/deep/link?q=1;c=2&empty=&x=%zz"; got != want {
		t.Errorf("without scripts one arrives at %s, want %s", got, want)
	}
}
