package admin_test

import (
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"github.com/gatehouse-iap/gatehouse/internal/admin"
	"github.com/gatehouse-iap/gatehouse/internal/policy/iam"
)

// ask calls the API as a peer of the socket.
func (f *fixture) ask(t *testing.T, method, target, body string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(method, "http://gatehouse"+target, strings.NewReader(body))
	w := httptest.NewRecorder()
	f.Handler().ServeHTTP(w, r.WithContext(admin.WithActor(t.Context(), peer)))
	return w
}

func TestThePolicyMethodsAreGoogles(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	get := func() iam.Policy {
		w := f.ask(t, http.MethodPost, "/v1/projects/dev-project/iap_web/compute/services/app:getIamPolicy", `{"options":{"requestedPolicyVersion":3}}`)
		if w.Code != http.StatusOK {
			t.Fatalf("getIamPolicy: %d %s", w.Code, w.Body)
		}
		return decode[iam.Policy](t, w.Body.Bytes())
	}
	if policy := get(); policy.Etag != iam.EmptyEtag || len(policy.Bindings) != 0 {
		t.Errorf("before anything is set: %+v", policy)
	}
	w := f.ask(t, http.MethodPost, "/v1/"+string(appName)+":setIamPolicy",
		`{"policy":{"etag":"ACAB","bindings":[{"role":"roles/iap.httpsResourceAccessor","members":["user:alice@example.com"]}]},"updateMask":"bindings,etag"}`)
	if w.Code != http.StatusOK || w.Header().Get("Content-Type") != "application/json; charset=UTF-8" {
		t.Fatalf("setIamPolicy: %d %s", w.Code, w.Body)
	}
	if set, read := decode[iam.Policy](t, w.Body.Bytes()), get(); set.Etag != read.Etag || read.Bindings[0].Members[0] != "user:alice@example.com" {
		t.Errorf("set %+v, read %+v", set, read)
	}
	if w := f.ask(t, http.MethodPost, "/v1/projects/dev-project:getIamPolicy", ""); w.Code != http.StatusOK {
		t.Errorf("getIamPolicy without a body: %d %s", w.Code, w.Body)
	}
}

func TestErrorsHaveGooglesShape(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	policy := "/v1/" + string(appName) + ":setIamPolicy"
	const own = "/gatehouse/v1"
	for name, test := range map[string]struct {
		method, target, body string
		code                 int
		status, says         string
	}{
		"an old etag is a conflict":            {"POST", policy, `{"policy":{"etag":"b2xk"}}`, 409, "ABORTED", "concurrent policy changes"},
		"a taken address exists already":       {"POST", own + "/users", `{"email":"alice@example.com","password":"long enough"}`, 409, "ALREADY_EXISTS", "alice@example.com"},
		"an unknown service says which exist":  {"POST", "/v1/projects/dev-project/iap_web/compute/services/web:getIamPolicy", "", 404, "NOT_FOUND", "app (projects/"},
		"an unknown user is not found":         {"GET", own + "/users/carol@example.com", "", 404, "NOT_FOUND", "carol@example.com"},
		"an unknown decision is not found":     {"GET", own + "/decisions/00000000000000000000000000", "", 404, "NOT_FOUND", ""},
		"an unknown path is not found":         {"GET", "/v2/anything", "", 404, "NOT_FOUND", "/v2/anything"},
		"a wrong method is not found":          {"GET", policy, "", 404, "NOT_FOUND", ""},
		"a missing verb is not found":          {"POST", "/v1/projects/dev-project", "", 404, "NOT_FOUND", ""},
		"an unknown verb is not found":         {"POST", own + "/users/alice@example.com:promote", "", 404, "NOT_FOUND", ""},
		"service accounts have no password":    {"POST", own + "/serviceAccounts/a@b.c:setPassword", `{"password":"long enough"}`, 404, "NOT_FOUND", ""},
		"no key to revoke is not found":        {"POST", own + "/keys/nokey1:revoke", "", 404, "NOT_FOUND", "nokey1"},
		"a malformed address is invalid":       {"POST", own + "/users", `{"email":"alice"}`, 400, "INVALID_ARGUMENT", "exactly one @"},
		"a malformed member is invalid":        {"POST", policy, `{"policy":{"bindings":[{"role":"roles/viewer","members":["alice"]}]}}`, 400, "INVALID_ARGUMENT", "alice"},
		"a condition is invalid":               {"POST", policy, `{"policy":{"bindings":[{"role":"roles/viewer","members":["allUsers"],"condition":{"expression":"true"}}]}}`, 400, "INVALID_ARGUMENT", "condition"},
		"an unknown policy field is invalid":   {"POST", policy, `{"policy":{"rules":[]}}`, 400, "INVALID_ARGUMENT", "rules"},
		"an unknown field is invalid":          {"POST", policy, `{"policy":{},"force":true}`, 400, "INVALID_ARGUMENT", "force"},
		"a missing policy is invalid":          {"POST", policy, `{"policy":null}`, 400, "INVALID_ARGUMENT", "policy is missing"},
		"a foreign mask is invalid":            {"POST", policy, `{"policy":{},"updateMask":"bindings,owner"}`, 400, "INVALID_ARGUMENT", "owner"},
		"two JSON values are invalid":          {"POST", own + "/groups", `{"email":"team@example.com"}{}`, 400, "INVALID_ARGUMENT", "more than one"},
		"a truncated body is invalid":          {"POST", own + "/groups", `{"email":`, 400, "INVALID_ARGUMENT", "request body"},
		"a policy version is 0, 1 or 3":        {"POST", "/v1/projects/dev-project:getIamPolicy", `{"options":{"requestedPolicyVersion":2}}`, 400, "INVALID_ARGUMENT", "requestedPolicyVersion"},
		"the session of all zeros is invalid":  {"POST", own + "/sessions/-:revoke", `{"id":"00000000000000000000000000000000"}`, 400, "INVALID_ARGUMENT", "names no session"},
		"revoking nothing in particular is it": {"POST", own + "/sessions/-:revoke", `{}`, 400, "INVALID_ARGUMENT", "all of them"},
		"a hash cannot be brought along":       {"POST", own + "/users", `{"email":"eve@example.com","passwordHash":"x"}`, 400, "INVALID_ARGUMENT", "passwordHash"},
		"a limit is a number":                  {"GET", own + "/entries?limit=many", "", 400, "INVALID_ARGUMENT", "many"},
		"a body is not larger than its cap":    {"POST", policy, `{"policy":{"etag":"` + strings.Repeat("A", 1<<20) + `"}}`, 400, "INVALID_ARGUMENT", "larger than 1048576 bytes"},
		"a second rotation waits":              {"POST", own + "/keys/id-token:rotate", "{}", 400, "FAILED_PRECONDITION", "waiting already"},
	} {
		t.Run(name, func(t *testing.T) {
			if test.status == "FAILED_PRECONDITION" {
				for range 2 { // the first signs at once, having nothing before it; the second waits
					f.ask(t, test.method, test.target, test.body)
				}
			}
			w := f.ask(t, test.method, test.target, test.body)
			answer := decode[map[string]admin.Problem](t, w.Body.Bytes())
			p, found := answer["error"]
			if !found || len(answer) != 1 || w.Code != test.code || p.Code != test.code || p.Status != test.status || !strings.Contains(p.Message, test.says) || p.Message == "" {
				t.Errorf("%d %s", w.Code, w.Body)
			}
		})
	}
}

func TestTheConflictOfEtagsCanBeToldByPrograms(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	w := f.ask(t, http.MethodPost, "/v1/"+string(appName)+":setIamPolicy", `{"policy":{"etag":"b2xk"}}`)
	p := decode[map[string]admin.Problem](t, w.Body.Bytes())["error"]
	want := admin.ErrorInfo{Type: "type.googleapis.com/google.rpc.ErrorInfo", Reason: admin.ReasonEtagMismatch, Domain: "gatehouse"}
	if len(p.Details) != 1 || !reflect.DeepEqual(p.Details[0], want) {
		t.Errorf("details are %+v", p.Details)
	}
}

func TestInternalErrorsAreLoggedAndNotShown(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	if err := f.db.Close(); err != nil {
		t.Fatal(err)
	}
	w := f.ask(t, http.MethodGet, "/gatehouse/v1/users", "")
	p := decode[map[string]admin.Problem](t, w.Body.Bytes())["error"]
	if w.Code != http.StatusInternalServerError || p.Status != "INTERNAL" || strings.Contains(p.Message, "database") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	id := p.Message[strings.LastIndexByte(p.Message, ' ')+1:]
	if !strings.Contains(f.log.String(), "id="+id) {
		t.Errorf("the log does not know id %s: %s", id, f.log.String())
	}
}

func TestACallByNobodyIsRefused(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for _, target := range []string{"GET /gatehouse/v1/users", "POST /v1/projects/dev-project:setIamPolicy", "GET /nothing"} {
		method, path, _ := strings.Cut(target, " ")
		w := httptest.NewRecorder()
		f.Handler().ServeHTTP(w, httptest.NewRequest(method, "http://gatehouse"+path, nil))
		if w.Code != http.StatusForbidden {
			t.Errorf("%s: %d %s", target, w.Code, w.Body)
		}
	}
}

func TestListsWithoutItemsAreEmptyNotNull(t *testing.T) {
	t.Parallel()
	f := newEmptyFixture(t)
	for _, path := range []string{"services", "users", "serviceAccounts", "groups", "keys", "sessions", "entries"} {
		w := f.ask(t, http.MethodGet, "/gatehouse/v1/"+path, "")
		if w.Code != http.StatusOK || !strings.HasSuffix(strings.TrimSpace(w.Body.String()), ":[]}") {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
}

// FuzzHandler sends hostile targets and bodies: whatever they are, the answer is not an internal error.
func FuzzHandler(f *testing.F) {
	for _, seed := range [][3]string{
		{"POST", "/v1/projects/dev-project/iap_web:setIamPolicy", `{"policy":{"bindings":[{"role":"roles/viewer","members":["allUsers"]}]}}`},
		{"POST", "/v1/projects/dev-project/iap_web/compute/services/app:getIamPolicy", `{}`},
		{"POST", "/gatehouse/v1/users", `{"email":"a@b.c","password":"long enough"}`},
		{"DELETE", "/gatehouse/v1/groups/..%2f..%2fusers", ``},
		{"POST", "/gatehouse/v1/sessions/-:revoke", `{"id":"0000"}`},
		{"POST", "/gatehouse/v1/keys/assertion:rotate", `{"now":true}`},
		{"GET", "/gatehouse/v1/sessions?email=%00&id=%ff", ``},
	} {
		f.Add(seed[0], seed[1], []byte(seed[2]))
	}
	handler := newEmptyFixture(f).Handler()
	f.Fuzz(func(t *testing.T, method, target string, body []byte) {
		r, err := http.NewRequest(method, "http://gatehouse"+target, strings.NewReader(string(body)))
		if err != nil {
			return
		}
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r.WithContext(admin.WithActor(t.Context(), peer)))
		if w.Code >= 500 {
			t.Errorf("%s %s: %d %s", method, target, w.Code, w.Body)
		}
	})
}
