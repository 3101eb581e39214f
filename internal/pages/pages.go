// Package pages owns every HTML page outside the console: sign-in, account chooser, hand-off, refusal, error,
// and who is signed in at the auth host; and what all of them share, the headers of generated responses and
// the stylesheet. It renders what it is given and decides nothing: it reads no session, no policy and no
// store. No page needs a script, and the Content-Security-Policy allows none.
package pages

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"net/http"
	"strconv"
	"strings"
)

//go:embed templates/*.html
var templateFiles embed.FS

// Renderer writes pages. It is safe for concurrent use and never changes after New.
type Renderer struct {
	assets assets
	pages  map[string]*template.Template
}

// view is what every template is executed with: the page's own data beside what the layout needs.
type view struct {
	Stylesheet string
	Icon       string
	Page       any
}

// New parses the embedded templates and names the static files after their content.
func New() (*Renderer, error) {
	assets, err := loadAssets()
	if err != nil {
		return nil, err
	}
	functions := template.FuncMap{"initial": initial}
	layout, err := template.New("layout.html").Funcs(functions).ParseFS(templateFiles, "templates/layout.html")
	if err != nil {
		return nil, fmt.Errorf("parse page layout: %w", err)
	}
	p := &Renderer{assets: assets, pages: make(map[string]*template.Template)}
	for _, name := range []string{"signin", "chooser", "continue", "address", "depart", "refused", "error", "account", "done"} {
		page, err := layout.Clone()
		if err != nil {
			return nil, fmt.Errorf("copy page layout: %w", err)
		}
		if p.pages[name], err = page.ParseFS(templateFiles, "templates/"+name+".html"); err != nil {
			return nil, fmt.Errorf("parse page %s: %w", name, err)
		}
	}
	return p, nil
}

// initial returns the letter that stands for an account beside its address.
func initial(email string) string {
	for _, letter := range email {
		return strings.ToUpper(string(letter))
	}
	return ""
}

// page writes one HTML page, whose forms may lead on to formTargets. The whole page is rendered before the
// first byte leaves, so that a fault in a template is an honest 500 and never half a page.
func (p *Renderer) page(w http.ResponseWriter, r *http.Request, status int, name string, data any, formTargets ...string) {
	var body bytes.Buffer
	err := p.pages[name].Execute(&body, view{
		Stylesheet: p.assets.path("gatehouse.css"),
		Icon:       p.assets.path("icon.svg"),
		Page:       data,
	})
	Headers(w.Header())
	if err != nil {
		send(w, r, http.StatusInternalServerError, "text/plain; charset=utf-8", []byte("This page could not be shown.\n"))
		return
	}
	w.Header().Set("Content-Security-Policy", contentSecurityPolicy(formTargets))
	send(w, r, status, "text/html; charset=utf-8", body.Bytes())
}

// send writes a complete response whose general headers are set.
func send(w http.ResponseWriter, r *http.Request, status int, contentType string, body []byte) {
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		w.Write(body) // the client may be gone; there is nobody to tell
	}
}
