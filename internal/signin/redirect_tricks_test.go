package signin_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/gatehouse-iap/gatehouse/internal/policy"
)

// redirectTricks reads testdata/redirect-tricks.txt for the hosts of these tests.
func redirectTricks(t testing.TB) []string {
	t.Helper()
	text, err := os.ReadFile("testdata/redirect-tricks.txt")
	if err != nil {
		t.Fatal(err)
	}
	hosts := strings.NewReplacer("EVIL", "evil.test", "APP", appHost, "AUTH", authHost)
	var tricks []string
	for line := range strings.SplitSeq(strings.TrimSuffix(string(text), "\n"), "\n") {
		if strings.HasPrefix(line, "# ") {
			continue
		}
		trick, err := strconv.Unquote(`"` + line + `"`)
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		tricks = append(tricks, hosts.Replace(trick))
	}
	if len(tricks) < 300 {
		t.Fatalf("only %d tricks", len(tricks))
	}
	return tricks
}

// atAuth is a request to the auth host with a raw query.
func atAuth(method, path string, query url.Values) *http.Request {
	r := httptest.NewRequest(method, "https://"+authHost+path, nil)
	r.URL.RawQuery = query.Encode()
	r.RequestURI = r.URL.RequestURI()
	if method == http.MethodPost {
		r = httptest.NewRequest(method, "https://"+authHost+path, strings.NewReader(query.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	return r
}

var linkOrForm = regexp.MustCompile(`(?:href|action|src|content)="([^"]*)"`)

// wantHome fails when an answer leads anywhere but to the auth host or to an application's.
func wantHome(t testing.TB, what string, answer *httptest.ResponseRecorder) {
	t.Helper()
	result := answer.Result()
	leads := append([]string{}, result.Header["Location"]...)
	if _, refresh, found := strings.Cut(result.Header.Get("Refresh"), "url="); found {
		leads = append(leads, refresh)
	}
	if len(result.Header["Location"]) > 1 {
		t.Errorf("%s: %d addresses", what, len(result.Header["Location"]))
	}
	for _, match := range linkOrForm.FindAllStringSubmatch(answer.Body.String(), -1) {
		if _, onward, found := strings.Cut(match[1], "0; url="); found {
			leads = append(leads, onward)
		} else if strings.ContainsAny(match[1], "/:") && !strings.HasPrefix(match[1], "https://github.com/gatehouse-iap/gatehouse/blob/main/docs/error-codes.md#") {
			leads = append(leads, match[1])
		}
	}
	for _, lead := range leads {
		if !leadsHome(lead) {
			t.Errorf("%s: leads to %q", what, lead)
		}
	}
	for name, values := range result.Header {
		for _, value := range values {
			if strings.ContainsAny(value, "\r\n\x00") {
				t.Errorf("%s: %s is %q", what, name, value)
			}
		}
	}
}

// leadsHome looks at bytes, as browsers do, and at nobody's parser: behind an origin of ours comes a slash, or a path
// begins with one slash, and nothing in it is dropped or turned.
func leadsHome(address string) bool {
	for i := range len(address) {
		if c := address[i]; c <= ' ' || c >= 0x7f || c == '\\' {
			return false
		}
	}
	for _, origin := range []string{appURL, otherURL, authURL} {
		if strings.HasPrefix(address, origin+"/") {
			return true
		}
	}
	return strings.HasPrefix(address, "/") && !strings.HasPrefix(address, "//")
}

// Every trick, in every place that takes an address or anything that could become part of one.
func TestNoTrickLeadsAnybodyAway(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.HasHost = func(host string) bool { return host == appHost || host == otherHost }
	b := newBrowser(t, w)
	state := b.get(appURL + "/x").field("state")
	if state == "" {
		t.Fatal("no sign-in form")
	}
	begun := newBrowser(t, w)
	token := handoff(t, begun, appURL+"/x", "alice@example.com")
	signedIn := cookiesOf(t, begun, authURL)
	auth := func(what, method, path string, query url.Values, cookies bool) {
		t.Helper()
		r := atAuth(method, path, query)
		if cookies {
			for name, value := range signedIn {
				r.AddCookie(&http.Cookie{Name: name, Value: value})
			}
		}
		answer := httptest.NewRecorder()
		w.Handler().ServeHTTP(answer, r)
		wantHome(t, what, answer)
	}
	const authorize = "/o/oauth2/v2/auth"
	for _, trick := range redirectTricks(t) {
		for _, target := range []string{trick, "/" + trick, "/x?" + trick, "/x?continue=" + url.QueryEscape(trick), "/" + url.PathEscape(trick)} {
			for name, step := range map[string]func(http.ResponseWriter, *http.Request){
				"begin":    func(rw http.ResponseWriter, r *http.Request) { w.Begin(rw, r, app, policy.NoCredential) },
				"complete": func(rw http.ResponseWriter, r *http.Request) { w.Complete(rw, r, app) },
				"clear":    func(rw http.ResponseWriter, r *http.Request) { w.Clear(rw, r, app) },
				"go on":    func(rw http.ResponseWriter, r *http.Request) { w.GoOn(rw, r, app) },
				"sign out": func(rw http.ResponseWriter, r *http.Request) { w.SignOut(rw, r, app) },
			} {
				answer := httptest.NewRecorder()
				step(answer, asked(target))
				wantHome(t, fmt.Sprintf("%s at %q", name, target), answer)
			}
		}
		for _, parameter := range []string{"redirect_token_v2", "gatehouse_restart", "state", "continue", "rt"} {
			answer := httptest.NewRecorder()
			w.Complete(answer, asked("/x?gcp-iap-mode=AUTHENTICATING&"+parameter+"="+url.QueryEscape(trick)), app)
			wantHome(t, fmt.Sprintf("complete with %s=%q", parameter, trick), answer)
		}
		entered := httptest.NewRecorder()
		if err := w.Enter(entered, atAuth(http.MethodGet, "/", nil), "alice@example.com", trick); err == nil {
			wantHome(t, fmt.Sprintf("the emulator's sign-in, on to %q", trick), entered)
		}
		moved := asked(strings.TrimPrefix(token, appURL))
		moved.Host = trick // a Host that no router of ours would let through
		answer := httptest.NewRecorder()
		w.Complete(answer, moved, app)
		wantHome(t, fmt.Sprintf("complete at the host %q", trick), answer)

		what := fmt.Sprintf("%q", trick)
		auth(what+" as state", http.MethodGet, authorize, url.Values{"state": {trick}}, true)
		for _, parameter := range []string{"redirect_uri", "continue", "prompt", "login_hint", "client_id", "next", "return"} {
			auth(what+" as "+parameter, http.MethodGet, authorize, url.Values{"state": {state}, parameter: {trick}}, false)
		}
		for _, path := range []string{"/signed-out", "/signout", "/"} {
			auth(what+" at "+path, http.MethodGet, path, url.Values{"return": {trick}, "continue": {trick}, "post_logout_redirect_uri": {trick}, "state": {trick}}, true)
		}
		auth(what+" in the form of sign-out", http.MethodPost, "/signout", url.Values{"return": {trick}}, false)
		auth(what+" in the form of the address", http.MethodPost, "/signin/address", url.Values{"state": {state}, "prompt": {trick}, "email": {trick}}, false)
		auth(what+" in the form of accounts", http.MethodPost, "/signin/account", url.Values{"state": {state}, "account": {trick}}, false)
		auth(what+" as the state of a form", http.MethodPost, "/signin", url.Values{"state": {trick}, "email": {"alice@example.com"}, "password": {"x"}}, false)
		auth(what+" in a provider's answer", http.MethodGet, "/v1/oauth/clientIds/x:handleRedirect", url.Values{"state": {trick}, "code": {trick}, "iss": {trick}}, false)
	}
}

// Whatever comes back to an application's host, nobody is in, and nobody is led away.
func FuzzCallback(f *testing.F) {
	w := newWorld(f)
	b := newBrowser(f, w)
	token := handoff(f, b, appURL+"/x", "alice@example.com")
	release := b.step()
	restart := newBrowser(f, w)
	restart.step()
	again := restart.get(token).Header.Get("Location")
	release()
	for _, seed := range []string{strings.TrimPrefix(token, appURL), strings.TrimPrefix(again, appURL), "/", "/?redirect_token_v2=", "//evil.test/?gatehouse_restart=x", "/\\x00"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, target string) {
		answer := httptest.NewRecorder()
		w.Complete(answer, asked(target), app)
		wantHome(t, strconv.Quote(target), answer)
		for _, c := range answer.Result().Cookies() {
			if c.MaxAge >= 0 && (strings.HasPrefix(c.Name, "__Host-GCP_IAP_AUTH") || c.Name == "GCP_IAP_UID") {
				t.Errorf("%q sets %s", target, c.Name)
			}
		}
	})
}
