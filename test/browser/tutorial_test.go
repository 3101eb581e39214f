package browser

import (
	"testing"

	"github.com/gatehouse-iap/gatehouse/test/harness"
)

// The tutorial of Google's IAP, without a restart: the gate off, on, a refusal, everybody who signs in.
func TestTheTutorialsStory(t *testing.T) {
	t.Parallel()
	gate := harness.Start(t)
	page := chromium.NewPage(t)

	gate.CLI(t, "iap", "web", "disable", "--resource-type=backend-services", "--service=app")
	page.Open(gate.App + "/")
	page.See("Hello", "Nobody is signed in")
	page.DontSee("@example.com")
	page.Inspect("hello-iap-off")

	gate.CLI(t, "iap", "web", "enable", "--resource-type=backend-services", "--service=app")
	page.Open(gate.App + "/")
	signIn(page, harness.Bob, harness.Password)
	page.See("You don't have access")

	gate.CLI(t, "iap", "web", "add-iam-policy-binding", "--resource-type=backend-services", "--service=app",
		"--member=allAuthenticatedUsers", "--role=roles/iap.httpsResourceAccessor")
	page.Open(gate.App + "/")
	page.See("Hello " + harness.Bob)

	page.Open(gate.App + "/claims")
	page.See("https://cloud.google.com/iap", gate.Audience, "accounts.google.com:")
	page.Inspect("claims")
}

func TestOtherPagesOfTheGate(t *testing.T) {
	t.Parallel()
	gate := harness.Start(t)
	page := chromium.NewPage(t)

	page.Open(gate.Auth + "/no/such/page")
	page.See("Gatehouse")
	page.Inspect("not-found")

	page.Open(gate.App + "/?gcp-iap-mode=AUTHENTICATING&gatehouse_restart=stolen")
	page.See("Error code 9", "Please reference https://cloud.google.com/iap/docs/faq#error_codes")
	page.Inspect("error-9")

	page.Open(gate.App + "/?gcp-iap-mode=GATEHOUSE_SIGN_IN")
	signIn(page, harness.Alice, harness.Password)
	page.See("You can close this window")
	page.Inspect("done")
}
