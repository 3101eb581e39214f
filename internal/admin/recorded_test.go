package admin_test

import (
	"encoding/json"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"github.com/gatehouse-iap/gatehouse/internal/audit"
)

// Each change has an entry with what was there before and what is there after, by whoever was at the other end of the
// socket, and no secret.
func TestEveryChangeRecordsWhatWasThereAndWhatIs(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	const own = "/gatehouse/v1"
	const web = "/v1/projects/dev-project/iap_web"
	robot := own + "/serviceAccounts/nightly@dev-project.iam.gserviceaccount.com"
	for _, step := range []struct {
		method, path, body string
		action             string
		before, after      bool
	}{
		{"POST", own + "/users", `{"email":"bob@example.com","password":"swordfish"}`, "users.create", false, true},
		{"POST", own + "/users/bob@example.com:setPassword", `{"password":"swordfish"}`, "users.setPassword", true, true},
		{"POST", own + "/users/bob@example.com:disable", ``, "users.disable", true, true},
		{"POST", own + "/users/bob@example.com:enable", ``, "users.enable", true, true},
		{"DELETE", own + "/users/bob@example.com", ``, "users.delete", true, false},
		{"POST", own + "/serviceAccounts", `{"name":"nightly"}`, "serviceAccounts.create", false, true},
		{"POST", robot + ":disable", ``, "serviceAccounts.disable", true, true},
		{"DELETE", robot, ``, "serviceAccounts.delete", true, false},
		{"POST", own + "/groups", `{"email":"team@example.com","members":["alice@example.com"]}`, "groups.create", false, true},
		{"POST", own + "/groups/team@example.com:removeMembers", `{"members":["alice@example.com"]}`, "groups.removeMembers", true, true},
		{"DELETE", own + "/groups/team@example.com", ``, "groups.delete", true, false},
		{"POST", web + ":setIamPolicy", `{"policy":{"bindings":[{"role":"roles/owner","members":["user:alice@example.com"]}]}}`, "iam.setIamPolicy", true, true},
		{"PATCH", web + ":iapSettings", `{"accessSettings":{"oauthSettings":{"loginHint":"example.com"}}}`, "iap.updateIapSettings", true, true},
		{"PUT", own + "/identityProviders/company", `{"name":"company","kind":"oidc","domains":["example.com"],"oidc":{"issuer":"https://login.example.com","clientId":"a","clientSecret":{"file":"/run/secret"}}}`, "identityProviders.put", false, true},
		{"PUT", own + "/identityProviders/company", `{"name":"company","kind":"oidc","domains":["example.com"],"oidc":{"issuer":"https://login.example.com","clientId":"b","clientSecret":{"file":"/run/secret"}}}`, "identityProviders.put", true, true},
		{"DELETE", own + "/identityProviders/company", ``, "identityProviders.delete", true, false},
		{"POST", own + "/keys/assertion:rotate", `{"now":true}`, "keys.rotate", false, true},
		{"POST", own + "/keys/assertion:rotate", `{"now":true}`, "keys.rotate", true, true},
		{"POST", own + "/sessions/-:revoke", `{"all":true}`, "sessions.revoke", true, false},
	} {
		w := f.ask(t, step.method, step.path, step.body)
		if w.Code != http.StatusOK {
			t.Errorf("%s %s: %d %s", step.method, step.path, w.Code, w.Body)
			continue
		}
		entries, err := f.AuditEntries(t.Context(), 1)
		if err != nil {
			t.Fatal(err)
		}
		e := entries[0]
		if e.Action != step.action || e.Actor != peer || (e.Before != nil) != step.before || (e.After != nil) != step.after || !e.Time.Equal(now) {
			t.Errorf("%s %s is recorded as %s %s by %v, before %s, after %s", step.method, step.path, e.Action, e.Target, e.Actor, e.Before, e.After)
		}
		if text := string(e.Before) + string(e.After); strings.Contains(text, "swordfish") {
			t.Errorf("%s tells the password: %s", e.Action, text)
		}
	}
}

func TestARecordedChangeIsFoundByWhomItNames(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.ask(t, "POST", "/v1/projects/dev-project/iap_web:setIamPolicy", `{"policy":{"bindings":[{"role":"roles/owner","members":["user:alice@example.com"]}]}}`)
	for body, want := range map[string][]string{
		`{"kind":"changes","person":"alice@example.com"}`:                        {"iam.setIamPolicy", "users.create"},
		`{"kind":"changes","person":"alice@example.com","oldestFirst":true}`:     {"users.create", "iam.setIamPolicy"},
		`{"kind":"changes","person":"alice@example.com","limit":1}`:              {"iam.setIamPolicy"},
		`{"kind":"changes","resource":"app"}`:                                    {"services.put"},
		`{"kind":"changes","actor":"uid:1000"}`:                                  {"iam.setIamPolicy"},
		`{"kind":"all","action":"users"}`:                                        {"users.create"},
		`{"kind":"changes","id":"1"}`:                                            {"services.put"},
		`{"kind":"changes","since":"2026-11-22T12:00:01Z"}`:                      {},
		`{"kind":"changes","until":"2026-11-22T12:00:00Z"}`:                      {},
		`{"kind":"changes","person":"alice@example.com","host":"app.localhost"}`: nil,
		`{"kind":"secrets"}`:                                                     nil,
		`{"limit":-1}`:                                                           nil,
		`{"outcome":"maybe"}`:                                                    nil,
		`{"kind":"changes","id":"0"}`:                                            nil,
		`{"colour":"red"}`:                                                       nil,
	} {
		w := f.ask(t, "POST", "/gatehouse/v1/records/-:search", body)
		if want == nil {
			if w.Code != http.StatusBadRequest {
				t.Errorf("%s: %d %s", body, w.Code, w.Body)
			}
			continue
		}
		got := []string{}
		for line := range strings.Lines(w.Body.String()) {
			var said struct{ Change *audit.Entry }
			if err := json.Unmarshal([]byte(line), &said); err != nil {
				t.Errorf("%s: %q: %v", body, line, err)
			} else if said.Change != nil {
				got = append(got, said.Change.Action)
			}
		}
		if !reflect.DeepEqual(got, want) || !strings.HasSuffix(w.Body.String(), "}}\n") {
			t.Errorf("%s finds %q, not %q: %s", body, got, want, w.Body)
		}
	}
	for _, path := range []string{"-:delete", "x:search", "search"} {
		if w := f.ask(t, "POST", "/gatehouse/v1/records/"+path, `{}`); w.Code != http.StatusNotFound {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
}
