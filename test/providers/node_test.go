package providers

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-iap/gatehouse/test/harness"
)

const (
	erin      = "erin@partner.example"
	partnerID = "gatehouse-at-partner"
	manifest  = `
apiVersion: gatehouse.dev/v1
kind: IdentityProvider
metadata: {name: partner}
spec:
  kind: oidc
  displayName: Partner sign-in
  domains: [partner.example]
  oidc:
    issuer: ISSUER
    clientId: gatehouse-at-partner
    clientSecret: {file: partner-secret}
`
)

// atPartner is a served site whose people sign in at npm's oidc-provider.
func atPartner(t *testing.T) (*harness.Site, *harness.Provider, *harness.Hello) {
	t.Helper()
	site, app := harness.NewSite(t), harness.StartHello(t)
	site.Init(t, "--host="+appHost, "--upstream="+app.URL)
	return site, addPartner(t, site), app
}

// addPartner starts the provider for partner.example and declares it.
func addPartner(t *testing.T, site *harness.Site) *harness.Provider {
	t.Helper()
	registration := harness.Register(site.Auth, partnerID)
	partner := harness.StartNodeProvider(t, registration)
	site.Write(t, "partner-secret", registration.ClientSecret)
	site.Write(t, "apps.yaml", site.Read(t, "apps.yaml")+"\n---"+strings.ReplaceAll(manifest, "ISSUER", partner.Issuer))
	return partner
}

// partnerSignIn fills in the provider's own page.
func partnerSignIn(page *harness.Page, email string) {
	page.See("Sign in at the provider")
	page.Fill("Login", email)
	page.Fill("Secret", harness.NodePassword)
	page.Click("Let me in")
}

func TestTheDomainOfTheAddressChoosesTheProvider(t *testing.T) {
	t.Parallel()
	site, _, app := atDex(t)
	// Dex stops standing for every domain: it gets its own.
	site.Write(t, "apps.yaml", strings.ReplaceAll(site.Read(t, "apps.yaml"), `domains: ["*"]`, `domains: [corp.example]`))
	addPartner(t, site)
	gate := serve(t, site, app)

	page := chromium.NewPage(t)
	page.Open(site.URL(appHost) + "/")
	page.See("Sign in", "Email")
	page.Inspect("whose-provider")
	page.Fill("Email", carol)
	page.Click("Next")
	dexSignIn(page, carol, secret)
	page.See("Hello " + carol)

	page = chromium.NewPage(t)
	page.Open(site.URL(appHost) + "/")
	page.Fill("Email", "nobody@elsewhere.example")
	page.Click("Next")
	page.See("Nobody signs in here with an address at elsewhere.example")
	page.Fill("Email", erin)
	page.Click("Next")
	partnerSignIn(page, erin)
	page.See("Hello " + erin)

	// The partner's provider knows a person by the address of ours.
	page = chromium.NewPage(t)
	page.Open(site.URL(appHost) + "/")
	page.Fill("Email", erin)
	page.Click("Next")
	partnerSignIn(page, carol)
	page.See("address_refused")
	page.DontSee("Hello")
	if !strings.Contains(gate.Output(), carol) {
		t.Error("the log does not say whose address was refused")
	}
}

func TestSigningOutSignsOutAtTheProviderToo(t *testing.T) {
	t.Parallel()
	site, _, app := atPartner(t)
	serve(t, site, app)
	page := chromium.NewPage(t)
	page.Open(site.URL(appHost) + "/")
	partnerSignIn(page, erin)
	page.See("Hello " + erin)

	page.Open(site.Auth + "/")
	page.See("Your account")
	page.Click("Sign out")
	page.See("Sign out of the provider?")
	page.Click("Yes, sign me out")
	page.See("You have signed out")
	if want := site.Auth + "/signed-out"; !strings.HasPrefix(page.Location(), want) {
		t.Errorf("after signing out the browser is at %s, not back at %s", page.Location(), want)
	}
	page.Open(site.URL(appHost) + "/")
	page.See("Sign in at the provider", "Login") // asked again, and not let in by the provider's own session
}

// signedIn is a visitor without a window who is signed in.
func signedIn(t *testing.T, site *harness.Site, email string) *harness.Visitor {
	t.Helper()
	visitor := harness.NewVisitor(t)
	form := visitor.Open(site.URL(appHost) + "/")
	if hello := visitor.Send(form, "login", email, "password", harness.NodePassword); !strings.Contains(hello.Text, "Hello "+email) {
		t.Fatalf("%s is not signed in: at %s, status %d\n%s", email, hello.Request.URL, hello.StatusCode, hello.Text)
	}
	return visitor
}

func TestBackChannelLogoutEndsTheSessionWithinASecond(t *testing.T) {
	t.Parallel()
	site, partner, app := atPartner(t)
	serve(t, site, app)
	out, in := signedIn(t, site, erin), signedIn(t, site, "frank@partner.example")

	began := time.Now()
	partner.Switch(t, "logout", "value", erin) // returns when the gate has answered
	out.Before = func(u *url.URL) bool { return u.Host != "auth.localhost:"+site.Port }
	answer := out.Open(site.URL(appHost) + "/")
	took := time.Since(began)
	if answer.StatusCode != http.StatusFound || out.Stopped == "" {
		t.Errorf("status %d %q: Erin is still in", answer.StatusCode, answer.Header.Get("Location"))
	}
	if took > time.Second {
		t.Errorf("Erin was out only after %v", took)
	}
	if hello := in.Open(site.URL(appHost) + "/"); !strings.Contains(hello.Text, "Hello frank@partner.example") {
		t.Errorf("Frank was signed out as well: status %d\n%s", hello.StatusCode, hello.Text)
	}
}
