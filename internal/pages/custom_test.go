package pages_test

import (
	"bytes"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/gatehouse-iap/gatehouse/internal/pages"
)

// own writes a directory of templates, with file names and contents in turn.
func own(t *testing.T, files ...string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "static"), 0o755); err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(files); i += 2 {
		if err := os.WriteFile(filepath.Join(dir, files[i]), []byte(files[i+1]), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func load(t *testing.T, dir string) *pages.Custom {
	t.Helper()
	c, err := pages.LoadCustom(dir)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

const donePage = `{{define "title"}}Willkommen{{end}}{{define "main"}}<h1>Fertig</h1><img src="{{asset "logo.png"}}" alt="">{{end}}`

func done(p *pages.Renderer) show {
	return func(w http.ResponseWriter, r *http.Request) { p.Done(w, r, pages.Done{App: "Payroll"}) }
}

func TestWhatIsBuiltInIsACustomTemplateToo(t *testing.T) {
	t.Parallel()
	dir := own(t)
	files, err := filepath.Glob("templates/*.html")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if filepath.Base(file) == "parts.html" {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, filepath.Base(file)), text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	p, custom := newRenderer(t), newRenderer(t)
	custom.Use(load(t, dir))
	other := every(custom, "Payroll 2")
	for name, page := range every(p, "Payroll 2") {
		want, got := get(t, page), get(t, other[name])
		if read(t, got) != read(t, want) || got.Header.Get("Content-Security-Policy") != want.Header.Get("Content-Security-Policy") {
			t.Errorf("%s differs", name)
		}
	}
}

func TestAPageOfOnesOwnIsShownAndItsFilesAreServed(t *testing.T) {
	t.Parallel()
	p := newRenderer(t)
	p.Use(load(t, own(t, "done.html", donePage, "static/logo.png", "one")))
	response := get(t, done(p))
	checkGenerated(t, "a custom page", response)
	document := parse(t, response)
	if document.one(t, "h1").text() != "Fertig" || !strings.HasPrefix(document.one(t, "title").text(), "Willkommen") {
		t.Errorf("the page says %q", document.text())
	}
	logo := document.one(t, "img").attr("src")
	if !strings.HasPrefix(logo, "/_gcp_iap/static/custom/logo.") {
		t.Fatalf("its picture is at %q", logo)
	}
	served := func(path, want, cache string) {
		t.Helper()
		response := fetch(p, http.MethodGet, path)
		if got := read(t, response); response.StatusCode != http.StatusOK || got != want || response.Header.Get("Cache-Control") != cache || response.Header.Get("Content-Type") != "image/png" {
			t.Errorf("%s: %d %q %v", path, response.StatusCode, got, response.Header)
		}
	}
	const lasting, plain = "public, max-age=31536000, immutable", "/_gcp_iap/static/custom/logo.png"
	served(logo, "one", lasting)
	served(plain, "one", "no-cache")
	if response := get(t, func(w http.ResponseWriter, r *http.Request) { p.SignIn(w, r, pages.SignIn{}) }); parse(t, response).one(t, "h1").text() != "Sign in" {
		t.Error("a page that is not there is not the built-in one")
	}

	p.Use(load(t, own(t, "done.html", donePage, "static/logo.png", "two")))
	served(logo, "one", lasting) // for pages that were loaded a moment ago
	served(plain, "two", "no-cache")
	p.Use(nil)
	if got := parse(t, get(t, done(p))).one(t, "h1").text(); got != "You are signed in" {
		t.Errorf("without custom pages: %q", got)
	}
	for _, path := range []string{"/_gcp_iap/static/custom/done.html", "/_gcp_iap/static/custom/", "/_gcp_iap/static/custom/../done.html"} {
		if response := fetch(p, http.MethodGet, path); response.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %d", path, response.StatusCode)
		}
	}
}

func TestATemplateThatFailsGivesWayToTheBuiltInPage(t *testing.T) {
	t.Parallel()
	p := newRenderer(t)
	var log bytes.Buffer
	p.Log = slog.New(slog.NewTextHandler(&log, nil))
	p.Use(load(t, own(t, "done.html", `{{define "title"}}x{{end}}{{define "main"}}<h1>Hello</h1>{{if eq .App "Wiki"}}{{index .App 99}}{{end}}{{end}}`)))
	if got := parse(t, get(t, done(p))).one(t, "h1").text(); got != "Hello" {
		t.Errorf("the page that works says %q", got)
	}
	response := get(t, func(w http.ResponseWriter, r *http.Request) { p.Done(w, r, pages.Done{App: "Wiki"}) })
	if got := parse(t, response).one(t, "h1").text(); response.StatusCode != http.StatusOK || got != "You are signed in" {
		t.Errorf("%d, %q", response.StatusCode, got)
	}
	if !strings.Contains(log.String(), "level=ERROR") || !strings.Contains(log.String(), "page=done") {
		t.Errorf("the log says %q", &log)
	}
}

// What the sample data does not show is stopped when it is shown.
func TestATemplateThatLoopsForOneApplicationDoesNotKeepTheServerBusy(t *testing.T) {
	t.Parallel()
	p := newRenderer(t)
	p.Use(load(t, own(t, "done.html", `{{define "title"}}x{{end}}{{define "main"}}<h1>Hello</h1>{{if eq .App "Wiki"}}{{range 1000000000000000000}}{{end}}{{end}}{{end}}`)))
	response := get(t, func(w http.ResponseWriter, r *http.Request) { p.Done(w, r, pages.Done{App: "Wiki"}) })
	if got := parse(t, response).one(t, "h1").text(); response.StatusCode != http.StatusOK || got != "You are signed in" {
		t.Errorf("%d, %q", response.StatusCode, got)
	}
}

func TestTemplatesThatWouldNotWorkAreRefusedWithAllThatIsWrong(t *testing.T) {
	t.Parallel()
	page := func(main string) string { return `{{define "title"}}x{{end}}{{define "main"}}` + main + `{{end}}` }
	for want, files := range map[string][]string{
		"login.html: there is no such page":                                        {"login.html", "x"},
		"notes.txt: there is no such page":                                         {"notes.txt", "x"},
		"done.html: template: done.html:1":                                         {"done.html", "{{define \"main\"}}{{if}}{{end}}"},
		"done.html: template: done.html:1:45: executing":                           {"done.html", page("{{.Nobody}}")},
		"done.html: <script> is inline":                                            {"done.html", page("<script>alert(1)</script>")},
		"done.html: <script src=\"https://cdn.example/x.js\"> is not loaded":       {"done.html", page("<script src=https://cdn.example/x.js></script>")},
		"done.html: <style> is inline":                                             {"done.html", page("<style>p{}</style>")},
		"done.html: <p style> is an inline style":                                  {"done.html", page("<p style=color:red>x")},
		"done.html: <p onclick> is an inline script":                               {"done.html", page("<p onclick=x()>x")},
		"done.html: <img src=\"https://cdn.example/logo.png\"> is not loaded":      {"done.html", page("<img src=https://cdn.example/logo.png>")},
		"done.html: <iframe> is blocked":                                           {"done.html", page("<iframe></iframe>")},
		"done.html: <form action=\"https://evil.example/\"> is blocked":            {"done.html", page("<form action=https://evil.example/></form>")},
		"there is no file static/logo.png":                                         {"done.html", donePage},
		"signin.html: with sample data it lacks <form action=\"/signin\">":         {"signin.html", page("<h1>Hi</h1>")},
		"signin.html: with sample data it lacks <input value=\"sample-state\">":    {"signin.html", page(`<form method="post" action="/signin"><input name="state"><input name="email"><input name="password"></form>`)},
		"error.html: with sample data it lacks the text \"There was a problem":     {"error.html", page("{{.Title}}{{.Text}}")},
		"with the built-in page continue): with sample data it lacks <meta http-e": {"layout.html", `<title>{{template "title" .Page}}</title>{{template "main" .Page}}`},
		"refused.html: with sample data it lacks the text \"r1-0123456789\"":       {"refused.html", page("{{.Title}}{{.Text}}{{.Reason}}{{.Email}}{{.Detail}}{{.SwitchURL}}")},
		"static/app.js: static files are style sheets and pictures":                {"static/app.js", "x"},
		"static/a.b.css: names of static files":                                    {"static/a.b.css", "x"},
		"static/big.css: it is larger than 512 KiB":                                {"static/big.css", strings.Repeat(" ", 600<<10)},
		"the page becomes larger than 1024 KiB":                                    {"done.html", page("{{range 2000000000}}" + strings.Repeat("more and more ", 20) + "{{end}}")},
		"takes more than 20000 steps":                                              {"done.html", page("{{range 2000000000}}{{end}}")},
		"done.html: the page takes more":                                           {"done.html", page("{{range 1000000}}{{if true}}{{with 1}}{{end}}{{else}}x{{end}}{{else}}y{{end}}")},
		"address.html: the page takes more":                                        {"address.html", page(`{{range 60000}}{{range 60000}}{{range 60000}}{{end}}{{end}}{{end}}`)},
		"chooser.html: the page takes more":                                        {"chooser.html", page(`{{template "a"}}`) + `{{define "a"}}{{template "b"}}{{template "b"}}{{end}}{{define "b"}}{{template "a"}}{{template "a"}}{{end}}`},
		"done.html: it is larger than 256 KiB":                                     {"done.html", strings.Repeat(" ", 300<<10)},
	} {
		_, err := pages.LoadCustom(own(t, files...))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", files[0], err, want)
		}
	}
	_, err := pages.LoadCustom(own(t, "done.html", page("<style></style>"), "address.html", page("{{.No}}")))
	if err == nil || !strings.Contains(err.Error(), "done.html") || !strings.Contains(err.Error(), "address.html") {
		t.Errorf("two faults: %v", err)
	}
	if _, err := pages.LoadCustom(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("a directory that is not there is read")
	}
	var many []string
	for i := range 70 {
		many = append(many, "static/"+strconv.Itoa(i)+".css", "x")
	}
	if _, err := pages.LoadCustom(own(t, many...)); err == nil || !strings.Contains(err.Error(), "more than 64") {
		t.Errorf("70 files: %v", err)
	}
	outside := own(t)
	if err := os.Symlink("/etc/hostname", filepath.Join(outside, "static", "secret.css")); err != nil {
		t.Fatal(err)
	}
	if _, err := pages.LoadCustom(outside); err == nil || !strings.Contains(err.Error(), "secret.css") {
		t.Errorf("a link that leads out: %v", err)
	}
}

func TestTheGuideNamesEveryPageAndField(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/custom-pages.md")
	if err != nil {
		t.Fatal(err)
	}
	guide := string(text)
	for name, data := range map[string]any{
		"signin": pages.SignIn{}, "chooser": pages.Chooser{}, "address": pages.Address{}, "continue": pages.Continue{}, "depart": pages.Depart{},
		"done": pages.Done{}, "refused": pages.Refused{}, "error": pages.Error{}, "account": pages.Account{}, "signout": pages.SignOut{}, "refresher": pages.Refresher{},
	} {
		_, section, found := strings.Cut(guide, "\n### "+name+".html")
		if !found {
			t.Errorf("there is no section for %s.html", name)
			continue
		}
		section, _, _ = strings.Cut(section, "\n### ")
		kind := reflect.TypeOf(data)
		for i := range kind.NumField() {
			field := kind.Field(i).Name
			if field == "FormTargets" || field == "Status" {
				continue // not for templates
			}
			if !strings.Contains(section, "`."+field+"`") {
				t.Errorf("%s.html: .%s is not explained", name, field)
			}
		}
	}
	files, _ := filepath.Glob("templates/*.html")
	for _, file := range files {
		if name := filepath.Base(file); name != "parts.html" && !strings.Contains(guide, name) {
			t.Errorf("%s is not named", name)
		}
	}
}

func TestEveryErrorCodeIsExplained(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/error-codes.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, code := range pages.ErrorCodes() {
		heading := "\n## Error code " + strconv.Itoa(code) + "\n"
		if !strings.Contains(string(text), heading) {
			t.Errorf("docs/error-codes.md has no section %q", heading)
		}
	}
}
