package pages_test

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/gatehouse-iap/gatehouse/internal/pages"
)

func fetch(p *pages.Renderer, method, path string) *http.Response {
	w := httptest.NewRecorder()
	p.Static().ServeHTTP(w, httptest.NewRequest(method, "http://app.example"+path, nil))
	return w.Result()
}

// linked returns the static files that a page refers to.
func linked(t *testing.T, p *pages.Renderer) []string {
	t.Helper()
	document := parse(t, get(t, func(w http.ResponseWriter, r *http.Request) { p.SignIn(w, r, pages.SignIn{}) }))
	var paths []string
	for _, link := range document.all("link") {
		paths = append(paths, link.attr("href"))
	}
	for _, script := range document.all("script") {
		paths = append(paths, script.attr("src"))
	}
	if len(paths) != 3 {
		t.Fatalf("the page links %q, want the stylesheet, the icon and the script", paths)
	}
	return paths
}

func TestWhatPagesLinkIsServedAndMayBeKeptForEver(t *testing.T) {
	t.Parallel()
	p := newRenderer(t)
	hashed := regexp.MustCompile(`^/_gcp_iap/static/[a-z]+\.[0-9a-f]{16}\.(css|svg|js)$`)
	for _, path := range linked(t, p) {
		if !hashed.MatchString(path) {
			t.Errorf("%s is not named after its content", path)
		}
		response := fetch(p, http.MethodGet, path)
		if response.StatusCode != http.StatusOK || read(t, response) == "" {
			t.Fatalf("%s: status %d", path, response.StatusCode)
		}
		contentType := map[string]string{"css": "text/css; charset=utf-8", "svg": "image/svg+xml", "js": "text/javascript; charset=utf-8"}[path[strings.LastIndexByte(path, '.')+1:]]
		for key, want := range map[string]string{
			"Content-Type":                  contentType,
			"Cache-Control":                 "public, max-age=31536000, immutable",
			"X-Content-Type-Options":        "nosniff",
			"X-Goog-IAP-Generated-Response": "true",
		} {
			if got := response.Header.Get(key); got != want {
				t.Errorf("%s: %s = %q, want %q", path, key, got, want)
			}
		}
		if head := fetch(p, http.MethodHead, path); read(t, head) != "" || head.Header.Get("Content-Length") != response.Header.Get("Content-Length") {
			t.Errorf("%s: HEAD differs from GET or has a body", path)
		}
	}
}

func TestNothingButTheStaticFilesIsServed(t *testing.T) {
	t.Parallel()
	p := newRenderer(t)
	stylesheet := linked(t, p)[0]
	for path, want := range map[string]int{
		pages.StaticPrefix:                      http.StatusNotFound,
		pages.StaticPrefix + "gatehouse.css":    http.StatusNotFound,
		pages.StaticPrefix + "../pages.go":      http.StatusNotFound,
		stylesheet + "/":                        http.StatusNotFound,
		"/elsewhere" + stylesheet:               http.StatusNotFound,
		"/" + stylesheet[len("/_gcp_iap/"):]:    http.StatusNotFound,
		pages.StaticPrefix + "templates/x.html": http.StatusNotFound,
	} {
		response := fetch(p, http.MethodGet, path)
		if response.StatusCode != want {
			t.Errorf("%s: status %d, want %d", path, response.StatusCode, want)
		}
		checkGenerated(t, path, response)
	}
	response := fetch(p, http.MethodPost, stylesheet)
	if response.StatusCode != http.StatusMethodNotAllowed || response.Header.Get("Allow") != "GET, HEAD" {
		t.Errorf("POST: status %d, Allow %q", response.StatusCode, response.Header.Get("Allow"))
	}
	checkGenerated(t, "POST", response)
}

func TestTheStylesheetFetchesNothing(t *testing.T) {
	t.Parallel()
	p := newRenderer(t)
	css := read(t, fetch(p, http.MethodGet, linked(t, p)[0]))
	for _, reference := range []string{"url(", "@import", "http:", "https:"} {
		if strings.Contains(css, reference) {
			t.Errorf("the stylesheet holds %s", reference)
		}
	}
}
