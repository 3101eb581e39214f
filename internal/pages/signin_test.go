package pages_test

import (
	"net/http"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"github.com/gatehouse-iap/gatehouse/internal/pages"
)

func TestTheSignInFormIsWhatPasswordManagersExpect(t *testing.T) {
	t.Parallel()
	p := newRenderer(t)
	document := parse(t, get(t, func(w http.ResponseWriter, r *http.Request) {
		p.SignIn(w, r, pages.SignIn{App: "Payroll", Host: "payroll.example", State: "sealed"})
	}))
	form := document.one(t, "form")
	if form.attr("action") != "/signin" || form.attr("method") != "post" {
		t.Errorf("the form does a %s to %s", form.attr("method"), form.attr("action"))
	}
	for _, want := range []struct{ name, kind, autocomplete, value string }{
		{"state", "hidden", "", "sealed"},
		{"email", "email", "username", ""},
		{"password", "password", "current-password", ""},
	} {
		inputs := form.where("input", "name", want.name)
		if len(inputs) != 1 {
			t.Fatalf("%d inputs named %s", len(inputs), want.name)
		}
		input := inputs[0]
		if input.attr("type") != want.kind || input.attr("autocomplete") != want.autocomplete || input.attr("value") != want.value {
			t.Errorf("input %s: type %q, autocomplete %q, value %q", want.name, input.attr("type"), input.attr("autocomplete"), input.attr("value"))
		}
		if _, described := input.lookup("aria-describedby"); described {
			t.Errorf("input %s is described by a problem that there is not", want.name)
		}
	}
	if main := document.one(t, "main").text(); !strings.Contains(main, "Payroll") || !strings.Contains(main, "payroll.example") {
		t.Errorf("%q does not say where sign-in leads", main)
	}
	if title := document.one(t, "title").text(); title != "Sign in to Payroll · Gatehouse" {
		t.Errorf("title = %q", title)
	}
}

func TestAFailedSignInIsSaidAndTiedToItsFields(t *testing.T) {
	t.Parallel()
	p := newRenderer(t)
	response := get(t, func(w http.ResponseWriter, r *http.Request) {
		p.SignIn(w, r, pages.SignIn{Email: "alice@example.com", Problem: "Email or password is not right.", Status: http.StatusUnauthorized})
	})
	if response.StatusCode != http.StatusUnauthorized {
		t.Errorf("status = %d", response.StatusCode)
	}
	document := parse(t, response)
	problems := document.where("p", "role", "alert")
	if len(problems) != 1 || !strings.Contains(problems[0].text(), "Email or password is not right.") {
		t.Fatalf("the problem is not announced: %v", problems)
	}
	for _, name := range []string{"email", "password"} {
		input := document.where("input", "name", name)[0]
		if input.attr("aria-invalid") != "true" || input.attr("aria-describedby") != problems[0].attr("id") {
			t.Errorf("input %s is not tied to the problem", name)
		}
		_, focused := input.lookup("autofocus")
		if wanted := name == "password"; focused != wanted {
			t.Errorf("input %s: autofocus = %v; the address is there already", name, focused)
		}
	}
	if value := document.where("input", "name", "email")[0].attr("value"); value != "alice@example.com" {
		t.Errorf("the address must be typed again: %q", value)
	}
	if title := document.one(t, "title").text(); !strings.HasPrefix(title, "Error: ") {
		t.Errorf("title %q does not begin with the error", title)
	}
}

func TestDevelopmentAccountsAreOneClickAndSaidToBeSuch(t *testing.T) {
	t.Parallel()
	p := newRenderer(t)
	accounts := []string{"alice@example.com", "bob@example.com"}
	document := parse(t, get(t, func(w http.ResponseWriter, r *http.Request) {
		p.SignIn(w, r, pages.SignIn{State: "sealed", Quick: accounts})
	}))
	section := document.one(t, "section")
	if heading := section.one(t, "h2").text(); heading != "Development accounts" {
		t.Errorf("the section is headed %q", heading)
	}
	form := section.one(t, "form")
	if form.attr("action") != "/signin/account" || form.where("input", "name", "state")[0].attr("value") != "sealed" {
		t.Error("the buttons do not post the state to /signin/account")
	}
	buttons := form.all("button")
	if len(buttons) != len(accounts) {
		t.Fatalf("%d buttons for %d accounts", len(buttons), len(accounts))
	}
	for i, button := range buttons {
		if button.attr("name") != "account" || button.attr("value") != accounts[i] || !strings.Contains(button.text(), accounts[i]) {
			t.Errorf("button %d posts %s=%q and says %q", i, button.attr("name"), button.attr("value"), button.text())
		}
	}

	production := parse(t, get(t, func(w http.ResponseWriter, r *http.Request) { p.SignIn(w, r, pages.SignIn{}) }))
	if strings.Contains(strings.ToLower(production.text()), "development") {
		t.Error("a gate without development accounts speaks of them")
	}
}

func TestTheChooserOffersTheCurrentAccountOnceAndAnother(t *testing.T) {
	t.Parallel()
	p := newRenderer(t)
	document := parse(t, get(t, func(w http.ResponseWriter, r *http.Request) {
		p.Chooser(w, r, pages.Chooser{
			App: "Payroll", State: "sealed", Email: "alice@example.com",
			Quick: []string{"alice@example.com", "bob@example.com"}, OtherURL: "/o/oauth2/v2/auth?prompt=login",
		})
	}))
	var offered []string
	for _, button := range document.all("button") {
		offered = append(offered, button.attr("value"))
	}
	if strings.Join(offered, " ") != "alice@example.com bob@example.com" {
		t.Errorf("offered %q", offered)
	}
	if first := document.all("button")[0].text(); !strings.Contains(first, "Continue as alice@example.com") {
		t.Errorf("the first button says %q", first)
	}
	for _, form := range document.all("form") {
		if form.attr("action") != "/signin/account" || form.where("input", "name", "state")[0].attr("value") != "sealed" {
			t.Error("a choice does not post the state to /signin/account")
		}
	}
	if link := document.one(t, "a"); link.attr("href") != "/o/oauth2/v2/auth?prompt=login" || link.text() != "Use another account" {
		t.Errorf("link %q to %q", link.text(), link.attr("href"))
	}
}

func TestFormsMayLeadOnToTheOriginsGivenAndToNoOther(t *testing.T) {
	t.Parallel()
	p := newRenderer(t)
	for name, test := range map[string]struct {
		targets []string
		want    string
	}{
		"none":                                {nil, "form-action 'self';"},
		"an origin with a port":               {[]string{"http://app.localhost:8080"}, "form-action 'self' http://app.localhost:8080;"},
		"two origins":                         {[]string{"https://a.example", "https://b.example"}, "form-action 'self' https://a.example https://b.example;"},
		"a wildcard is left out":              {[]string{"*", "https://*", "https://*.example"}, "form-action 'self';"},
		"a scheme is left out":                {[]string{"https:", "https://", "javascript:alert(1)"}, "form-action 'self';"},
		"a second directive is left out":      {[]string{"https://a.example; script-src https://b.example", "https://a.example 'unsafe-inline'"}, "form-action 'self';"},
		"a path or a user name is left out":   {[]string{"https://a.example/path", "https://user@a.example"}, "form-action 'self';"},
		"what is no origin hides not the one": {[]string{"*", "https://a.example"}, "form-action 'self' https://a.example;"},
	} {
		for page, response := range map[string]*http.Response{
			"sign-in": get(t, func(w http.ResponseWriter, r *http.Request) { p.SignIn(w, r, pages.SignIn{FormTargets: test.targets}) }),
			"chooser": get(t, func(w http.ResponseWriter, r *http.Request) {
				p.Chooser(w, r, pages.Chooser{FormTargets: test.targets})
			}),
		} {
			if policy := response.Header.Get("Content-Security-Policy"); !strings.Contains(policy, test.want) {
				t.Errorf("%s, %s: policy %q, want %q in it", name, page, policy, test.want)
			}
		}
	}
}

func TestContinueLeavesAtOnceAndWithoutRedirect(t *testing.T) {
	t.Parallel()
	p := newRenderer(t)
	const target = "http://app.localhost:8080/?gcp-iap-mode=AUTHENTICATING&redirect_token_v2=abc"
	response := get(t, func(w http.ResponseWriter, r *http.Request) {
		p.Continue(w, r, pages.Continue{App: "Payroll", URL: target})
	})
	if _, early := response.Header["Refresh"]; response.StatusCode != http.StatusOK || early {
		t.Errorf("status %d, Refresh %q would be ahead of the script", response.StatusCode, response.Header.Get("Refresh"))
	}
	document := parse(t, response)
	if link := document.one(t, "a"); link.attr("href") != target || len(document.all("script")) != 1 {
		t.Errorf("the link that the script follows leads to %q", link.attr("href"))
	}
	if without := html.UnescapeString(document.one(t, "noscript").text()); !strings.Contains(without, `http-equiv="refresh" content="0; url=`+target+`"`) {
		t.Errorf("without scripts: %q", without)
	}
}

func TestContinueGoesNowhereThatIsNotALink(t *testing.T) {
	t.Parallel()
	p := newRenderer(t)
	for _, target := range []string{"", "javascript:alert(1)", "data:text/html,x", "//evil.example", `/\evil.example`, "http://", "https://user@app.example/", "http://app.example/\r\nX: y", "http://app.example/a b"} {
		response := get(t, func(w http.ResponseWriter, r *http.Request) { p.Continue(w, r, pages.Continue{URL: target}) })
		if response.StatusCode != http.StatusBadRequest {
			t.Errorf("%q: status %d", target, response.StatusCode)
		}
		if links := parse(t, response).all("a"); len(links) > 0 {
			t.Errorf("%q: offered as a link to %q", target, links[0].attr("href"))
		}
	}
}

func TestTheAccountPageSaysWhoIsSignedInAndOffersTheWayOut(t *testing.T) {
	t.Parallel()
	p := newRenderer(t)
	document := parse(t, get(t, func(w http.ResponseWriter, r *http.Request) {
		p.Account(w, r, pages.Account{SignedIn: true, Email: "alice@example.com", Apps: 2})
	}))
	if main := document.one(t, "main").text(); !strings.Contains(main, "alice@example.com") || !strings.Contains(main, "2 applications") {
		t.Errorf("the page says %q", main)
	}
	if form := document.one(t, "form"); form.attr("action") != "/signout" || form.one(t, "button").text() != "Sign out" {
		t.Error("there is no way to sign out")
	}

	document = parse(t, get(t, func(w http.ResponseWriter, r *http.Request) {
		p.Account(w, r, pages.Account{Email: "alice@example.com", Notice: "You have signed out.", SignInURL: "/o/oauth2/v2/auth"})
	}))
	if strings.Contains(document.text(), "alice") || len(document.all("form")) > 0 {
		t.Error("somebody who is not signed in is shown an account")
	}
	if notices := document.where("p", "role", "status"); len(notices) != 1 || notices[0].text() != "You have signed out." {
		t.Error("the notice is not announced")
	}
	if link := document.one(t, "a"); link.attr("href") != "/o/oauth2/v2/auth" {
		t.Errorf("sign-in leads to %q", link.attr("href"))
	}
}
