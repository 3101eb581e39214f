package providers

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-iap/gatehouse/test/harness"
)

func TestFromAnEmptyDirectoryToHelloThroughDex(t *testing.T) {
	t.Parallel()
	site, app := harness.NewSite(t), harness.StartHello(t)
	registration := harness.Register(site.Auth, clientID)
	dex := harness.StartDex(t, registration, map[string]string{carol: secret})

	site.Init(t, "--host="+appHost, "--upstream="+app.URL, "--issuer="+dex.Issuer)
	site.Write(t, "client-secret", registration.ClientSecret)
	checked := site.CLI(t, "config", "check", "gatehouse.yaml")
	if want := registration.RedirectURIs[0]; !strings.Contains(checked, want) {
		t.Errorf("config check does not say which redirect URI to register, %s:\n%s", want, checked)
	}
	gate := serve(t, site, app)

	page := chromium.NewPage(t)
	page.Open(site.URL(appHost) + "/")
	dexSignIn(page, carol, secret)
	page.See("Hello "+carol, "verified its signature")
	if got, want := page.Location(), site.URL(appHost)+"/"; got != want {
		t.Errorf("after signing in the browser is at %s, not where Carol was going, %s", got, want)
	}

	hostAddedWithoutRestart(t, site, page)
	select {
	case <-gate.Exited():
		t.Error("the server has ended meanwhile")
	default:
	}
}

const wiki = `
---
apiVersion: gatehouse.dev/v1
kind: BackendService
metadata: {name: wiki}
spec:
  hosts: [wiki.localhost]
  upstream: UPSTREAM
---
apiVersion: gatehouse.dev/v1
kind: IamPolicy
metadata: {name: wiki}
spec:
  resource: projects/gatehouse/iap_web/compute/services/wiki
  bindings:
    - {role: roles/iap.httpsResourceAccessor, members: ["user:carol@corp.example"]}
`

// hostAddedWithoutRestart writes a second application into the manifest of a running server.
func hostAddedWithoutRestart(t *testing.T, site *harness.Site, page *harness.Page) {
	t.Helper()
	address := site.URL("wiki.localhost") + "/"
	if before := harness.Get(t, harness.Client(nil), address, "Accept", "text/html"); before.StatusCode == http.StatusFound {
		t.Fatal("the second host answers before anybody has declared it")
	}
	site.Write(t, "apps.yaml", site.Read(t, "apps.yaml")+strings.ReplaceAll(wiki, "UPSTREAM", harness.Echo(t).URL))
	began := time.Now()
	look := time.NewTicker(10 * time.Millisecond)
	defer look.Stop()
	for {
		answer := harness.Get(t, harness.Client(nil), address, "Accept", "text/html")
		took := time.Since(began)
		if answer.StatusCode == http.StatusFound && strings.HasPrefix(answer.Header.Get("Location"), site.Auth) {
			t.Logf("the host answered %v after the manifest was written", took)
			if took > time.Second {
				t.Errorf("the host answered only %v after the manifest was written", took)
			}
			break
		}
		if took > harness.Patience {
			t.Fatalf("the host does not answer: status %d\n%s", answer.StatusCode, answer.Text)
		}
		<-look.C
	}
	page.Open(address)
	page.See("accounts.google.com:" + carol) // from the application; nobody had to sign in again
}

func TestAWrongPasswordAtDexOpensNothing(t *testing.T) {
	t.Parallel()
	site, _, app := atDex(t)
	serve(t, site, app)
	page := chromium.NewPage(t)

	page.Open(site.URL(appHost) + "/")
	dexSignIn(page, carol, "not her password")
	page.See("Invalid")
	page.DontSee("Hello")
	if listed := site.CLI(t, "sessions", "list"); strings.Contains(listed, carol) {
		t.Errorf("there is a session:\n%s", listed)
	}
	dexSignIn(page, carol, secret)
	page.See("Hello " + carol)
}

func TestTwoPeopleAtDexAreTwoPeople(t *testing.T) {
	t.Parallel()
	site, _, app := atDex(t)
	serve(t, site, app)
	for _, email := range []string{carol, dave} {
		page := chromium.NewPage(t)
		page.Open(site.URL(appHost) + "/")
		dexSignIn(page, email, secret)
		page.See("Hello " + email)
	}
	listed := site.CLI(t, "sessions", "list")
	for _, email := range []string{carol, dave} {
		if !strings.Contains(listed, email) {
			t.Errorf("no session of %s:\n%s", email, listed)
		}
	}
}

func TestAProviderThatDiesBetweenPasswordAndCodeIsAClearPage(t *testing.T) {
	t.Parallel()
	site, dex, app := atDex(t)
	gate := serve(t, site, app)
	visitor := harness.NewVisitor(t)
	visitor.Before = func(u *url.URL) bool { return !strings.Contains(u.Path, ":handleRedirect") }

	form := visitor.Open(site.URL(appHost) + "/")
	visitor.Send(form, "login", carol, "password", secret)
	if !strings.Contains(visitor.Stopped, "code=") {
		t.Fatalf("Dex gave no code: stopped at %q", visitor.Stopped)
	}
	dex.Kill(t)
	visitor.Before = nil
	wantUnavailable(t, visitor.Open(visitor.Stopped), gate)
}

func TestAProviderThatIsDownFromTheStartIsAClearPage(t *testing.T) {
	t.Parallel()
	site, dex, app := atDex(t)
	dex.Kill(t)
	gate := serve(t, site, app)

	page := chromium.NewPage(t)
	page.Open(site.URL(appHost) + "/")
	page.See("provider_unavailable", "Start again")
	page.Inspect("provider-unavailable")
	wantUnavailable(t, harness.NewVisitor(t).Open(site.URL(appHost)+"/"), gate)
}

func wantUnavailable(t *testing.T, answer harness.Answer, gate *harness.Process) {
	t.Helper()
	if answer.StatusCode != http.StatusServiceUnavailable || !strings.Contains(answer.Text, "provider_unavailable") {
		t.Errorf("status %d, not 503 with the reason provider_unavailable:\n%s", answer.StatusCode, answer.Text)
	}
	if answer.Header.Get("Retry-After") == "" {
		t.Error("the page does not say when to try again")
	}
	eventually(t, "the log says why", func() bool { return strings.Contains(gate.Output(), "connection refused") })
}
