package pages_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"github.com/gatehouse-iap/gatehouse/internal/pages"
)

// browserAccept is what browsers send for a navigation.
const browserAccept = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"

func newRenderer(t *testing.T) *pages.Renderer {
	t.Helper()
	p, err := pages.New()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

type show func(w http.ResponseWriter, r *http.Request)

// get renders a page as a browser sees it, or with the method and Accept given.
func get(t *testing.T, page show, methodAndAccept ...string) *http.Response {
	t.Helper()
	method, accept := http.MethodGet, browserAccept
	if len(methodAndAccept) == 2 {
		method, accept = methodAndAccept[0], methodAndAccept[1]
	}
	r := httptest.NewRequest(method, "http://app.example/", nil)
	if accept != "" {
		r.Header.Set("Accept", accept)
	}
	w := httptest.NewRecorder()
	page(w, r)
	return w.Result()
}

// every lists each page at its barest and at its fullest, with s wherever a caller could put foreign text.
func every(p *pages.Renderer, s string) map[string]show {
	quick := []string{s, "alice@example.com"}
	return map[string]show{
		"sign-in, bare": func(w http.ResponseWriter, r *http.Request) { p.SignIn(w, r, pages.SignIn{}) },
		"sign-in, full": func(w http.ResponseWriter, r *http.Request) {
			p.SignIn(w, r, pages.SignIn{App: s, Host: s, State: s, Email: s, Problem: s, Quick: quick, FormTargets: []string{s}})
		},
		"chooser, bare": func(w http.ResponseWriter, r *http.Request) { p.Chooser(w, r, pages.Chooser{}) },
		"chooser, full": func(w http.ResponseWriter, r *http.Request) {
			p.Chooser(w, r, pages.Chooser{App: s, Host: s, State: s, Email: "bob@example.com", Quick: quick, OtherURL: s, SignOutURL: s, FormTargets: []string{s}})
		},
		"continue, bare": func(w http.ResponseWriter, r *http.Request) { p.Continue(w, r, pages.Continue{URL: "/"}) },
		"continue, full": func(w http.ResponseWriter, r *http.Request) { p.Continue(w, r, pages.Continue{App: s, URL: s}) },
		"refused, bare":  func(w http.ResponseWriter, r *http.Request) { p.Refused(w, r, pages.Refused{}) },
		"refused, full": func(w http.ResponseWriter, r *http.Request) {
			p.Refused(w, r, pages.Refused{Title: s, Text: s, Reason: s, ID: s, Email: s, App: s, SwitchURL: s, Detail: s})
		},
		"error, bare": func(w http.ResponseWriter, r *http.Request) { p.Error(w, r, pages.Error{}) },
		"error, full": func(w http.ResponseWriter, r *http.Request) {
			p.Error(w, r, pages.Error{Code: 9, Title: s, Text: s, Reason: s, ID: s, ActionURL: s, ActionLabel: s})
		},
		"done, bare": func(w http.ResponseWriter, r *http.Request) { p.Done(w, r, pages.Done{}) },
		"done, full": func(w http.ResponseWriter, r *http.Request) { p.Done(w, r, pages.Done{App: s}) },
		"address, full": func(w http.ResponseWriter, r *http.Request) {
			p.Address(w, r, pages.Address{App: s, Host: s, State: s, Prompt: s, Email: s, Problem: s})
		},
		"depart, bare": func(w http.ResponseWriter, r *http.Request) { p.Depart(w, r, pages.Depart{Provider: s, URL: "/"}) },
		"account, signed in": func(w http.ResponseWriter, r *http.Request) {
			p.Account(w, r, pages.Account{SignedIn: true, Email: s, Apps: 2, Notice: s})
		},
		"account, signed out": func(w http.ResponseWriter, r *http.Request) {
			p.Account(w, r, pages.Account{Notice: s, SignInURL: s, App: s, BackURL: s})
		},
		"sign-out, signed in": func(w http.ResponseWriter, r *http.Request) {
			p.SignOut(w, r, pages.SignOut{Email: s, Apps: 2, Provider: s, App: s, BackURL: s, Return: s})
		},
		"sign-out, bare": func(w http.ResponseWriter, r *http.Request) { p.SignOut(w, r, pages.SignOut{}) },
		"sign-out, signed out": func(w http.ResponseWriter, r *http.Request) {
			p.SignOut(w, r, pages.SignOut{App: s, BackURL: s})
		},
		"refresher": func(w http.ResponseWriter, r *http.Request) {
			p.Refresher(w, r, pages.Refresher{App: s, Email: s, SelfURL: s, RefreshURL: s})
		},
		"refresher, signed out": func(w http.ResponseWriter, r *http.Request) {
			p.Refresher(w, r, pages.Refresher{App: s, SignInNeeded: true, SelfURL: s, RefreshURL: s})
		},
	}
}

func TestEveryPageIsOneWellFormedDocument(t *testing.T) {
	t.Parallel()
	for name, page := range every(newRenderer(t), "Payroll 2") {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			document := parse(t, get(t, page))
			root := document.one(t, "html")
			if root.attr("lang") != "en" {
				t.Errorf("lang = %q, want en", root.attr("lang"))
			}
			for _, tag := range []string{"h1", "main", "header", "footer", "title"} {
				document.one(t, tag)
			}
			title := document.one(t, "title").text()
			if prefix, found := strings.CutSuffix(title, " · Gatehouse"); !found || strings.TrimSpace(prefix) == "" {
				t.Errorf("title %q does not say the page and then the product", title)
			}
			if heading := document.one(t, "h1").text(); heading == "" {
				t.Error("the heading is empty")
			}
			document.headingsInOrder(t)
			document.uniqueIDs(t)
		})
	}
}

func TestEveryControlHasAName(t *testing.T) {
	t.Parallel()
	for name, page := range every(newRenderer(t), "Payroll 2") {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			document := parse(t, get(t, page))
			for _, input := range document.all("input") {
				if input.attr("type") == "hidden" {
					continue
				}
				labels := document.where("label", "for", input.attr("id"))
				if input.attr("id") == "" || len(labels) != 1 || labels[0].text() == "" {
					t.Errorf("input %q has %d labels, want exactly one that says something", input.attr("name"), len(labels))
				}
			}
			for _, control := range append(document.all("button"), document.all("a")...) {
				if control.text() == "" {
					t.Errorf("a %s says nothing", control.node.Data)
				}
			}
			for _, form := range document.all("form") {
				if form.attr("method") != "post" || !strings.HasPrefix(form.attr("action"), "/sign") {
					t.Errorf("form %s %s, want a post to this host", form.attr("method"), form.attr("action"))
				}
			}
		})
	}
}

func TestNoPageHasAnInlineScriptOrStyle(t *testing.T) {
	t.Parallel()
	for name, page := range every(newRenderer(t), "Payroll 2") {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			document := parse(t, get(t, page))
			checkScripts(t, name, document)
			for _, tag := range []string{"style", "iframe", "object", "base"} {
				if found := document.all(tag); len(found) > 0 {
					t.Errorf("the page holds a <%s>", tag)
				}
			}
			for node := range document.node.Descendants() {
				for _, attribute := range node.Attr {
					if attribute.Key == "style" || strings.HasPrefix(attribute.Key, "on") {
						t.Errorf("<%s %s=...> is inline", node.Data, attribute.Key)
					}
				}
			}
			for _, link := range document.all("link") {
				if !strings.HasPrefix(link.attr("href"), pages.StaticPrefix) {
					t.Errorf("link to %q, want one under %s", link.attr("href"), pages.StaticPrefix)
				}
			}
		})
	}
}

func TestEveryGeneratedResponseCarriesTheGeneratedHeaders(t *testing.T) {
	t.Parallel()
	p := newRenderer(t)
	for name, page := range every(p, "Payroll 2") {
		for _, accept := range []string{browserAccept, "application/json", "image/png"} {
			checkGenerated(t, name+" for "+accept, get(t, page, http.MethodGet, accept))
		}
	}
}

func checkGenerated(t *testing.T, name string, response *http.Response) {
	t.Helper()
	for key, want := range map[string]string{
		"X-Goog-IAP-Generated-Response": "true",
		"Cache-Control":                 "no-store",
		"Referrer-Policy":               "no-referrer",
		"X-Content-Type-Options":        "nosniff",
	} {
		if got := response.Header.Values(key); !slices.Equal(got, []string{want}) {
			t.Errorf("%s: %s = %q, want %q once", name, key, got, want)
		}
	}
	policy := response.Header.Get("Content-Security-Policy")
	ancestors := "frame-ancestors 'none'"
	if strings.HasPrefix(name, "refresher") {
		ancestors = "frame-ancestors 'self'" // the one page that applications put into a frame
	}
	for _, directive := range []string{"default-src 'none'", "style-src 'self'", "base-uri 'none'", ancestors, "form-action 'self'"} {
		if !strings.Contains(policy, directive) {
			t.Errorf("%s: policy %q lacks %s", name, policy, directive)
		}
	}
	if script := strings.Contains(policy, "script-src"); script && !strings.HasSuffix(policy, "; script-src 'self'") {
		t.Errorf("%s: policy %q", name, policy)
	}
	if strings.Contains(policy, "unsafe") || strings.Contains(policy, "*") || strings.Contains(policy, "data:") {
		t.Errorf("%s: policy %q opens what it should close", name, policy)
	}
}

func TestAHeadRequestGetsTheHeadersOfThePageWithoutItsBody(t *testing.T) {
	t.Parallel()
	for name, page := range every(newRenderer(t), "Payroll 2") {
		for _, accept := range []string{browserAccept, "application/json", "image/png"} {
			whole, head := get(t, page, http.MethodGet, accept), get(t, page, http.MethodHead, accept)
			body := read(t, whole)
			if length := whole.Header.Get("Content-Length"); length != strconv.Itoa(len(body)) || len(body) == 0 {
				t.Errorf("%s: Content-Length %s for %d bytes", name, length, len(body))
			}
			if got := read(t, head); got != "" {
				t.Errorf("%s: HEAD was answered with a body: %q", name, got)
			}
			if head.StatusCode != whole.StatusCode || head.Header.Get("Content-Length") != whole.Header.Get("Content-Length") {
				t.Errorf("%s: HEAD and GET disagree", name)
			}
		}
	}
}

func TestHostileTextStaysText(t *testing.T) {
	t.Parallel()
	p := newRenderer(t)
	for _, hostile := range []string{
		`"><script>alert(1)</script>`,
		`' autofocus onfocus=alert(1) x='`,
		"javascript:alert(1)",
		"JaVaScRiPt:alert(1)//@example.com",
		"data:text/html,<script>alert(1)</script>",
		"</title></main><h1>Sign in at evil.example</h1><form action=https://evil.example>",
		"//evil.example/",
		`/\evil.example/`,
		"https:evil.example",
		"{{.}}",
		"x'; script-src * 'unsafe-inline",
		"https://app.example; script-src *",
		"line\r\nSet-Cookie: a=b",
		"\x00\x1b[31m\xff",
	} {
		for name, page := range every(p, hostile) {
			response := get(t, page)
			checkGenerated(t, name, response)
			for key := range response.Header {
				for _, value := range response.Header.Values(key) {
					if strings.ContainsAny(value, "\r\n\x00") {
						t.Errorf("%s: %q reached header %s", name, hostile, key)
					}
				}
			}
			document := parse(t, response)
			for _, tag := range []string{"h1", "title", "main"} {
				document.one(t, tag)
			}
			checkScripts(t, name, document)
			for node := range document.node.Descendants() {
				for _, attribute := range node.Attr {
					checkAttribute(t, name, node, attribute)
				}
			}
		}
	}
}

// checkScripts refuses every script but ours.
func checkScripts(t *testing.T, page string, document element) {
	t.Helper()
	for i, script := range document.all("script") {
		if i > 0 || !strings.HasPrefix(script.attr("src"), pages.StaticPrefix+"gatehouse.") || script.text() != "" {
			t.Errorf("%s: <script src=%q>%s", page, script.attr("src"), script.text())
		}
	}
}

// checkAttribute refuses every attribute through which the hostile values could act.
func checkAttribute(t *testing.T, page string, node *html.Node, attribute html.Attribute) {
	t.Helper()
	switch {
	case strings.HasPrefix(attribute.Key, "on"):
		t.Errorf("%s: <%s %s> handles events", page, node.Data, attribute.Key)
	case attribute.Key == "href" || attribute.Key == "action":
		if strings.HasPrefix(attribute.Val, "https://github.com/gatehouse-iap/gatehouse/blob/main/docs/error-codes.md#error-code-") {
			return // ours, whatever the page is about
		}
		if !strings.HasPrefix(attribute.Val, "/") || strings.HasPrefix(attribute.Val, "//") || strings.HasPrefix(attribute.Val, `/\`) {
			t.Errorf("%s: <%s %s=%q> leaves the host", page, node.Data, attribute.Key, attribute.Val)
		}
	}
}
