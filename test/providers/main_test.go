package providers

import (
	"log"
	"os"
	"testing"

	"github.com/chromedp/chromedp/kb"

	"github.com/gatehouse-iap/gatehouse/test/harness"
)

const (
	clientID = "gatehouse"
	appHost  = "app.localhost"
	carol    = "carol@corp.example"
	dave     = "dave@corp.example"
	secret   = "a password that only Dex knows"
)

// chromium is the one browser of the run; every test opens a page with cookies of its own.
var chromium *harness.Browser

func TestMain(m *testing.M) {
	if os.Getenv(cutOffVariable) != "" {
		if err := harness.RaiseLoopback(); err != nil {
			log.Fatal(err)
		}
	}
	browser, err := harness.LaunchBrowser()
	if err != nil {
		log.Fatal(err)
	}
	chromium = browser
	code := m.Run()
	browser.Close()
	os.Exit(code)
}

// dexSignIn fills in Dex's own page.
func dexSignIn(page *harness.Page, email, password string) {
	page.See("Log in to Your Account")
	page.Type("login", email)
	page.Type("password", password)
	page.Press(kb.Enter)
}

// atDex is a served site whose people sign in at Dex.
func atDex(t *testing.T) (*harness.Site, *harness.Provider, *harness.Hello) {
	t.Helper()
	site, app := harness.NewSite(t), harness.StartHello(t)
	registration := harness.Register(site.Auth, clientID)
	dex := harness.StartDex(t, registration, map[string]string{carol: secret, dave: secret})
	site.Init(t, "--host="+appHost, "--upstream="+app.URL, "--issuer="+dex.Issuer)
	site.Write(t, "client-secret", registration.ClientSecret)
	return site, dex, app
}

// serve starts the site and tells its application whom to trust.
func serve(t *testing.T, site *harness.Site, app *harness.Hello) *harness.Process {
	t.Helper()
	gate := site.Serve(t)
	app.Trust(t, site.Auth, site.Audience(t, "app"))
	return gate
}
