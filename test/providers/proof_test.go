package providers

import (
	"net/http"
	"strings"
	"testing"

	"github.com/gatehouse-iap/gatehouse/test/harness"
)

const proofDemanded = `
apiVersion: gatehouse.dev/v1
kind: IapSettings
metadata: {name: app}
spec:
  resource: projects/gatehouse/iap_web/compute/services/app
  accessSettings:
    reauthSettings: {method: METHOD, maxAge: 600s, policyType: DEFAULT}
`

// demand has the application ask for a sign-in of at most ten minutes ago, by a method; it counts when it returns.
func demand(t *testing.T, site *harness.Site, method string) {
	t.Helper()
	site.Write(t, "settings.yaml", strings.ReplaceAll(proofDemanded, "METHOD", method))
	site.CLI(t, "apply", "-f", "settings.yaml")
}

// The provider is npm's oidc-provider, which takes max_age, prompt and acr_values as OpenID Connect says, and proves by
// auth_time, acr and amr.
func TestAnApplicationIsEnteredOnlyWithTheProofThatItDemands(t *testing.T) {
	t.Parallel()
	site, partner, app := atPartner(t)
	site.Write(t, "apps.yaml", strings.ReplaceAll(site.Read(t, "apps.yaml"), "clientId: gatehouse-at-partner", "clientId: gatehouse-at-partner\n    secondFactorAcrValues: [silver]"))
	serve(t, site, app)
	page, address := chromium.NewPage(t), site.URL(appHost)+"/"
	asked := func(name, want string) {
		t.Helper()
		if got := partner.Asked(t)[name]; got != want {
			t.Errorf("the provider was asked with %s=%q, want %q", name, got, want)
		}
	}

	// Nothing is demanded: the provider's word that it was an hour ago is enough.
	partner.Switch(t, "proof", "value", `{"secondsAgo":3600,"amr":["pwd"]}`)
	page.Open(address)
	partnerSignIn(page, erin)
	page.See("Hello " + erin)
	asked("max_age", "")
	page.Open(address)
	page.See("Hello " + erin)

	// A sign-in of an hour ago is too old, here and at the provider, which still knows her.
	demand(t, site, "LOGIN")
	page.Open(address)
	page.See("Sign in at the provider")
	asked("max_age", "600")
	asked("prompt", "login")
	asked("login_hint", erin)
	partnerSignIn(page, erin)
	page.See("sign_in_unproved") // it says an hour again
	partner.Switch(t, "proof", "value", `{"amr":["pwd"]}`)
	page.Open(address)
	partnerSignIn(page, erin)
	page.See("Hello " + erin)
	page.Open(address)
	page.See("Hello " + erin) // and is not asked again

	// A password is no second factor.
	demand(t, site, "ENROLLED_SECOND_FACTORS")
	page.Open(address)
	partnerSignIn(page, erin)
	page.See("sign_in_unproved", "second factor")
	page.Inspect("second-factor-missing")
	asked("acr_values", "silver")
	for _, proof := range []string{`{"amr":["pwd","otp"]}`, `{"acr":"silver"}`} {
		demand(t, site, "LOGIN")
		partner.Switch(t, "proof", "value", `{"amr":["pwd"]}`)
		other := chromium.NewPage(t)
		other.Open(address)
		partnerSignIn(other, "frank@partner.example")
		other.See("Hello frank@partner.example")
		demand(t, site, "ENROLLED_SECOND_FACTORS")
		partner.Switch(t, "proof", "value", proof)
		other.Open(address)
		partnerSignIn(other, "frank@partner.example")
		other.See("Hello frank@partner.example")
	}

	// Neither is a security key.
	demand(t, site, "SECURE_KEY")
	page.Open(address)
	partnerSignIn(page, erin)
	page.See("sign_in_unproved")
	asked("acr_values", "phrh phr")
	partner.Switch(t, "proof", "value", `{"amr":["hwk"]}`)
	page.Open(address)
	partnerSignIn(page, erin)
	page.See("Hello " + erin)
}

// Dex says when somebody signed in, and not how.
func TestAProviderThatDoesNotSayHowLetsInWhereWhenIsEnough(t *testing.T) {
	t.Parallel()
	site, _, app := atDex(t)
	gate := serve(t, site, app)
	enter := func() harness.Answer {
		visitor := harness.NewVisitor(t)
		return visitor.Send(visitor.Open(site.URL(appHost)+"/"), "login", carol, "password", secret)
	}
	demand(t, site, "LOGIN")
	if in := enter(); !strings.Contains(in.Text, "Hello "+carol) {
		t.Errorf("status %d at %s\n%s", in.StatusCode, in.Request.URL, in.Text)
	}
	demand(t, site, "ENROLLED_SECOND_FACTORS")
	if refused := enter(); refused.StatusCode != http.StatusForbidden || !strings.Contains(refused.Text, "sign_in_unproved") {
		t.Errorf("status %d at %s\n%s", refused.StatusCode, refused.Request.URL, refused.Text)
	}
	eventually(t, "the log says what was missing", func() bool {
		return strings.Contains(gate.Output(), "does not prove what the application demands")
	})
}
