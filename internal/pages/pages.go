// Package pages owns every HTML page outside the console: sign-in, account chooser, hand-off, refusal, error, session
// refresher, and who is signed in at the auth host; and what all of them share, the headers of generated responses and
// the stylesheet. It renders what it is given and decides nothing: it reads no session, no policy and no
// store. No page needs a script; the Content-Security-Policy allows one, of ours, where it keeps the fragment of an address.
package pages

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
)

//go:embed templates/*.html
var templateFiles embed.FS

// Renderer writes pages. It is safe for concurrent use.
type Renderer struct {
	// Log hears of templates that fail; nil keeps it quiet.
	Log *slog.Logger

	assets assets
	pages  map[string]*template.Template
	script map[string]bool
	custom atomic.Pointer[customs]
}

// customs are the templates of an installation's own that are in use, and those before them: a page that was loaded a
// moment ago still asks for their static files.
type customs struct{ now, before *Custom }

// view is what every template is executed with: the page's own data beside what the layout needs.
type view struct {
	Stylesheet string
	Icon       string
	Script     string // carries the fragment of the address on; empty where nothing does
	Page       any
}

func newView(assets assets, p page, data any) view {
	v := view{Stylesheet: assets.path("gatehouse.css"), Icon: assets.path("icon.svg"), Page: data}
	if p.script {
		v.Script = assets.path("gatehouse.js")
	}
	return v
}

// New parses the embedded templates and names the static files after their content.
func New() (*Renderer, error) {
	assets, err := loadAssets()
	if err != nil {
		return nil, err
	}
	r := &Renderer{assets: assets, pages: map[string]*template.Template{}, script: map[string]bool{}}
	for _, p := range allPages() {
		if r.pages[p.name], err = parsePage(p.name, "", "", template.FuncMap{}); err != nil {
			return nil, fmt.Errorf("parse page %s: %w", p.name, err)
		}
		r.script[p.name] = p.script
	}
	return r, nil
}

// parsePage parses one page in its layout; an empty text stands for the embedded one.
func parsePage(name, layout, text string, functions template.FuncMap) (*template.Template, error) {
	read := func(own, name string) (string, error) {
		if own != "" {
			return own, nil
		}
		embedded, err := templateFiles.ReadFile("templates/" + name + ".html")
		return string(embedded), err
	}
	functions["initial"] = initial
	parsed := template.New("layout.html").Funcs(functions)
	for _, part := range []struct{ own, name string }{{"", "parts"}, {layout, "layout"}, {text, name}} {
		source, err := read(part.own, part.name)
		if err != nil {
			return nil, err
		}
		into := parsed
		if part.name != "layout" {
			into = parsed.New(part.name + ".html")
		}
		if _, err := into.Parse(source); err != nil {
			return nil, err
		}
	}
	return parsed, nil
}

// Use makes pages look as an installation wants them; nil stands for the built-in look.
func (p *Renderer) Use(c *Custom) {
	next := &customs{now: c}
	if current := p.custom.Load(); current != nil {
		next.before = current.now
	}
	p.custom.Store(next)
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
	p.pageWith(w, r, status, name, data, contentSecurityPolicy(p.script[name], formTargets))
}

// framedPage is page for one that pages of the same origin may show in a frame.
func (p *Renderer) framedPage(w http.ResponseWriter, r *http.Request, status int, name string, data any) {
	p.pageWith(w, r, status, name, data, framedSecurityPolicy())
}

func (p *Renderer) pageWith(w http.ResponseWriter, r *http.Request, status int, name string, data any, policy string) {
	body, err := p.render(name, data)
	Headers(w.Header())
	if err != nil {
		send(w, r, http.StatusInternalServerError, "text/plain; charset=utf-8", []byte("This page could not be shown.\n"))
		return
	}
	w.Header().Set("Content-Security-Policy", policy)
	send(w, r, status, "text/html; charset=utf-8", body)
}

// render executes a page's template. One of the installation's own that fails is replaced by the built-in page: people
// come in all the same, and the log says what is wrong.
func (p *Renderer) render(name string, data any) ([]byte, error) {
	what := newView(p.assets, page{script: p.script[name]}, data)
	if c := p.custom.Load(); c != nil && c.now != nil && c.now.pages[name] != nil {
		own := newBounded()
		err := c.now.pages[name].Execute(own, what)
		if err == nil {
			return own.Bytes(), nil
		}
		if p.Log != nil {
			p.Log.Error("a custom template failed, and the built-in page was shown", "page", name, "error", err)
		}
	}
	var body bytes.Buffer
	err := p.pages[name].Execute(&body, what)
	return body.Bytes(), err
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
