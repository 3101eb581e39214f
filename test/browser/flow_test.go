package browser

import (
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/gatehouse-iap/gatehouse/test/harness"
)

// handoffURL signs Alice in by plain HTTP and stops before the redirect token is used.
func handoffURL(t *testing.T, gate *harness.Gate, client *http.Client) string {
	t.Helper()
	begun := harness.Get(t, client, gate.App+"/", "Accept", "text/html")
	form := harness.Get(t, client, begun.Header.Get("Location"), "Accept", "text/html")
	state := regexp.MustCompile(`name="state" value="([^"]+)"`).FindStringSubmatch(form.Text)
	if state == nil {
		t.Fatalf("the sign-in page has no state (status %d):\n%s", form.StatusCode, form.Text)
	}
	values := url.Values{"state": {html.UnescapeString(state[1])}, "email": {harness.Alice}, "password": {harness.Password}}
	request, err := http.NewRequest(http.MethodPost, gate.Auth+"/signin", strings.NewReader(values.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Origin", gate.Auth)
	answer := harness.Do(t, client, request)
	target := answer.Header.Get("Location")
	if target == "" { // a page that leads on, for browsers that hold redirects after a form against its policy
		if found := regexp.MustCompile(`href="([^"]*redirect_token_v2[^"]*)"`).FindStringSubmatch(answer.Text); found != nil {
			target = html.UnescapeString(found[1])
		}
	}
	if !strings.HasPrefix(target, gate.App+"/") || !strings.Contains(target, "redirect_token_v2=") {
		t.Fatalf("signing in leads to %q (status %d), not back to the application with a token\n%s", target, answer.StatusCode, answer.Text)
	}
	return target
}
