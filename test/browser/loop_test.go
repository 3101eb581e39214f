package browser

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/gatehouse-iap/gatehouse/test/harness"
)

// withoutCookies is a browser whose owner has blocked cookies for one host, as its settings have it.
func withoutCookies(t *testing.T, host string) *harness.Browser {
	t.Helper()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "Default"), 0o700); err != nil {
		t.Fatal(err)
	}
	settings := `{"profile":{"content_settings":{"exceptions":{"cookies":{"[*.]` + host + `,*":{"setting":2}}}}}}`
	if err := os.WriteFile(filepath.Join(dir, "Default", "Preferences"), []byte(settings), 0o600); err != nil {
		t.Fatal(err)
	}
	browser, err := harness.LaunchBrowser(chromedp.UserDataDir(dir))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(browser.Close)
	return browser
}

// The auth host knows Alice, the application's host cannot: without help she goes round between the two until the
// browser gives up.
func TestABrowserThatBlocksTheApplicationsCookiesIsToldSo(t *testing.T) {
	t.Parallel()
	gate := harness.Start(t)
	page := withoutCookies(t, "app.localhost").NewPage(t)
	page.Open(gate.App + "/deep?a=1")
	page.Click(harness.Alice)
	page.See("Signing in leads back to signing in", "The browser sent no cookies to app.localhost", "Allow cookies", "sign_in_loops", "Error code 9")
	page.Inspect("cookies-blocked")
	page.DontSee("Hello")
}
