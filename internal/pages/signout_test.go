package pages_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/gatehouse-iap/gatehouse/internal/pages"
)

func TestSigningOutEverywhereIsAskedForByAForm(t *testing.T) {
	t.Parallel()
	p := newRenderer(t)
	document := parse(t, get(t, func(w http.ResponseWriter, r *http.Request) {
		p.SignOut(w, r, pages.SignOut{
			Email: "alice@example.com", Apps: 3, Provider: "Example SSO", App: "Payroll", BackURL: "https://payroll.example/x?y", Return: "sealed",
		})
	}))
	form := document.one(t, "form")
	if form.attr("action") != "/signout" || form.attr("method") != "post" || form.where("input", "name", "return")[0].attr("value") != "sealed" {
		t.Errorf("the form does a %s to %s", form.attr("method"), form.attr("action"))
	}
	said := document.one(t, "main").text()
	for _, want := range []string{"alice@example.com", "all 3 applications", "Example SSO", "back to Payroll"} {
		if !strings.Contains(said, want) {
			t.Errorf("the page does not say %q: %s", want, said)
		}
	}
	if back := document.one(t, "main").one(t, "a").attr("href"); back != "https://payroll.example/x?y" {
		t.Errorf("the way back leads to %q", back)
	}

	nobody := parse(t, get(t, func(w http.ResponseWriter, r *http.Request) { p.SignOut(w, r, pages.SignOut{}) }))
	if len(nobody.all("form")) > 0 || !strings.Contains(nobody.text(), "You are not signed in") {
		t.Errorf("nobody is asked: %s", nobody.text())
	}
}

func TestTheRefresherLeavesByItselfWithoutAScript(t *testing.T) {
	t.Parallel()
	p := newRenderer(t)
	data := pages.Refresher{
		App: "Payroll", Email: "alice@example.com", SelfURL: "/a?gcp-iap-mode=SESSION_REFRESHER", RefreshURL: "/a?gcp-iap-mode=DO_SESSION_REFRESH",
	}
	response := get(t, func(w http.ResponseWriter, r *http.Request) { p.Refresher(w, r, data) })
	if got := response.Header.Get("Refresh"); response.StatusCode != http.StatusOK || got != "2700; url=/a?gcp-iap-mode=DO_SESSION_REFRESH" {
		t.Errorf("status %d, Refresh %q", response.StatusCode, got)
	}
	data.SignInNeeded = true
	response = get(t, func(w http.ResponseWriter, r *http.Request) { p.Refresher(w, r, data) })
	if got := response.Header.Get("Refresh"); response.StatusCode != http.StatusUnauthorized || got != "60; url=/a?gcp-iap-mode=SESSION_REFRESHER" {
		t.Errorf("signed out: status %d, Refresh %q", response.StatusCode, got)
	}
	link := parse(t, response).one(t, "main").one(t, "a")
	if link.attr("href") != data.RefreshURL || link.attr("target") != "_blank" {
		t.Errorf("signing in again is offered at %q in %q; a frame is no place for it", link.attr("href"), link.attr("target"))
	}
	data.SelfURL = "//evil.example/"
	response = get(t, func(w http.ResponseWriter, r *http.Request) { p.Refresher(w, r, data) })
	if got := response.Header.Get("Refresh"); got != "" {
		t.Errorf("it leads to another host: %q", got)
	}
}
