package emulator

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/audit"
	"github.com/gatehouse-iap/gatehouse/internal/principal"
)

// tell asks a machine for something under /emulator/v1/ and reads the answer.
func (m *machine) tell(t *testing.T, method, path, body string) (status int, answer map[string]any) {
	t.Helper()
	request := httptest.NewRequest(method, "/emulator/v1/"+path, strings.NewReader(body))
	request.Header.Set(markHeader, "1")
	w := httptest.NewRecorder()
	m.ServeHTTP(w, request)
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
		t.Fatalf("%s %s: %d %s", method, path, w.Code, w.Body)
	}
	return w.Code, answer
}

func TestWhatTestsTellTheEmulator(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		method, path, body string
		status             int
		want               string // a part of the answer
	}{
		"an account is created":                    {"POST", "accounts", `{"email":"Carol@Example.org"}`, 200, `"email":"carol@example.org","hosted_domain":"example.org"`},
		"with the subject that it is given":        {"POST", "accounts", `{"email":"c@example.org","subject":"123456789012345678901","hosted_domain":""}`, 200, `"subject":"123456789012345678901"`},
		"a personal one has no organisation":       {"POST", "accounts", `{"email":"c@gmail.com"}`, 200, `"email":"c@gmail.com","password"`},
		"one that is there stays":                  {"POST", "accounts", `{"email":"alice@example.com"}`, 409, ""},
		"an address that is none":                  {"POST", "accounts", `{"email":"carol"}`, 400, ""},
		"a field that nobody knows":                {"POST", "accounts", `{"email":"a@b.example","admin":true}`, 400, "admin"},
		"two bodies":                               {"POST", "accounts", `{"email":"a@b.example"}{}`, 400, ""},
		"no body":                                  {"POST", "accounts", ``, 400, ""},
		"a body that is too large":                 {"POST", "accounts", `{"email":"` + strings.Repeat("a", maxControlBody) + `"}`, 413, ""},
		"a group is made":                          {"PUT", "groups/Team@example.com", `{"members":["Alice@example.com"]}`, 200, `"members":["alice@example.com"]`},
		"a group cannot hold itself":               {"PUT", "groups/team@example.com", `{"members":["team@example.com"]}`, 400, ""},
		"a group without an address":               {"PUT", "groups/", `{}`, 400, ""},
		"a policy is set":                          {"PUT", "policy", `{"bindings":[{"role":"roles/iap.httpsResourceAccessor","members":["allUsers"]}]}`, 200, "allUsers"},
		"a policy is read":                         {"GET", "policy", ``, 200, "etag"},
		"the gate is turned off":                   {"PUT", "iap", `{"enabled":false}`, 200, `"enabled":false`},
		"the gate is asked whether it is on":       {"GET", "iap", ``, 200, `"enabled":true`},
		"the gate is neither":                      {"PUT", "iap", `{}`, 400, "enabled"},
		"keys are rotated":                         {"POST", "keys:rotate", ``, 200, `"key_id":"next false"`},
		"and those before withdrawn":               {"POST", "keys:rotate", `{"revoke":true}`, 200, `"key_id":"next true"`},
		"the key endpoint fails":                   {"PUT", "key-endpoint", `{"status":503,"delay":"2s"}`, 200, `{"delay":"2s","status":503}`},
		"the key endpoint cannot succeed at that":  {"PUT", "key-endpoint", `{"status":200}`, 400, ""},
		"nor be late for ever":                     {"PUT", "key-endpoint", `{"delay":"200h"}`, 400, ""},
		"nor be early":                             {"PUT", "key-endpoint", `{"delay":"-1s"}`, 400, ""},
		"the key endpoint is well":                 {"GET", "key-endpoint", ``, 200, `{"delay":"0s","status":0}`},
		"the key endpoint recovers":                {"DELETE", "key-endpoint", ``, 200, `{"delay":"0s","status":0}`},
		"attributes are set":                       {"PUT", "metadata", `{"instance_attributes":{"a":"b"}}`, 200, `{"instance_attributes":{"a":"b"},"project_attributes":{}}`},
		"attributes are read":                      {"GET", "metadata", ``, 200, `{"instance_attributes":{},"project_attributes":{}}`},
		"attributes that cannot be":                {"PUT", "metadata", `{"instance_attributes":{"a/b":"c"}}`, 400, ""},
		"decisions are listed":                     {"GET", "decisions", ``, 200, `"decisions":[]`},
		"by what they cannot be":                   {"GET", "decisions?colour=red", ``, 400, "colour"},
		"by two things at once":                    {"GET", "decisions?account=a&account=b", ``, 400, ""},
		"so many":                                  {"GET", "decisions?limit=x", ``, 400, ""},
		"decisions are forgotten":                  {"DELETE", "decisions", ``, 200, ""},
		"reset waits until there is a start":       {"POST", "reset", ``, 503, ""},
		"an assertion of an age that is none":      {"POST", "assertions", `{"age":"old"}`, 400, ""},
		"an assertion under a header of one's own": {"POST", "assertions", `{"header":{"typ":null}}`, 200, "signed under map[typ:"},
		"an assertion for an address that is none": {"POST", "assertions", `{"email":"x"}`, 400, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			status, answer := newMachine().tell(t, c.method, c.path, c.body)
			text, err := json.Marshal(answer)
			if err != nil || status != c.status || !strings.Contains(string(text), c.want) {
				t.Errorf("%d %s (%v)", status, text, err)
			}
		})
	}
}

func TestAnAssertionOfAnyClaims(t *testing.T) {
	t.Parallel()
	const now = 1_900_000_000 - 30 // backdated
	usual := `"aud":"/a","azp":"/a","exp":` + strconv.Itoa(now+600) + `,"iat":` + strconv.Itoa(now) + `,"identity_source":"GOOGLE","iss":"https://cloud.google.com/iap"`
	for body, want := range map[string]string{
		``:                              "{" + usual + "}",
		`{"audience":"/b","age":"11m"}`: `{"aud":"/b","azp":"/b","exp":` + strconv.Itoa(now-60) + `,"iat":` + strconv.Itoa(now-660) + `,"identity_source":"GOOGLE","iss":"https://cloud.google.com/iap"}`,
		`{"claims":{"aud":["x"],"iss":null,"iat":12345678901234567890,"gcip":{"a":1.50}}}`: `{"aud":["x"],"azp":"/a","exp":` + strconv.Itoa(now+600) + `,"gcip":{"a":1.50},"iat":12345678901234567890,"identity_source":"GOOGLE"}`,
	} {
		status, answer := newMachine().tell(t, "POST", "assertions", body)
		if got := answer["assertion"]; status != http.StatusOK || got != "signed "+want {
			t.Errorf("%s\n got %v\nwant signed %s", body, got, want)
		}
	}
	_, answer := newMachine().tell(t, "POST", "assertions", `{"email":"nobody@example.com"}`)
	if claims := answer["claims"].(map[string]any); claims["email"] != "nobody@example.com" || len(claims["sub"].(string)) != len("accounts.google.com:")+21 {
		t.Errorf("%v", claims)
	}
}

func TestSignInIsForNavigationsThatNoPageBegan(t *testing.T) {
	t.Parallel()
	const app = "http://app.localhost:8080"
	for name, c := range map[string]struct {
		query  string
		header []string
		status int
		email  string
		to     string
	}{
		"a person typed it":           {"account=alice@example.com", []string{"Sec-Fetch-Site", "none"}, 302, "alice@example.com", app + "/"},
		"a program means it":          {"account=alice@example.com&continue=" + app + "/x", []string{markHeader, "1"}, 302, "alice@example.com", app + "/x"},
		"somebody new":                {"account=New%40Example.org", []string{"Sec-Fetch-Site", "none"}, 302, "new@example.org", app + "/"},
		"a link":                      {"account=alice@example.com", []string{"Sec-Fetch-Site", "cross-site"}, 403, "", ""},
		"a page of the same host":     {"account=alice@example.com", []string{"Sec-Fetch-Site", "same-origin"}, 403, "", ""},
		"a browser that does not say": {"account=alice@example.com", nil, 403, "", ""},
		"a form":                      {"account=alice@example.com", []string{"Sec-Fetch-Site", "none", "Origin", "null"}, 403, "", ""},
		"a page that forges the mark": {"account=alice@example.com", []string{markHeader, "1", "Origin", "http://evil.example"}, 403, "", ""},
		"nobody":                      {"", []string{"Sec-Fetch-Site", "none"}, 400, "", ""},
		"two":                         {"account=alice@example.com&account=bob@example.com", []string{"Sec-Fetch-Site", "none"}, 400, "", ""},
		"no address":                  {"account=alice", []string{"Sec-Fetch-Site", "none"}, 400, "", ""},
		"on to somebody else":         {"account=alice@example.com&continue=http://evil.example/", []string{"Sec-Fetch-Site", "none"}, 400, "", ""},
		"on to two places":            {"account=alice@example.com&continue=" + app + "&continue=http://evil.example/", []string{"Sec-Fetch-Site", "none"}, 400, "", ""},
	} {
		request := httptest.NewRequest("GET", "http://auth.localhost:8080"+signInPath+"?"+c.query, nil)
		for i := 0; i < len(c.header); i += 2 {
			request.Header.Add(c.header[i], c.header[i+1])
		}
		w := httptest.NewRecorder()
		newMachine().control.signIn(w, request)
		if w.Code != c.status || w.Header().Get("X-Signed-In") != c.email || w.Header().Get("Location") != c.to {
			t.Errorf("%s: %d %v %s", name, w.Code, w.Header(), w.Body)
		}
		// By path, the same guard stands before the way to the auth host.
		request.Host = "127.0.0.1:8080"
		w = httptest.NewRecorder()
		newMachine().ServeHTTP(w, request)
		if refused := w.Code == http.StatusForbidden; refused != (c.status == 403) || !refused && w.Header().Get("Location") != "http://auth.localhost:8080"+signInPath+"?"+c.query {
			t.Errorf("%s, by path: %d %v", name, w.Code, w.Header())
		}
	}
}

func TestDecisionsAreSelected(t *testing.T) {
	t.Parallel()
	m := newMachine()
	for i := range maxDecisions + 3 {
		d := audit.Decision{ID: audit.NewDecisionID(time.Unix(int64(i), 0), 1), Method: "GET", Host: "app.localhost", Path: "/" + strconv.Itoa(i), Reason: "granted", Peer: netip.MustParseAddr("127.0.0.1")}
		if i%2 == 1 {
			d.Status, d.Reason, d.Identity = 403, "not_granted", principal.Identity{Email: "bob@example.com"}
		}
		m.control.heard.hear(&d)
	}
	paths := func(query string) (paths []string, ids []string) {
		_, answer := m.tell(t, "GET", "decisions"+query, "")
		for _, d := range answer["decisions"].([]any) {
			paths, ids = append(paths, d.(map[string]any)["path"].(string)), append(ids, d.(map[string]any)["id"].(string))
		}
		return paths, ids
	}
	all, ids := paths("")
	if len(all) != maxDecisions || all[0] != "/3" || all[maxDecisions-1] != "/1002" {
		t.Errorf("%d, from %s to %s", len(all), all[0], all[len(all)-1])
	}
	for query, want := range map[string]string{
		"?limit=2":                                  "/1001 /1002",
		"?limit=1&account=Bob@example.com":          "/1001",
		"?passed=true&limit=2":                      "/1000 /1002",
		"?status=403&limit=1":                       "/1001",
		"?reason=granted&limit=1":                   "/1002",
		"?path=/7":                                  "/7",
		"?path=/7&account=alice@example.com":        "",
		"?method=POST":                              "",
		"?host=other":                               "",
		"?limit=0":                                  "",
		"?after=" + ids[maxDecisions-3]:             "/1001 /1002",
		"?passed=true&after=" + ids[maxDecisions-3]: "/1002",
		"?after=" + ids[maxDecisions-1]:             "",
	} {
		if got, _ := paths(query); strings.Join(got, " ") != want {
			t.Errorf("%s: %v, want %s", query, got, want)
		}
	}
	m.tell(t, "DELETE", "decisions", "")
	if got, _ := paths(""); len(got) != 0 {
		t.Errorf("%d are still there", len(got))
	}
}

func TestAKeyEndpointThatIsSlowIsSlowOnlyAsLongAsThatIsWanted(t *testing.T) {
	t.Parallel()
	k := newKeyEndpoint()
	handler := k.wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("keys")) }))
	ask := func() *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequest("GET", "/iap/verify/public_key", nil))
		return w
	}
	k.set(fault{Status: 500})
	if w := ask(); w.Code != 500 || w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
	k.set(fault{Delay: time.Hour})
	done := make(chan *httptest.ResponseRecorder)
	go func() { done <- ask() }()
	select {
	case <-done:
		t.Error("it is not slow")
	case <-time.After(20 * time.Millisecond):
	}
	k.set(fault{})
	if w := <-done; w.Body.String() != "keys" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestResetBringsTheStartBack(t *testing.T) {
	t.Parallel()
	m := newMachine()
	if err := m.control.remember(t.Context()); err != nil {
		t.Fatal(err)
	}
	m.tell(t, "POST", "accounts", `{"email":"new@example.com"}`)
	m.tell(t, "PUT", "iap", `{"enabled":false}`)
	m.tell(t, "PUT", "key-endpoint", `{"status":500}`)
	m.tell(t, "PUT", "metadata", `{"project_attributes":{"a":"b"}}`)
	m.control.heard.hear(&audit.Decision{})
	if status, answer := m.tell(t, "POST", "reset", ""); status != http.StatusOK {
		t.Fatal(status, answer)
	}
	if _, found := m.gate.Account("new@example.com"); found {
		t.Error("the account is still there")
	}
	for path, want := range map[string]string{
		"iap": `{"enabled":true}`, "key-endpoint": `{"delay":"0s","status":0}`, "decisions": `{"decisions":[]}`,
		"metadata": `{"instance_attributes":{},"project_attributes":{}}`,
	} {
		_, answer := m.tell(t, "GET", path, "")
		if text, _ := json.Marshal(answer); string(text) != want {
			t.Errorf("%s is %s", path, text)
		}
	}
}

func FuzzWhatTheEmulatorIsToldIsAnsweredInJSON(f *testing.F) {
	f.Add("POST", "accounts", `{"email":"a@b.example"}`)
	f.Add("PUT", "key-endpoint", `{"status":404,"delay":"1ns"}`)
	f.Add("POST", "assertions", `{"claims":{"a":[{}]},"age":"1h"}`)
	f.Add("PUT", "groups/%zz", `{"members":[""]}`)
	f.Add("GET", "decisions?after=x&limit=1", ``)
	f.Fuzz(func(t *testing.T, method, path, body string) {
		request := httptest.NewRequest(http.MethodGet, "/", strings.NewReader(body))
		request.Method = method
		request.URL.Path, request.URL.RawQuery, _ = strings.Cut("/emulator/v1/"+path, "?")
		request.RequestURI = "/"
		request.Header.Set(markHeader, "1")
		w := httptest.NewRecorder()
		newMachine().ServeHTTP(w, request)
		if strings.HasPrefix(request.URL.Path, "/emulator/v1/sign-in") {
			return
		}
		if !json.Valid(w.Body.Bytes()) || w.Code >= 500 && w.Code != 503 {
			t.Errorf("%d %q", w.Code, w.Body)
		}
	})
}
