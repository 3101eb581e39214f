package browser

import (
	"regexp"
	"strings"
	"testing"

	"github.com/chromedp/chromedp/kb"

	"github.com/gatehouse-iap/gatehouse/test/harness"
)

func TestAliceSignsInWithHerPassword(t *testing.T) {
	t.Parallel()
	gate := harness.Start(t)
	page := chromium.NewPage(t)

	page.Open(gate.App + "/")
	page.See("Sign in", "app")
	page.Inspect("sign-in")
	signIn(page, harness.Alice, harness.Password)
	page.See("Hello " + harness.Alice)
	page.Inspect("hello")
	if got := page.Location(); got != gate.App+"/" {
		t.Errorf("after signing in the browser is at %s, not where Alice was going", got)
	}
}

func TestAliceSignsInWithOneClick(t *testing.T) {
	t.Parallel()
	gate := harness.Start(t, "--upstream", harness.Echo(t).URL)
	page := chromium.NewPage(t)

	page.Open(gate.App + "/some/page?q=1&r=%2F")
	page.See("Development accounts")
	page.Click(harness.Alice)
	page.See("accounts.google.com:" + harness.Alice) // from the application
	if got, want := page.Location(), gate.App+"/some/page?q=1&r=%2F"; got != want {
		t.Errorf("after signing in the browser is at %s, not at %s, where Alice was going", got, want)
	}
}

func TestSigningInNeedsNoScript(t *testing.T) {
	t.Parallel()
	gate := harness.Start(t)
	page := chromium.NewPage(t)
	page.DisableScripts()

	page.Open(gate.App + "/")
	signIn(page, harness.Alice, harness.Password)
	page.See("Hello " + harness.Alice)
}

func TestSigningInNeedsNoMouse(t *testing.T) {
	t.Parallel()
	gate := harness.Start(t)
	page := chromium.NewPage(t)

	page.Open(gate.App + "/")
	page.See("Password")
	page.Press(harness.Alice) // the address has the focus from the start
	page.Press(kb.Tab)
	page.Press(harness.Password)
	page.Press(kb.Enter)
	page.See("Hello " + harness.Alice)
}

func TestAWrongPasswordIsSaidSoAndTheRightOneStillWorks(t *testing.T) {
	t.Parallel()
	gate := harness.Start(t)
	page := chromium.NewPage(t)

	page.Open(gate.App + "/")
	signIn(page, harness.Alice, "wrong")
	page.See("Not signed in")
	page.Inspect("sign-in-problem")
	signIn(page, harness.Alice, harness.Password)
	page.See("Hello " + harness.Alice)
}

// decisionID is what the refusal page shows for an administrator to look up.
var decisionID = regexp.MustCompile(`\b[0-9A-HJKMNP-TV-Z]{26}\b`)

func TestBobIsRefusedWithAReasonAndSwitchesToAlice(t *testing.T) {
	t.Parallel()
	gate := harness.Start(t)
	page := chromium.NewPage(t)

	page.Open(gate.App + "/")
	signIn(page, harness.Bob, harness.Password)
	page.See("You don't have access", "not_granted", harness.Bob, "Use another account")
	page.Inspect("refused")

	id := decisionID.FindString(page.Text())
	if id == "" {
		t.Fatalf("the refusal shows no id:\n%s", page.Text())
	}
	explained := gate.CLI(t, "explain", id)
	for _, want := range []string{"not_granted", harness.Bob, "roles/iap.httpsResourceAccessor", "projects/" + gate.ProjectNumber.String()} {
		if !strings.Contains(explained, want) {
			t.Errorf("gatehouse explain %s does not mention %s:\n%s", id, want, explained)
		}
	}

	page.Click("Use another account")
	page.See("Choose an account", harness.Bob)
	page.Inspect("chooser")
	page.Click(harness.Alice)
	page.See("Hello " + harness.Alice)
}

func TestTheOwnerOfTheProjectHasNoWebAccess(t *testing.T) {
	t.Parallel()
	gate := harness.Start(t)
	page := chromium.NewPage(t)

	page.Open(gate.App + "/")
	page.Click(harness.Admin)
	page.See("not_granted", harness.Admin)
}

func TestAliceSignsOut(t *testing.T) {
	t.Parallel()
	gate := harness.Start(t)
	page := chromium.NewPage(t)
	page.Open(gate.App + "/")
	page.Click(harness.Alice)
	page.See("Hello " + harness.Alice)
	if !hasSession(page, gate) {
		t.Fatalf("no session cookie after signing in: %v", cookieNames(page, gate))
	}

	page.Open(gate.App + "/?gcp-iap-mode=CLEAR_LOGIN_COOKIE")
	page.See("Choose an account")
	if hasSession(page, gate) {
		t.Errorf("the session cookie is still there after signing out: %v", cookieNames(page, gate))
	}
	page.Click(harness.Bob)
	page.See("not_granted", harness.Bob)
}

func TestSigningOutAtTheAuthHostEndsTheApplicationsSession(t *testing.T) {
	t.Parallel()
	gate := harness.Start(t)
	page := chromium.NewPage(t)
	page.Open(gate.App + "/")
	page.Click(harness.Alice)
	page.See("Hello " + harness.Alice)

	page.Open(gate.Auth + "/")
	page.See("Your account", harness.Alice)
	page.Inspect("account")
	page.Click("Sign out")
	page.See("not signed in")
	page.Inspect("account-signed-out")
	page.Open(gate.App + "/")
	page.See("Password")
}

func TestAnEndedSessionAsksForSignInAtOnce(t *testing.T) {
	t.Parallel()
	gate := harness.Start(t)
	page := chromium.NewPage(t)
	page.Open(gate.App + "/")
	page.Click(harness.Alice)
	page.See("Hello " + harness.Alice)

	if listed := gate.CLI(t, "sessions", "list"); !strings.Contains(listed, harness.Alice) {
		t.Errorf("gatehouse sessions list does not show Alice:\n%s", listed)
	}
	gate.CLI(t, "sessions", "revoke", "--user="+harness.Alice)
	page.Open(gate.App + "/")
	page.See("Password")
}

func hasSession(page *harness.Page, gate *harness.Gate) bool {
	for _, name := range cookieNames(page, gate) {
		if strings.HasPrefix(name, "__Host-GCP_IAP_AUTH_TOKEN_") {
			return true
		}
	}
	return false
}

func cookieNames(page *harness.Page, gate *harness.Gate) []string {
	var names []string
	for _, cookie := range page.Cookies(gate.App) {
		names = append(names, cookie.Name)
	}
	return names
}
