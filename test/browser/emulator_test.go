package browser

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/gatehouse-iap/gatehouse/test/harness"
)

func signInURL(gate *harness.Gate, account, next string) string {
	return gate.Machine + "/emulator/v1/sign-in?" + url.Values{"account": {account}, "continue": {next}}.Encode()
}

func TestABrowserThatIsToldToIsSignedIn(t *testing.T) {
	t.Parallel()
	gate := harness.Start(t, "--upstream", harness.Echo(t).URL)
	page := chromium.NewPage(t)

	page.Open(signInURL(gate, harness.Alice, gate.App+"/some/page?q=1"))
	page.See("accounts.google.com:" + harness.Alice) // from the application
	if got, want := page.Location(), gate.App+"/some/page?q=1"; got != want {
		t.Errorf("the browser is at %s, not at %s", got, want)
	}
	page.Open(signInURL(gate, "dora@corp.example", gate.App+"/")) // who was not there
	page.See("dora@corp.example")
	page.See("You don't have access") // but nobody has let them in
}

func TestNoPageSignsItsReaderIn(t *testing.T) {
	t.Parallel()
	gate := harness.Start(t)
	page := chromium.NewPage(t)
	evil := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `<!DOCTYPE html><title>evil</title><a href="%s">go</a>`, strings.ReplaceAll(signInURL(gate, harness.Alice, gate.App+"/"), "&", "&amp;"))
	}))
	t.Cleanup(evil.Close)
	page.Open(evil.URL)
	page.Click("go")
	page.See("a web page asks")
	page.Open(gate.App + "/")
	page.See("Development accounts") // nobody is signed in
}

func TestABrowserIsNotLedElsewhere(t *testing.T) {
	t.Parallel()
	gate := harness.Start(t)
	page := chromium.NewPage(t)
	_, port, _ := strings.Cut(gate.App, "localhost:")
	for _, next := range []string{
		"http://evil.example/", "//evil.example/", "http://app.localhost@evil.example/", "http://evil.example:" + port + "/", "https://app.localhost:" + port + "/",
		"http://app.localhost:1/", "http://app.localhost:" + port + `\@evil.example/`, "javascript:alert(1)", "http://127.0.0.1:" + port + "/", "http://app.localhost:" + port + "@evil.example",
	} {
		page.Open(signInURL(gate, harness.Alice, next))
		page.See("is not signed in")
		if at := page.Location(); !strings.HasPrefix(at, gate.Auth+"/emulator/v1/sign-in") {
			t.Errorf("%q leads to %s", next, at)
		}
	}
}

func TestAnAccountIsSignedInAtOnce(t *testing.T) {
	t.Parallel()
	gate := harness.Start(t, "--account", harness.Alice, "--upstream", harness.Echo(t).URL)
	page := chromium.NewPage(t)
	page.Open(gate.App + "/page")
	page.See("accounts.google.com:" + harness.Alice) // from the application
	if got := page.Location(); got != gate.App+"/page" {
		t.Errorf("the browser is at %s", got)
	}
	page.Open(gate.App + "/page?gcp-iap-mode=CLEAR_LOGIN_COOKIE") // who wants to be somebody else is asked
	page.See("Bob")
}
