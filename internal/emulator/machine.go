package emulator

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"

	"github.com/gatehouse-iap/gatehouse/internal/directory"
	"github.com/gatehouse-iap/gatehouse/internal/metadataserver"
	"github.com/gatehouse-iap/gatehouse/internal/principal"
)

// machine answers by path on the address itself (127.0.0.1:8080, localhost:8080), for programs that do not
// resolve *.localhost. No web page can call it: see refuseBrowsers.
type machine struct {
	info     Info
	gate     Gate
	metadata http.Handler
	control  *control
	ready    func(ctx context.Context) bool
	log      *slog.Logger
}

// The guards of a route, beyond the one that all have.
const (
	open   = "open"                   // any program on this machine
	marked = "X-Gatehouse-Emulator:1" // only who says that it means the emulator
	// navigated is a browser that no page leads, or who says that it means the emulator.
	navigated = "Sec-Fetch-Site:none or X-Gatehouse-Emulator:1"
	// flavored is what the metadata server asks for by itself, and no web page can send either.
	flavored = "Metadata-Flavor:Google"
)

// markHeader is what a web page cannot send across origins without asking first, and asking is refused.
const markHeader = "X-Gatehouse-Emulator"

// route is one line of the by-path listing. Paths are matched as they are: no cleaning, no redirect.
type route struct {
	method, path string // a path that ends in "/" stands for everything below
	guard        string
	serve        http.HandlerFunc
}

const (
	accountsPath      = "/emulator/v1/accounts/"
	generateVerb      = ":generateIdToken"
	tokenEndpointPath = "/token"
)

// routes lists what answers by path. The first line of which path and method match counts; what none matches goes to
// the app.
func (m *machine) routes() []route {
	return append([]route{
		{http.MethodGet, "/healthz", open, m.health},
		{http.MethodGet, "/readyz", open, m.readiness},
		{http.MethodGet, "/iap/verify/", open, m.gate.AssertionKeys().ServeHTTP},
		{http.MethodPost, tokenEndpointPath, open, m.gate.TokenEndpoint().ServeHTTP},
		{http.MethodGet, "/emulator/v1/info", marked, m.describe},
		{http.MethodPost, accountsPath, marked, m.generateIDToken},
		{http.MethodGet, signInPath, navigated, m.control.toAuthHost},
	}, append(m.control.routes(), []route{
		{"", "/emulator/", marked, m.notFound},
		{"", "/computeMetadata/", flavored, m.metadata.ServeHTTP},
		// A name of Google's that a client must not mistake the app for, before it is served here.
		{"", "/v1/", open, m.notFound},
	}...)...)
}

// ServeHTTP implements http.Handler.
func (m *machine) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("X-Goog-IAP-Generated-Response", "true")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	if refused := refuseBrowsers(r); refused != "" {
		writeProblem(w, http.StatusForbidden, refused)
		return
	}
	if _, asked := r.Header[metadataserver.Flavor]; asked && r.URL.Path == "/" { // detection
		m.metadata.ServeHTTP(w, r)
		return
	}
	var others []string // methods that would be answered
	for _, route := range m.routes() {
		if route.path != r.URL.Path && !(strings.HasSuffix(route.path, "/") && strings.HasPrefix(r.URL.Path, route.path)) {
			continue
		}
		if mark := r.Header.Values(markHeader); route.guard == marked && (len(mark) != 1 || mark[0] != "1") {
			writeProblem(w, http.StatusForbidden, "this needs the header "+markHeader+": 1, so that no web page can ask for it")
			return
		}
		if !allows(route.method, r.Method) {
			others = append(others, route.method)
			continue
		}
		if len(others) > 0 && route.method == "" { // what answers for all that is not there
			break
		}
		route.serve(w, r)
		return
	}
	if len(others) > 0 {
		h.Set("Allow", strings.Join(others, ", "))
		writeProblem(w, http.StatusMethodNotAllowed, fmt.Sprintf("%s is answered to %s only", r.URL.Path, strings.Join(others, " and ")))
		return
	}
	m.toApp(w, r)
}

func allows(want, got string) bool {
	return want == "" || want == got || want == http.MethodGet && got == http.MethodHead
}

// refuseBrowsers says why a request that a web page may have made is refused. Browsers add Origin to what
// scripts and forms send across origins, and Sec-Fetch-Site to everything; "none" is what a person typed.
func refuseBrowsers(r *http.Request) string {
	if _, found := r.Header["Origin"]; found {
		return "this address is for programs: a request with an Origin header comes from a web page"
	}
	for _, site := range r.Header.Values("Sec-Fetch-Site") {
		if site != "none" {
			return "this address is for programs: the browser says (Sec-Fetch-Site) that a web page asks"
		}
	}
	return ""
}

// forPrograms keeps web pages from a handler.
func forPrograms(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if refused := refuseBrowsers(r); refused != "" {
			writeProblem(w, http.StatusForbidden, refused)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (m *machine) health(w http.ResponseWriter, _ *http.Request) { writeText(w, http.StatusOK, "ok\n") }

func (m *machine) readiness(w http.ResponseWriter, r *http.Request) {
	if !m.ready(r.Context()) {
		writeText(w, http.StatusServiceUnavailable, "not ready: something is starting, or nothing answers at --upstream\n")
		return
	}
	writeText(w, http.StatusOK, "ready\n")
}

func (m *machine) describe(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, "application/json", http.StatusOK, m.info)
}

func (m *machine) notFound(w http.ResponseWriter, _ *http.Request) {
	writeProblem(w, http.StatusNotFound, "nothing answers here; the app is at "+m.info.URLs.App+"/")
}

// toApp sends a person who typed the address where they meant to go.
func (m *machine) toApp(w http.ResponseWriter, r *http.Request) {
	target := m.info.URLs.App + "/"
	if strings.HasPrefix(r.RequestURI, "/") {
		target = m.info.URLs.App + r.RequestURI
	}
	status := http.StatusFound
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		status = http.StatusTemporaryRedirect // keeps method and body
	}
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Location", target)
	w.WriteHeader(status)
}

// idTokenRequest is the body of generateIdToken, as the IAM Credentials API has it.
type idTokenRequest struct {
	// Audience is the app's client id when it is left out.
	Audience string `json:"audience"`
	// IncludeEmail is accepted for compatibility. IAP refuses tokens without an address, so all have one.
	IncludeEmail *bool `json:"includeEmail"`
}

const maxBody = 16 << 10

func (m *machine) generateIDToken(w http.ResponseWriter, r *http.Request) {
	account, found := strings.CutSuffix(strings.TrimPrefix(r.URL.Path, accountsPath), generateVerb)
	if !found {
		m.notFound(w, r)
		return
	}
	email, err := principal.ParseAddress(account)
	if err != nil {
		writeProblem(w, http.StatusBadRequest, err.Error())
		return
	}
	request, err := readIDTokenRequest(w, r)
	if err != nil {
		var tooLarge *http.MaxBytesError
		if errors.As(err, &tooLarge) {
			writeProblem(w, http.StatusRequestEntityTooLarge, fmt.Sprintf("the body is larger than %d bytes", tooLarge.Limit))
			return
		}
		writeProblem(w, http.StatusBadRequest, err.Error())
		return
	}
	m.mint(r.Context(), w, email, request)
}

func (m *machine) mint(ctx context.Context, w http.ResponseWriter, email string, request idTokenRequest) {
	audience := request.Audience
	if audience == "" {
		audience = m.info.ClientID
	}
	token, err := m.gate.MintIDToken(ctx, email, audience)
	switch {
	case errors.Is(err, directory.ErrNotFound):
		writeProblem(w, http.StatusNotFound, "there is no account "+email+" that may sign in")
	case err != nil:
		m.log.ErrorContext(ctx, "cannot mint an ID token", "account", email, "error", err)
		writeProblem(w, http.StatusInternalServerError, "the token could not be made; the log of gatehouse dev says why")
	default:
		writeJSON(w, "application/json", http.StatusOK, struct {
			Token string `json:"token"`
		}{token})
	}
}

// readIDTokenRequest reads the body; an empty one asks for the default audience.
func readIDTokenRequest(w http.ResponseWriter, r *http.Request) (idTokenRequest, error) {
	var request idTokenRequest
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&request); err != nil && !errors.Is(err, io.EOF) {
		return request, fmt.Errorf(`the body must be {"audience": AUDIENCE, "includeEmail": true}: %w`, err)
	}
	if _, err := decoder.Token(); err == nil {
		return request, errors.New("the body has something after the JSON object")
	} else if !errors.Is(err, io.EOF) {
		return request, fmt.Errorf("the body has something after the JSON object: %w", err)
	}
	if request.IncludeEmail != nil && !*request.IncludeEmail {
		return request, errors.New("a token without the address is of no use to IAP: leave includeEmail out, or set it to true")
	}
	const longest = 1024
	if len(request.Audience) > longest {
		return request, fmt.Errorf("the audience is longer than %d bytes", longest)
	}
	return request, nil
}

// writeProblem answers with an RFC 9457 problem.
func writeProblem(w http.ResponseWriter, status int, detail string) {
	writeJSON(w, "application/problem+json", status, struct {
		Title  string `json:"title"`
		Status int    `json:"status"`
		Detail string `json:"detail"`
	}{http.StatusText(status), status, detail})
}

func writeJSON(w http.ResponseWriter, contentType string, status int, v any) {
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the client is gone
}

func writeText(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text) // the client is gone
}
