package daemon

import (
	"os"
	"strings"
	"testing"
)

// ownPage is a template of the page that says that nothing is published under a host.
const ownPage = `{{define "title"}}x{{end}}{{define "main"}}<h1>OURS {{.Title}}</h1>{{.Text}} {{.Reason}} {{.ID}} {{.Sentence}} <a href="{{.ActionURL}}">x</a>{{end}}`

func (w *world) wrongHost() string {
	w.t.Helper()
	return w.get(0, "http://nobody.localhost/", "Accept: text/html").body
}

func TestPagesOfOnesOwnAreTakenUpWhenTheyChangeAndKeptWhenTheyBreak(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if err := os.MkdirAll(w.path("pages/static"), 0o755); err != nil {
		t.Fatal(err)
	}
	w.write("pages/error.html", ownPage)
	w.edit("gatehouse.yaml", "manifests:", "pages: {templates: pages}\nmanifests:")
	w.start()
	if got := w.wrongHost(); !strings.Contains(got, "OURS") {
		t.Fatalf("at first %s", got)
	}
	w.write("pages/error.html", strings.Replace(ownPage, "OURS", "OURS AGAIN", 1))
	w.look()
	if got := w.wrongHost(); !strings.Contains(got, "OURS AGAIN") || w.readyz().Pages.State != "current" {
		t.Errorf("after a change %s", got)
	}
	w.write("pages/error.html", strings.Replace(ownPage, "{{.Title}}", "{{.Titel}}", 1))
	w.write("pages/static/app.js", "x")
	w.look()
	r := w.readyz()
	if got := w.wrongHost(); !strings.Contains(got, "OURS AGAIN") || r.Status != "ready" || r.Pages.State != "kept" {
		t.Errorf("a broken template: %+v, %s", r, got)
	}
	if faults := strings.Join(r.Pages.Faults, "\n"); !strings.Contains(faults, "pages: static/app.js") {
		t.Errorf("faults %s", faults)
	}
	w.expectMetric(`gatehouse_reload_successful{what="pages"} 0`)
	if len(w.log.lines("level=ERROR")) == 0 {
		t.Error("the log does not say so")
	}
	remove(w, "pages/static/app.js")
	w.write("pages/error.html", ownPage)
	w.look()
	if w.readyz().Pages.State != "current" {
		t.Errorf("put right: %+v", w.readyz())
	}
	w.edit("gatehouse.yaml", "pages: {templates: pages}\n", "")
	w.look()
	w.look() // the templates come after the file that names them
	if got := w.wrongHost(); strings.Contains(got, "OURS") {
		t.Errorf("no longer named: %s", got)
	}
}

func TestNobodyIsKeptOutForTheLookOfAPage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if err := os.MkdirAll(w.path("pages"), 0o755); err != nil {
		t.Fatal(err)
	}
	w.write("pages/error.html", "{{")
	w.edit("gatehouse.yaml", "manifests:", "pages: {templates: pages}\nmanifests:")
	w.start()
	if got := w.wrongHost(); !strings.Contains(got, "Nothing here") || w.readyz().Pages.State != "kept" || w.readyz().Status != "ready" {
		t.Errorf("%+v, %s", w.readyz(), got)
	}
}

func TestAHealthCheckIsAnsweredForEveryHostBeforeAnythingElse(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write("gatehouse.yaml", strings.Replace(tlsConfig, `  - {address: "127.0.0.1:0"}`, `  - {address: "127.0.0.1:0", healthCheck: {path: /-/healthz}}`, 1))
	w.certificate("one", "app.localhost")
	w.start()
	for _, url := range []string{"http://app.localhost/-/healthz", "http://192.0.2.1/-/healthz", "http://nobody.example/-/healthz?x=1"} {
		if a := w.get(1, url); a.status != 200 || a.body != "ready\n" || a.header.Get("X-Goog-Iap-Generated-Response") != "true" {
			t.Errorf("%s: %d %q", url, a.status, a.body)
		}
	}
	for _, path := range []string{"/-/healthz/", "/-/Healthz", "/-/health%7a", "//-/healthz", "/-/healthz/../x", "/"} {
		if a := w.get(1, "http://app.localhost"+path); a.status != 301 {
			t.Errorf("%s: %d %q", path, a.status, a.body)
		}
	}
	if a := w.get(0, "https://app.localhost/-/healthz"); !strings.Contains(a.body, "app sees") {
		t.Errorf("a listener without healthCheck: %d %q", a.status, a.body)
	}
}
