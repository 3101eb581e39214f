package emulator

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/catalog"
	"github.com/gatehouse-iap/gatehouse/internal/directory"
	"github.com/gatehouse-iap/gatehouse/internal/metadataserver"
	"github.com/gatehouse-iap/gatehouse/internal/resource"
)

func newMachine() *machine {
	memory := newMemory()
	memory.accounts = []directory.Account{{Email: "alice@example.com"}}
	memory.services = []catalog.Service{{Service: protected()}}
	m := &machine{
		info: Info{
			PID: 1, Audience: "/a", ClientID: "client",
			URLs: URLs{App: "http://app.localhost:8080", Auth: "http://auth.localhost:8080", Machine: "http://127.0.0.1:8080"},
		},
		gate: &standIn{memory: memory}, ready: func(context.Context) bool { return true }, log: slog.New(slog.DiscardHandler),
	}
	metadata := metadataserver.New(metadataserver.Options{ProjectID: "dev-project", ProjectNumber: 1, Zone: "z-a", Hosts: []string{"localhost"}})
	m.metadata = metadata
	m.control = &control{
		info: m.info, gate: m.gate, admin: m.gate.(*standIn), service: protected(), metadata: metadata,
		keys: newKeyEndpoint(), heard: &decisions{}, now: func() time.Time { return time.Unix(1_900_000_000, 0) },
	}
	return m
}

// protected is the service of newMachine.
func protected() resource.Service {
	return resource.Service{Kind: resource.BackendService, ProjectID: "dev-project", ProjectNumber: 1, ID: "2"}
}

const (
	infoPath  = "/emulator/v1/info"
	tokenPath = "/emulator/v1/accounts/alice@example.com:generateIdToken"
)

func TestTheGuardOfTheByPathRoutes(t *testing.T) {
	t.Parallel()
	mark, flavor := []string{markHeader, "1"}, []string{metadataserver.Flavor, "Google"}
	for name, test := range map[string]struct {
		method, path string
		header       []string
		status       int
	}{
		"health is open to programs":                          {"GET", "/healthz", nil, 200},
		"and to HEAD":                                         {"HEAD", "/healthz", nil, 200},
		"but only for reading":                                {"POST", "/healthz", nil, 405},
		"readiness is open":                                   {"GET", "/readyz", nil, 200},
		"keys are open":                                       {"GET", "/iap/verify/public_key", nil, 200},
		"what a person typed passes":                          {"GET", "/healthz", []string{"Sec-Fetch-Site", "none"}, 200},
		"a page of the same site is a page":                   {"GET", "/healthz", []string{"Sec-Fetch-Site", "same-site"}, 403},
		"a page of the same origin is a page":                 {"GET", "/healthz", []string{"Sec-Fetch-Site", "same-origin"}, 403},
		"a page of another site is a page":                    {"GET", "/iap/verify/public_key", []string{"Sec-Fetch-Site", "cross-site"}, 403},
		"one good word does not hide a bad one":               {"GET", "/healthz", []string{"Sec-Fetch-Site", "none", "Sec-Fetch-Site", "cross-site"}, 403},
		"an empty Sec-Fetch-Site is not none":                 {"GET", "/healthz", []string{"Sec-Fetch-Site", ""}, 403},
		"an origin is refused everywhere":                     {"GET", "/healthz", []string{"Origin", "http://app.localhost:8080"}, 403},
		"our own origin too":                                  {"GET", infoPath, append(mark, "Origin", "http://127.0.0.1:8080"), 403},
		"the null origin too":                                 {"POST", tokenPath, append(mark, "Origin", "null"), 403},
		"an empty origin too":                                 {"POST", tokenPath, append(mark, "Origin", ""), 403},
		"a page cannot even be redirected":                    {"GET", "/", []string{"Sec-Fetch-Site", "cross-site"}, 403},
		"a preflight is refused":                              {"OPTIONS", infoPath, []string{"Origin", "http://evil.example", "Access-Control-Request-Headers", markHeader}, 403},
		"info needs the mark":                                 {"GET", infoPath, nil, 403},
		"with the right value":                                {"GET", infoPath, []string{markHeader, "true"}, 403},
		"once":                                                {"GET", infoPath, append(mark, markHeader, "1"), 403},
		"and then answers":                                    {"GET", infoPath, mark, 200},
		"tokens need the mark":                                {"POST", tokenPath, nil, 403},
		"and then are minted":                                 {"POST", tokenPath, mark, 200},
		"not by GET":                                          {"GET", tokenPath, mark, 405},
		"an escaped address is an address":                    {"POST", "/emulator/v1/accounts/alice%40example.com:generateIdToken", mark, 200},
		"an escaped path is guarded like any":                 {"GET", "/emulator%2fv1/info", nil, 403},
		"unknown paths of the emulator are guarded":           {"GET", "/emulator/v1/other", nil, 403},
		"and not there":                                       {"GET", "/emulator/v1/other", mark, 404},
		"a page that leads to sign-in is refused":             {"GET", signInPath + "?account=a@b.c", []string{"Sec-Fetch-Site", "cross-site"}, 403},
		"so is one of our own":                                {"GET", signInPath + "?account=a@b.c", []string{"Sec-Fetch-Site", "same-site"}, 403},
		"and an old browser, which does not say":              {"GET", signInPath + "?account=a@b.c", nil, 403},
		"decisions need the mark":                             {"GET", "/emulator/v1/decisions", nil, 403},
		"what there is by other methods is not missing":       {"PATCH", "/emulator/v1/key-endpoint", mark, 405},
		"other verbs of accounts are not there":               {"POST", "/emulator/v1/accounts/alice@example.com:delete", mark, 404},
		"no account, no token":                                {"POST", "/emulator/v1/accounts/eve@example.com:generateIdToken", mark, 404},
		"no address, no token":                                {"POST", "/emulator/v1/accounts/alice:generateIdToken", mark, 400},
		"what fails inside stays inside":                      {"POST", "/emulator/v1/accounts/broken@example.com:generateIdToken", mark, 500},
		"the admin API is not served yet":                     {"GET", "/v1/projects", nil, 404},
		"the metadata server answers":                         {"GET", "/computeMetadata/v1/project/project-id", flavor, 200},
		"it finds itself":                                     {"GET", "/", flavor, 200},
		"not for a page":                                      {"GET", "/", append(flavor, "Sec-Fetch-Site", "same-site"), 403},
		"nor for another origin":                              {"GET", "/computeMetadata/v1/project/project-id", append(flavor, "Origin", "null"), 403},
		"anything else goes to the app":                       {"GET", "/anything?x=1", nil, 302},
		"whatever it starts with":                             {"GET", "/healthzzz", nil, 302},
		"with its method":                                     {"POST", "/anything", nil, 307},
		"two slashes are no other host":                       {"GET", "//evil.example/", nil, 302},
		"dots do not lead around the guard to a guarded path": {"GET", "/x/../emulator/v1/info", nil, 302},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			request := httptest.NewRequest(test.method, "http://127.0.0.1:8080"+test.path, http.NoBody)
			request.RequestURI = test.path
			for i := 0; i < len(test.header); i += 2 {
				request.Header.Add(test.header[i], test.header[i+1])
			}
			answer := httptest.NewRecorder()
			newMachine().ServeHTTP(answer, request)
			if answer.Code != test.status {
				t.Fatalf("status %d, want %d: %s", answer.Code, test.status, answer.Body)
			}
			if location := answer.Header().Get("Location"); (location != "") != (test.status/100 == 3) ||
				location != "" && location != "http://app.localhost:8080"+test.path {
				t.Errorf("the location is %q", location)
			}
			if contentType := answer.Header().Get("Content-Type"); test.status >= 400 && contentType != "application/problem+json" {
				t.Errorf("the refusal is of type %q", contentType)
			}
			if strings.Contains(answer.Body.String(), "secret detail") {
				t.Errorf("an internal error is shown: %s", answer.Body)
			}
			for name := range answer.Header() {
				if strings.HasPrefix(name, "Access-Control-") {
					t.Errorf("the answer allows other origins with %s", name)
				}
			}
		})
	}
}

func TestMintingReadsItsBodyStrictly(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		body   string
		status int
		token  string
	}{
		"the audience is taken as it is":        {`{"audience":"x y","includeEmail":true}`, 200, "token.alice@example.com.x y"},
		"without one it is the app's":           {`{}`, 200, "token.alice@example.com.client"},
		"without a body too":                    {``, 200, "token.alice@example.com.client"},
		"a token without address is refused":    {`{"includeEmail":false}`, 400, ""},
		"unknown fields are refused":            {`{"aud":"x"}`, 400, ""},
		"other types are refused":               {`{"audience":["x"]}`, 400, ""},
		"two bodies are refused":                {`{} {}`, 400, ""},
		"half a body is refused":                {`{"audience":`, 400, ""},
		"a long audience is refused":            {`{"audience":"` + strings.Repeat("x", 2000) + `"}`, 400, ""},
		"a long body is refused":                {`{"audience":"` + strings.Repeat("x", 20<<10) + `"}`, 413, ""},
		"a long body after the object is, too":  {`{}` + strings.Repeat(" ", 20<<10), 413, ""},
		"something other than JSON is refused":  {`audience=x`, 400, ""},
		"JSON that is no object is refused too": {`"x"`, 400, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			request := httptest.NewRequest("POST", tokenPath, strings.NewReader(test.body))
			request.Header.Set(markHeader, "1")
			answer := httptest.NewRecorder()
			newMachine().ServeHTTP(answer, request)
			var content struct{ Token string }
			if err := json.Unmarshal(answer.Body.Bytes(), &content); err != nil || answer.Code != test.status || content.Token != test.token {
				t.Errorf("%d %s (%v), want %d", answer.Code, answer.Body, err, test.status)
			}
		})
	}
}

func FuzzMintingNeverAnswersOtherThanItSays(f *testing.F) {
	f.Add("alice@example.com:generateIdToken", `{"audience":"x"}`)
	f.Add("%00:generateIdToken", `{"audience":"\u0000"}`)
	f.Add("../../healthz", `[]`)
	m := newMachine()
	f.Fuzz(func(t *testing.T, path, body string) {
		request := httptest.NewRequest("POST", "/", strings.NewReader(body))
		request.URL.Path = accountsPath + path
		request.Header.Set(markHeader, "1")
		answer := httptest.NewRecorder()
		m.ServeHTTP(answer, request)
		if answer.Code == http.StatusOK && path != "alice@example.com"+generateVerb && !strings.EqualFold(path, "alice@example.com"+generateVerb) {
			t.Errorf("%q got a token", path)
		}
		if !json.Valid(answer.Body.Bytes()) {
			t.Errorf("the answer is not JSON: %q", answer.Body)
		}
	})
}

func TestReadinessIsToldApartFromHealth(t *testing.T) {
	t.Parallel()
	m := newMachine()
	m.ready = func(context.Context) bool { return false }
	for path, status := range map[string]int{"/healthz": 200, "/readyz": 503} {
		answer := httptest.NewRecorder()
		m.ServeHTTP(answer, httptest.NewRequest("GET", path, http.NoBody))
		if answer.Code != status {
			t.Errorf("%s answers %d before everything is ready, want %d", path, answer.Code, status)
		}
	}
}

// TestTheListOfRoutes makes a new route, or a guard that is gone, a change of a file that people review.
func TestTheListOfRoutes(t *testing.T) {
	t.Parallel()
	var list strings.Builder
	for _, route := range newMachine().routes() {
		method := route.method
		if method == "" {
			method = "any"
		}
		fmt.Fprintf(&list, "%-6s %-26s %s\n", method, route.path, route.guard)
	}
	fmt.Fprintf(&list, "AUTH_HOST, GET %-17s %s\n", signInPath, navigated)
	want, err := os.ReadFile(filepath.Join("testdata", "routes.golden"))
	if err != nil {
		t.Fatal(err)
	}
	if list.String() != string(want) {
		t.Errorf("the routes by path are\n%swant\n%s", &list, want)
	}
}

func TestFetchingATokenSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	machine := httptest.NewServer(newMachine())
	t.Cleanup(machine.Close)
	stranger := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>") }))
	t.Cleanup(stranger.Close)
	hostile := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusTeapot)
		fmt.Fprint(w, `{"detail":"\u001b[2Jcleared"}`)
	}))
	t.Cleanup(hostile.Close)
	closed := listenLoopback(t)
	closed.Close()

	for name, test := range map[string]struct{ endpoint, account, audience, token, says string }{
		"a token comes as it is":           {machine.URL, "alice@example.com", "aud", "token.alice@example.com.aud", ""},
		"the endpoint may end in a slash":  {machine.URL + "/", "alice@example.com", "", "token.alice@example.com.client", ""},
		"an unknown account is named":      {machine.URL, "eve@example.com", "", "", "eve@example.com"},
		"a path in the account stays one":  {machine.URL, "a/../../../v1/info", "", "", "no token: "},
		"nobody there":                     {"http://" + closed.Addr().String(), "alice@example.com", "", "", "start `gatehouse dev`"},
		"somebody else there":              {stranger.URL, "alice@example.com", "", "", "is not gatehouse dev"},
		"control sequences are taken away": {hostile.URL, "alice@example.com", "", "", "no token: ?[2Jcleared"},
		"an endpoint that is no URL":       {"127.0.0.1:8080", "alice@example.com", "", "", "--endpoint"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			token, err := FetchIDToken(t.Context(), test.endpoint, test.account, test.audience)
			if token != test.token || (err != nil) != (test.says != "") || err != nil && !strings.Contains(err.Error(), test.says) {
				t.Errorf("token %q, error %v", token, err)
			}
		})
	}
}
