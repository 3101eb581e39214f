package hello_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"github.com/gatehouse-iap/gatehouse/assertion"
	"github.com/gatehouse-iap/gatehouse/assertion/assertiontest"
	"github.com/gatehouse-iap/gatehouse/internal/hello"
)

func newApp(t *testing.T, iap *assertiontest.IAP) http.Handler {
	t.Helper()
	app, err := hello.New(hello.Options{Verifier: iap.Verifier(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return app
}

// ask sends one request through change, which may be nil, and returns the answer and its body.
func ask(t *testing.T, app http.Handler, path string, change func(r *http.Request)) (*http.Response, string) {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, "http://app.example"+path, nil)
	if change != nil {
		change(r)
	}
	w := httptest.NewRecorder()
	app.ServeHTTP(w, r)
	return w.Result(), w.Body.String()
}

func parse(t *testing.T, body string) *html.Node {
	t.Helper()
	document, err := html.Parse(strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	return document
}

// elements returns the texts of all elements with a tag.
func elements(document *html.Node, tag string) []string {
	var texts []string
	for node := range document.Descendants() {
		if node.Type == html.ElementNode && node.Data == tag {
			texts = append(texts, text(node))
		}
	}
	return texts
}

func text(node *html.Node) string {
	var said strings.Builder
	for inner := range node.Descendants() {
		if inner.Type == html.TextNode {
			said.WriteString(inner.Data)
		}
	}
	return strings.Join(strings.Fields(said.String()), " ")
}

// rows returns the tables of a page as a map from row header to cell.
func rows(document *html.Node) map[string]string {
	found := make(map[string]string)
	for node := range document.Descendants() {
		if node.Type != html.ElementNode || node.Data != "tr" {
			continue
		}
		names, values := elements(node, "th"), elements(node, "td")
		if len(names) == 1 && len(values) == 1 {
			found[names[0]] = values[0]
		}
	}
	return found
}

func links(document *html.Node) map[string]string {
	found := make(map[string]string)
	for node := range document.Descendants() {
		if node.Type != html.ElementNode || node.Data != "a" {
			continue
		}
		for _, attribute := range node.Attr {
			if attribute.Key == "href" {
				found[attribute.Val] = text(node)
			}
		}
	}
	return found
}

func TestSomebodySignedInIsGreetedByTheVerifiedAddress(t *testing.T) {
	t.Parallel()
	iap := assertiontest.New(assertiontest.Audience)
	app := newApp(t, iap)
	response, body := ask(t, app, "/", func(r *http.Request) { iap.SignIn(r, "alice@example.com") })
	document := parse(t, body)
	if headings := elements(document, "h1"); response.StatusCode != http.StatusOK || len(headings) != 1 || headings[0] != "Hello alice@example.com" {
		t.Errorf("status %d, headings %q", response.StatusCode, headings)
	}
	found := links(document)
	for _, href := range []string{"/", "/claims", "/?gcp-iap-mode=CLEAR_LOGIN_COOKIE"} {
		if found[href] == "" {
			t.Errorf("no link to %s in %v", href, found)
		}
	}
	if response.Header.Get("Cache-Control") != "no-store" {
		t.Error("a page about one visitor may be kept for another")
	}
}

func TestWithoutAVerifiedAssertionNobodyIsNamed(t *testing.T) {
	t.Parallel()
	iap := assertiontest.New(assertiontest.Audience)
	app := newApp(t, iap)
	requests := map[string]func(r *http.Request){
		"no assertion": func(*http.Request) {},
		"two assertions": func(r *http.Request) {
			r.Header[http.CanonicalHeaderKey(assertion.Header)] = []string{iap.Mint("intruder@example.com"), iap.Mint("intruder@example.com")}
		},
	}
	for _, fault := range assertiontest.Faults() {
		requests["fault "+string(fault)] = func(r *http.Request) { r.Header.Set(assertion.Header, iap.Broken(fault)) }
	}
	for name, change := range requests {
		for _, path := range []string{"/", "/claims"} {
			response, body := ask(t, app, path, func(r *http.Request) {
				change(r)
				r.Header.Set("X-Goog-Authenticated-User-Email", "accounts.google.com:intruder@example.com")
				r.Header["X_goog.AUTHENTICATED-user_email"] = []string{"intruder@example.com"}
			})
			if strings.Contains(body, "intruder") || strings.Contains(body, "@") {
				t.Errorf("%s, %s: an address is shown: %s", name, path, body)
			}
			want := http.StatusUnauthorized
			if name == "no assertion" {
				want = http.StatusOK
			}
			if response.StatusCode != want {
				t.Errorf("%s, %s: status %d, want %d", name, path, response.StatusCode, want)
			}
			if main := text(parse(t, body)); !strings.Contains(main, "IAP assertion") {
				t.Errorf("%s, %s: the page does not say why: %q", name, path, main)
			}
		}
	}
}

func TestAPublicAssertionIsGreetedWithoutAName(t *testing.T) {
	t.Parallel()
	iap := assertiontest.New(assertiontest.Audience)
	response, body := ask(t, newApp(t, iap), "/", func(r *http.Request) { r.Header.Set(assertion.Header, iap.MintPublic()) })
	document := parse(t, body)
	if headings := elements(document, "h1"); response.StatusCode != http.StatusOK || len(headings) != 1 || headings[0] != "Hello" {
		t.Errorf("status %d, headings %q", response.StatusCode, headings)
	}
	if strings.Contains(body, "CLEAR_LOGIN_COOKIE") {
		t.Error("nobody is signed in, and is offered to sign out")
	}
}

func TestSomebodyWithoutAnAddressIsGreetedBySubject(t *testing.T) {
	t.Parallel()
	iap := assertiontest.New(assertiontest.Audience)
	_, body := ask(t, newApp(t, iap), "/", func(r *http.Request) {
		iap.SignIn(r, "x@example.com", assertiontest.Workforce("pool", "carol"), assertiontest.Without("email"))
	})
	if said := text(parse(t, body)); !strings.Contains(said, "sts.google.com:carol") || strings.Contains(said, "@") {
		t.Errorf("the page says %q", said)
	}
}

func TestClaimsAndHeadersAreShownAsReceived(t *testing.T) {
	t.Parallel()
	iap := assertiontest.New(assertiontest.Audience)
	token := iap.Mint("alice@example.com", assertiontest.Claim("hd", "example.com"), assertiontest.AccessLevels("accessPolicies/1/accessLevels/office"))
	response, body := ask(t, newApp(t, iap), "/claims", func(r *http.Request) {
		r.Header.Set(assertion.Header, token)
		r.Header.Set("X-Goog-Authenticated-User-Email", "accounts.google.com:alice@example.com")
		r.Header.Set("X-Team", "<b>blue</b>")
		r.Header.Set("Authorization", "Bearer a-credential-that-nobody-should-read-off-a-screen")
	})
	if response.StatusCode != http.StatusOK {
		t.Fatalf("status %d", response.StatusCode)
	}
	got := rows(parse(t, body))
	for name, want := range map[string]string{
		"iss": assertion.Issuer, "aud": assertiontest.Audience, "email": "alice@example.com", "hd": "example.com",
		"sub": assertiontest.Subject("alice@example.com"), "identity_source": "GOOGLE",
		"google":                          `{"access_levels":["accessPolicies/1/accessLevels/office"]}`,
		"Host":                            "app.example",
		"X-Goog-Authenticated-User-Email": "accounts.google.com:alice@example.com",
		"X-Team":                          "<b>blue</b>",
	} {
		if got[name] != want {
			t.Errorf("%s: %q, want %q", name, got[name], want)
		}
	}
	if strings.Contains(body, token) || !strings.HasPrefix(got[http.CanonicalHeaderKey(assertion.Header)], token[:24]) {
		t.Error("the assertion is missing, or is shown in full")
	}
	if strings.Contains(body, "read-off-a-screen") {
		t.Error("a credential is shown in full")
	}
}

func TestEveryPageIsOneAccessibleDocumentWithoutScript(t *testing.T) {
	t.Parallel()
	iap := assertiontest.New(assertiontest.Audience)
	app := newApp(t, iap)
	for _, path := range []string{"/", "/claims", "/elsewhere"} {
		for _, signedIn := range []bool{true, false} {
			response, body := ask(t, app, path, func(r *http.Request) {
				if signedIn {
					iap.SignIn(r, `"><script>alert(1)</script>@example.com`)
				}
			})
			document := parse(t, body)
			if !strings.Contains(body, `<html lang="en">`) || len(elements(document, "h1")) != 1 || len(elements(document, "main")) != 1 || elements(document, "title")[0] == "" {
				t.Errorf("%s: not one document with one heading", path)
			}
			if len(elements(document, "script")) > 0 || strings.Contains(body, "style=") {
				t.Errorf("%s: script or inline style", path)
			}
			if policy := response.Header.Get("Content-Security-Policy"); !strings.Contains(policy, "default-src 'none'") || strings.Contains(policy, "unsafe") {
				t.Errorf("%s: policy %q", path, policy)
			}
		}
	}
}

func TestEachAddressAnswersAsItShould(t *testing.T) {
	t.Parallel()
	app := newApp(t, assertiontest.New(assertiontest.Audience))
	for _, test := range []struct {
		method, path string
		want         int
		body         string
	}{
		{"GET", "/healthz", http.StatusOK, "ok\n"},
		{"HEAD", "/claims", http.StatusOK, ""},
		{"GET", "/static/hello.css", http.StatusOK, ""},
		{"GET", "/static/icon.svg", http.StatusOK, ""},
		{"GET", "/static/", http.StatusNotFound, ""},
		{"GET", "/static/..%2fhello.go", http.StatusBadRequest, ""},
		{"GET", "/static/nothing.css", http.StatusNotFound, ""},
		{"GET", "/elsewhere", http.StatusNotFound, ""},
		{"GET", "/claims/more", http.StatusNotFound, ""},
		{"POST", "/", http.StatusMethodNotAllowed, ""},
		{"DELETE", "/claims", http.StatusMethodNotAllowed, ""},
	} {
		w := httptest.NewRecorder()
		app.ServeHTTP(w, httptest.NewRequest(test.method, test.path, nil))
		if w.Code != test.want || test.body != "" && w.Body.String() != test.body {
			t.Errorf("%s %s: status %d, want %d; body %q", test.method, test.path, w.Code, test.want, w.Body)
		}
	}
}

func TestTheKeysOfTheGateAreFetchedFromTheURLGiven(t *testing.T) {
	t.Parallel()
	iap := assertiontest.New(assertiontest.Audience)
	keys := assertiontest.NewServer(iap)
	defer keys.Close()
	app, err := hello.New(hello.Options{KeysURL: keys.JWKURL, Audience: assertiontest.Audience, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	keys.SetDown(true)
	response, body := ask(t, app, "/", func(r *http.Request) { iap.SignIn(r, "alice@example.com") })
	if response.StatusCode != http.StatusServiceUnavailable || strings.Contains(body, "alice") {
		t.Errorf("without keys: status %d, %s", response.StatusCode, body)
	}

	keys.SetDown(false)
	app, err = hello.New(hello.Options{KeysURL: keys.JWKURL, Audience: assertiontest.Audience, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	if _, body := ask(t, app, "/", func(r *http.Request) { iap.SignIn(r, "alice@example.com") }); !strings.Contains(body, "Hello alice@example.com") {
		t.Errorf("with keys: %s", body)
	}
}

func TestOptionsThatCannotWorkAreRefusedAtTheStart(t *testing.T) {
	t.Parallel()
	for name, options := range map[string]hello.Options{
		"no audience":            {KeysURL: "https://auth.example/iap/verify/public_key-jwk"},
		"keys in the clear":      {KeysURL: "http://auth.example/iap/verify/public_key-jwk", Audience: assertiontest.Audience},
		"an address that is not": {KeysURL: "nonsense", Audience: assertiontest.Audience},
	} {
		if app, err := hello.New(options); err == nil || app != nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
