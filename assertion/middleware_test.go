package assertion_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gatehouse-iap/gatehouse/assertion"
	"github.com/gatehouse-iap/gatehouse/assertion/assertiontest"
)

// whoami answers with the identity in the context.
var whoami = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	claims, ok := assertion.FromContext(r.Context())
	if !ok {
		fmt.Fprint(w, "no identity")
		return
	}
	fmt.Fprintf(w, "%q public=%v", claims.Email, claims.Public())
})

func serve(h http.Handler, r *http.Request) *httptest.ResponseRecorder {
	recorder := httptest.NewRecorder()
	h.ServeHTTP(recorder, r)
	return recorder
}

func TestWhoPassesTheMiddleware(t *testing.T) {
	t.Parallel()
	iap := newIAP()
	good := iap.Mint("alice@example.com")
	strict := assertion.Middleware{Verifier: iap.Verifier(), HealthPaths: []string{"/healthz", "/ready"}}
	open := strict
	open.AllowPublic = true
	for name, c := range map[string]struct {
		middleware assertion.Middleware
		request    string
		header     http.Header
		status     int
		body       string
	}{
		"a good assertion passes with its identity": {strict, "GET /", http.Header{assertionHeader: {good}}, 200, `"alice@example.com" public=false`},
		"no assertion is 401":                       {strict, "GET /", nil, 401, ""},
		"the plain headers count for nothing": {strict, "GET /", http.Header{
			"X-Goog-Authenticated-User-Email": {"accounts.google.com:admin@example.com"}, "X-Goog-Authenticated-User-Id": {"accounts.google.com:1"}}, 401, ""},
		"nor beside an assertion": {strict, "GET /", http.Header{assertionHeader: {good},
			"X-Goog-Authenticated-User-Email": {"accounts.google.com:admin@example.com"}}, 200, `"alice@example.com" public=false`},
		"two assertions are 401":             {strict, "GET /", http.Header{assertionHeader: {good, good}}, 401, ""},
		"an underscore makes another header": {strict, "GET /", http.Header{"X_Goog_Iap_Jwt_Assertion": {good}}, 401, ""},
		"an empty assertion is 401":          {strict, "GET /", http.Header{assertionHeader: {""}}, 401, ""},
		"an assertion of nobody is 403":      {strict, "GET /", http.Header{assertionHeader: {iap.MintPublic()}}, 403, ""},
		"unless that is allowed":             {open, "GET /", http.Header{assertionHeader: {iap.MintPublic()}}, 200, `"" public=true`},
		"which does not mean no assertion":   {open, "GET /", nil, 401, ""},
		"a health check passes":              {strict, "GET /healthz", nil, 200, "no identity"},
		"also by HEAD":                       {strict, "HEAD /ready", nil, 200, "no identity"},
		"and has no identity even with one":  {strict, "GET /healthz", http.Header{assertionHeader: {good}}, 200, "no identity"},
		"a health path is no prefix":         {strict, "GET /healthz/admin", nil, 401, ""},
		"nor without a slash":                {strict, "GET /healthz/", nil, 401, ""},
		"nor after decoding":                 {strict, "GET /%68ealthz", nil, 401, ""},
		"nor after cleaning":                 {strict, "GET /admin/../healthz", nil, 401, ""},
		"nor in another case":                {strict, "GET /Healthz", nil, 401, ""},
		"nor for POST":                       {strict, "POST /healthz", nil, 401, ""},
		"nor in the query":                   {strict, "GET /?/healthz", nil, 401, ""},
	} {
		method, target, _ := strings.Cut(c.request, " ")
		request := httptest.NewRequest(method, target, nil)
		for name, values := range c.header {
			request.Header[name] = values
		}
		// An identity that something before us left in the context is not ours.
		request = request.WithContext(assertion.NewContext(request.Context(), &assertion.Claims{Email: "left@example.com", Subject: "s"}))
		response := serve(c.middleware.Handler(whoami), request)
		if response.Code != c.status || c.body != "" && response.Body.String() != c.body {
			t.Errorf("%s: got %d %q", name, response.Code, response.Body)
		}
	}
}

const assertionHeader = "X-Goog-Iap-Jwt-Assertion"

func TestEveryFaultIsRefusedByTheMiddleware(t *testing.T) {
	t.Parallel()
	iap := newIAP()
	handler := iap.Verifier().Handler(whoami)
	for _, fault := range assertiontest.Faults() {
		request := httptest.NewRequest("GET", "/", nil)
		request.Header.Set(assertion.Header, iap.Broken(fault))
		response := serve(handler, request)
		if response.Code != http.StatusUnauthorized || strings.TrimSpace(response.Body.String()) != fault.Reason().Text() {
			t.Errorf("%s: got %d %q", fault, response.Code, response.Body)
		}
		if response.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%s: the refusal may be cached", fault)
		}
	}
}

func TestAnAnswerSaysNothingThatIsForTheLog(t *testing.T) {
	t.Parallel()
	iap := newIAP()
	var logged string
	handler := assertion.Middleware{
		Verifier:  iap.Verifier(),
		OnRefusal: func(_ *http.Request, err error) { logged = err.Error() },
	}.Handler(whoami)
	request := httptest.NewRequest("GET", "/", nil)
	request.Header.Set(assertion.Header, iap.Broken(assertiontest.WrongAudience))
	answer := serve(handler, request).Body.String()
	if !strings.Contains(logged, iap.Audience) || strings.Contains(answer, "projects") {
		t.Errorf("logged %q, answered %q", logged, answer)
	}
}

func TestARefuseHookCannotOpenTheGate(t *testing.T) {
	t.Parallel()
	iap := newIAP()
	for name, c := range map[string]struct {
		hook   func(http.ResponseWriter, *http.Request, error)
		status int
		body   string
	}{
		"one that redirects": {func(w http.ResponseWriter, r *http.Request, _ error) {
			http.Redirect(w, r, "/sorry", http.StatusSeeOther)
		}, 303, "See Other"},
		"one that writes": {func(w http.ResponseWriter, _ *http.Request, err error) {
			w.WriteHeader(assertion.StatusCode(err))
			_, _ = io.WriteString(w, "sorry")
		}, 401, "sorry"},
		"one that writes nothing":    {func(http.ResponseWriter, *http.Request, error) {}, 401, assertion.ErrMissing.Text()},
		"one that only sends a hint": {func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusEarlyHints) }, 401, assertion.ErrMissing.Text()},
	} {
		handler := assertion.Middleware{Verifier: iap.Verifier(), Refuse: c.hook}.Handler(whoami)
		server := httptest.NewServer(handler)
		client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
		response, err := client.Get(server.URL)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		if err != nil || response.StatusCode != c.status || !strings.Contains(string(body), c.body) {
			t.Errorf("%s: got %d %q, %v", name, response.StatusCode, body, err)
		}
		response.Body.Close()
		server.Close()
	}
}

func TestStatusCodes(t *testing.T) {
	t.Parallel()
	for _, reason := range assertion.Reasons() {
		want := http.StatusUnauthorized
		switch reason {
		case assertion.ErrNobodySignedIn:
			want = http.StatusForbidden
		case assertion.ErrKeysUnavailable:
			want = http.StatusServiceUnavailable
		}
		if got := assertion.StatusCode(fmt.Errorf("wrapped: %w", &assertion.Error{Reason: reason})); got != want {
			t.Errorf("%s: got %d", string(reason), got)
		}
		if reason.Text() == assertion.Reason("").Text() {
			t.Errorf("%s has no text of its own", string(reason))
		}
	}
	if got := assertion.StatusCode(errors.New("anything")); got != http.StatusUnauthorized {
		t.Errorf("an unknown error is %d", got)
	}
}

func TestAMiddlewareThatCannotWorkPanicsAtOnce(t *testing.T) {
	t.Parallel()
	verifier := newIAP().Verifier()
	for name, wrap := range map[string]func(){
		"no verifier":            func() { assertion.Middleware{}.Handler(whoami) },
		"no handler":             func() { verifier.Handler(nil) },
		"a relative health path": func() { assertion.Middleware{Verifier: verifier, HealthPaths: []string{"healthz"}}.Handler(whoami) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			wrap()
		}()
	}
}

func TestAContextWithoutMiddlewareHasNoIdentity(t *testing.T) {
	t.Parallel()
	if claims, ok := assertion.FromContext(context.Background()); ok || claims != nil {
		t.Errorf("got %+v", claims)
	}
}
