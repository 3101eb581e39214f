package browser

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gatehouse-iap/gatehouse/internal/pages"
	"github.com/gatehouse-iap/gatehouse/internal/policy"
)

// The pages that stories come by rarely, with as much on each as there can be, and names that are too long.
func TestRarePagesReadWellWithLongNames(t *testing.T) {
	t.Parallel()
	renderer, err := pages.New()
	if err != nil {
		t.Fatal(err)
	}
	const (
		id    = "06BZ4E1VJQ8K3M7T2N5XW9RCGH"
		email = "maximiliane.mustermann-von-und-zu-beispielhausen@research.and-development.corp.example"
		app   = "quarterly-reporting-and-reconciliation-frontend"
		host  = "quarterly-reporting-and-reconciliation-frontend.internal.corp.example"
	)
	setup := policy.ProviderMisconfigured.Describe()
	gallery := map[string]func(w http.ResponseWriter, r *http.Request){
		"provider-misconfigured": func(w http.ResponseWriter, r *http.Request) {
			renderer.Error(w, r, pages.Error{
				Code: 11, Title: setup.Title, Text: setup.Text + " It needs to have this redirect URI registered: https://auth.corp.example/v1/oauth/clientIds/11111111-1111-1111-1111-111111111111:handleRedirect",
				Reason: string(policy.ProviderMisconfigured), ID: id, ActionURL: "/", ActionLabel: "Start again",
			})
		},
		"address-long": func(w http.ResponseWriter, r *http.Request) {
			renderer.Address(w, r, pages.Address{App: app, Host: host, State: "x", Email: email, Problem: "Nobody signs in here with an address at research.and-development.corp.example."})
		},
		"sign-in-long": func(w http.ResponseWriter, r *http.Request) {
			renderer.SignIn(w, r, pages.SignIn{App: app, Host: host, State: "x", Email: email, Again: true})
		},
		"chooser-long": func(w http.ResponseWriter, r *http.Request) {
			renderer.Chooser(w, r, pages.Chooser{App: app, Host: host, State: "x", Email: email, OtherURL: "/", SignOutURL: "/", Quick: []string{email, "bob@example.com"}})
		},
		"refused-long": func(w http.ResponseWriter, r *http.Request) {
			text := policy.NotGranted.Describe()
			renderer.Refused(w, r, pages.Refused{Status: 403, Title: text.Title, Text: text.Text, Reason: string(policy.NotGranted), ID: id, Email: email, App: app, SwitchURL: "/"})
		},
		"account-long": func(w http.ResponseWriter, r *http.Request) {
			renderer.Account(w, r, pages.Account{SignedIn: true, Email: email, Apps: 7, Programs: 2, Notice: "You are signed in.", BackURL: "/", App: app})
		},
		"error-plain": func(w http.ResponseWriter, r *http.Request) {
			text := policy.StoreFailed.Describe()
			renderer.Error(w, r, pages.Error{Status: 503, Title: text.Title, Text: text.Text, Reason: string(policy.StoreFailed), ID: id})
		},
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if show := gallery[strings.TrimPrefix(r.URL.Path, "/")]; show != nil {
			show(w, r)
			return
		}
		renderer.Static().ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	page := chromium.NewPage(t)
	for name := range gallery {
		page.Open(server.URL + "/" + name)
		page.Inspect(name)
	}

	// The note below a button keeps its distance from it, and its link is of the page's colours.
	page.Open(server.URL + "/provider-misconfigured")
	if gap := page.Number(`document.querySelector(".actions + .note").getBoundingClientRect().top - document.querySelector(".primary").getBoundingClientRect().bottom`); gap < 16 {
		t.Errorf("the note is %v pixels below the button", gap)
	}
	if page.Number(`getComputedStyle(document.querySelector(".note a")).color === "rgb(0, 0, 238)" ? 1 : 0`) != 0 {
		t.Error("the link has the browser's own blue")
	}
}
