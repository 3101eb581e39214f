// Package hello owns the sample application that stands behind the gate when there is no other. It is an
// ordinary IAP application: it knows the gate only by the assertion in its requests, which it verifies with the
// public package like anybody else's program, and imports nothing else of Gatehouse. It owns no identity and
// guards nothing: whoever reaches it may see it, but it calls nobody by a name that it has not verified.
package hello

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"strconv"

	"github.com/gatehouse-iap/gatehouse/assertion"
)

//go:embed templates/*.html
var templateFiles embed.FS

//go:embed static
var staticFiles embed.FS

// Options says whose assertions count.
type Options struct {
	// Verifier verifies assertions; without one, New makes it of KeysURL and Audience.
	Verifier *assertion.Verifier
	// KeysURL is where the gate publishes its assertion keys; empty for Google's.
	KeysURL string
	// Audience is what the gate calls this application.
	Audience string
	// Log is told why an assertion was refused; nil means slog.Default().
	Log *slog.Logger
}

type app struct {
	verifier *assertion.Verifier
	log      *slog.Logger
	pages    map[string]*template.Template
}

// New returns the application, or an error that says what is wrong with the options. It fetches nothing yet.
func New(o Options) (http.Handler, error) {
	a := &app{verifier: o.Verifier, log: o.Log, pages: make(map[string]*template.Template)}
	if a.log == nil {
		a.log = slog.Default()
	}
	if a.verifier == nil {
		keys, err := assertion.NewRemoteKeySet(assertion.RemoteConfig{URL: o.KeysURL, Log: a.log})
		if err != nil {
			return nil, fmt.Errorf("hello: keys: %w", err)
		}
		a.verifier, err = assertion.NewVerifier(assertion.Config{Audiences: []string{o.Audience}, Keys: keys})
		if err != nil {
			return nil, fmt.Errorf("hello: %w", err)
		}
	}
	for _, name := range []string{"hello", "claims", "notfound"} {
		page, err := template.ParseFS(templateFiles, "templates/layout.html", "templates/"+name+".html")
		if err != nil {
			return nil, fmt.Errorf("hello: page %s: %w", name, err)
		}
		a.pages[name] = page
	}
	return a.routes(), nil
}

func (a *app) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", a.hello)
	mux.HandleFunc("GET /claims", a.claims)
	mux.HandleFunc("GET /healthz", healthy)
	mux.HandleFunc("GET /static/{file}", static)
	mux.HandleFunc("GET /", a.notFound) // with GET, so that other methods are answered 405
	return mux
}

// visitor is who asks, as far as the assertion proves it.
type visitor struct {
	Claims  *assertion.Claims // nil when nothing was proven
	Why     string            // then: why not; a sentence that may be shown
	refused error
}

// SignedIn reports whether the assertion is about somebody.
func (v visitor) SignedIn() bool { return v.Claims != nil && !v.Claims.Public() }

func (a *app) visitor(r *http.Request) visitor {
	claims, err := a.verifier.VerifyRequest(r)
	if err == nil {
		return visitor{Claims: claims}
	}
	if !errors.Is(err, assertion.ErrMissing) {
		a.log.Warn("assertion refused", "path", r.URL.Path, "error", err)
	}
	var reason assertion.Reason
	errors.As(err, &reason)
	return visitor{Why: reason.Text(), refused: err}
}

// status is 200 also for a request without assertion, which is what arrives while the gate is off. One with a
// bad assertion is refused, page and all.
func (v visitor) status() int {
	if v.refused == nil || errors.Is(v.refused, assertion.ErrMissing) {
		return http.StatusOK
	}
	return assertion.StatusCode(v.refused)
}

func (a *app) hello(w http.ResponseWriter, r *http.Request) {
	v := a.visitor(r)
	a.page(w, v.status(), "hello", v)
}

func (a *app) claims(w http.ResponseWriter, r *http.Request) {
	v := a.visitor(r)
	a.page(w, v.status(), "claims", struct {
		visitor
		Facts   []row
		Headers []row
	}{v, claimRows(v.Claims), headerRows(r, v.Claims != nil)})
}

func (a *app) notFound(w http.ResponseWriter, _ *http.Request) {
	a.page(w, http.StatusNotFound, "notfound", visitor{})
}

func healthy(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.Write([]byte("ok\n"))
}

func static(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-cache")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	http.ServeFileFS(w, r, staticFiles, "static/"+r.PathValue("file"))
}

// page renders completely before it answers. What it says is about one visitor, so nobody may keep it.
func (a *app) page(w http.ResponseWriter, status int, name string, data any) {
	var body bytes.Buffer
	if err := a.pages[name].ExecuteTemplate(&body, "layout.html", data); err != nil {
		a.log.Error("page failed", "page", name, "error", err)
		http.Error(w, "this page could not be shown", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(body.Len()))
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	w.WriteHeader(status)
	w.Write(body.Bytes()) // net/http keeps it from HEAD
}
