package pages_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/gatehouse-iap/gatehouse/internal/pages"
)

func TestTheAddressPageAsksForNothingElse(t *testing.T) {
	t.Parallel()
	p := newRenderer(t)
	response := get(t, func(w http.ResponseWriter, r *http.Request) {
		p.Address(w, r, pages.Address{App: "Payroll", Host: "payroll.example", State: "sealed", Prompt: "select_account", Email: "a@b.example"})
	})
	document := parse(t, response)
	form := document.one(t, "form")
	if form.attr("action") != "/signin/address" || form.attr("method") != "post" {
		t.Errorf("the form does a %s to %s", form.attr("method"), form.attr("action"))
	}
	values := map[string]string{}
	for _, input := range form.all("input") {
		values[input.attr("name")] = input.attr("value")
	}
	if len(values) != 3 || values["state"] != "sealed" || values["prompt"] != "select_account" || values["email"] != "a@b.example" {
		t.Errorf("inputs %v", values)
	}
	document.headingsInOrder(t)
	document.uniqueIDs(t)
	if title := document.one(t, "title").text(); title != "Sign in to Payroll · Gatehouse" {
		t.Errorf("title %q", title)
	}
}

func TestAProblemWithTheAddressIsTiedToItsField(t *testing.T) {
	t.Parallel()
	p := newRenderer(t)
	response := get(t, func(w http.ResponseWriter, r *http.Request) {
		p.Address(w, r, pages.Address{Problem: "Nobody signs in here with that.", Status: http.StatusBadRequest})
	})
	document := parse(t, response)
	problems := document.where("p", "role", "alert")
	input := document.where("input", "name", "email")[0]
	if response.StatusCode != http.StatusBadRequest || len(problems) != 1 || input.attr("aria-describedby") != problems[0].attr("id") || input.attr("aria-invalid") != "true" {
		t.Errorf("status %d, the problem is not announced", response.StatusCode)
	}
	if title := document.one(t, "title").text(); !strings.HasPrefix(title, "Error: ") {
		t.Errorf("title %q", title)
	}
}

func TestThePageToAProviderLeavesAtOnce(t *testing.T) {
	t.Parallel()
	p := newRenderer(t)
	const target = "https://login.corp.example/authorize?client_id=a&state=b"
	for signOut, heading := range map[bool]string{false: "Sign in at your organisation", true: "You have signed out here"} {
		response := get(t, func(w http.ResponseWriter, r *http.Request) {
			p.Depart(w, r, pages.Depart{Provider: "Corp <b>", URL: target, SignOut: signOut})
		})
		if response.Header.Get("Refresh") != "0; url="+target {
			t.Errorf("Refresh %q", response.Header.Get("Refresh"))
		}
		document := parse(t, response)
		if link := document.one(t, "a"); link.attr("href") != target {
			t.Errorf("without Refresh one is led to %q", link.attr("href"))
		}
		if got := document.one(t, "h1").text(); got != heading || !strings.Contains(document.text(), "Corp <b>") {
			t.Errorf("heading %q", got)
		}
	}
	for _, target := range []string{"", "javascript:alert(1)", "//evil.example", "http://a.example/\r\nX: y"} {
		response := get(t, func(w http.ResponseWriter, r *http.Request) { p.Depart(w, r, pages.Depart{URL: target}) })
		if _, leaves := response.Header["Refresh"]; leaves || response.StatusCode != http.StatusBadRequest {
			t.Errorf("%q: %d", target, response.StatusCode)
		}
	}
}
