package browser

import (
	"log"
	"os"
	"testing"

	"github.com/gatehouse-iap/gatehouse/test/harness"
)

// chromium is the one browser of the run; every test opens a page with cookies of its own.
var chromium *harness.Browser

func TestMain(m *testing.M) {
	browser, err := harness.LaunchBrowser()
	if err != nil {
		log.Fatal(err)
	}
	chromium = browser
	code := m.Run()
	browser.Close()
	os.Exit(code)
}

// signIn fills in the sign-in form.
func signIn(page *harness.Page, email, password string) {
	page.See("Password")
	page.Fill("Email", email)
	page.Fill("Password", password)
	page.Click("Sign in")
}
