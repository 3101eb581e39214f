package admin_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse-iap/gatehouse/internal/admin"
	"github.com/gatehouse-iap/gatehouse/internal/audit"
	"github.com/gatehouse-iap/gatehouse/internal/directory"
)

// Each change has an entry with what was there before and what is there after, by whoever was at the other end of the
// socket, and no secret.
func TestEveryChangeRecordsWhatWasThereAndWhatIs(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	const own = "/gatehouse/v1"
	const web = "/v1/projects/dev-project/iap_web"
	const robot, team, corp = own + "/serviceAccounts/nightly@dev-project.iam.gserviceaccount.com", own + "/groups/team@example.com", own + "/identityProviders/company"
	const provider = `{"name":"company","kind":"oidc","domains":["company.example"],"oidc":{"issuer":"https://login.example.com","clientId":%q,"clientSecret":{"file":"/run/secret"}}}`
	public, id := publicKey(t)
	f.openSession(t, "alice@example.com", now)
	for _, step := range []struct {
		method, path, body string
		action             string
		was, is            string // holds this; nothing where that is empty
	}{
		{"POST", own + "/sessions/-:revoke", `{"all":true}`, "sessions.revoke", `{"sessions":2}`, ""},
		{"POST", own + "/iap/" + string(appName) + ":disable", ``, "iap.disable", `"enabled":true`, `"enabled":false`},
		{"POST", own + "/iap/" + string(appName) + ":enable", ``, "iap.enable", `"enabled":false`, `"enabled":true`},
		{"POST", own + "/users", `{"email":"bob@example.com","password":"swordfish"}`, "users.create", "", `"email":"bob@example.com"`},
		{"POST", own + "/users/bob@example.com:setPassword", `{"password":"swordfish"}`, "users.setPassword", `"hasPassword":true`, `"hasPassword":true`},
		{"POST", own + "/users/bob@example.com:disable", ``, "users.disable", `"disabled":false`, `"disabled":true`},
		{"POST", own + "/users/bob@example.com:enable", ``, "users.enable", `"disabled":true`, `"disabled":false`},
		{"DELETE", own + "/users/bob@example.com", ``, "users.delete", `"email":"bob@example.com"`, ""},
		{"POST", own + "/serviceAccounts", `{"name":"nightly"}`, "serviceAccounts.create", "", `"email":"nightly@`},
		{"POST", robot + ":disable", ``, "serviceAccounts.disable", `"disabled":false`, `"disabled":true`},
		{"POST", robot + "/keys", `{"publicKey":` + public + `}`, "serviceAccounts.keys.create", "", "/keys/" + id + `"`},
		{"POST", robot + "/keys/" + id + ":disable", ``, "serviceAccounts.keys.disable", "/keys/" + id + `"`, `"disabled":true`},
		{"POST", robot + "/keys/" + id + ":enable", ``, "serviceAccounts.keys.enable", `"disabled":true`, "/keys/" + id + `"`},
		{"DELETE", robot + "/keys/" + id, ``, "serviceAccounts.keys.delete", "/keys/" + id + `"`, ""},
		{"DELETE", robot, ``, "serviceAccounts.delete", `"email":"nightly@`, ""},
		{"POST", own + "/groups", `{"email":"team@example.com","description":"Us","members":["alice@example.com"]}`, "groups.create", "", `"members":["alice@example.com"]`},
		{"POST", team + ":addMembers", `{"members":["carol@example.com"]}`, "groups.addMembers", `"description":"Us","members":1}`, `"description":"Us","added":["carol@example.com"],"members":2`},
		{"POST", team + ":removeMembers", `{"members":["alice@example.com"]}`, "groups.removeMembers", `"members":2}`, `"removed":["alice@example.com"],"members":1}`},
		{"DELETE", team, ``, "groups.delete", `"members":["carol@example.com"]`, ""},
		{"POST", web + ":setIamPolicy", `{"policy":{"bindings":[{"role":"roles/owner","members":["user:alice@example.com"]}]}}`, "iam.setIamPolicy", `{"etag":`, `"members":["user:alice@example.com"]`},
		{"PATCH", web + ":iapSettings", `{"accessSettings":{"oauthSettings":{"loginHint":"example.com"}}}`, "iap.updateIapSettings", `{"name":`, `"loginHint":"example.com"`},
		{"PUT", corp, fmt.Sprintf(provider, "a"), "identityProviders.put", "", `"clientId":"a"`},
		{"PUT", corp, fmt.Sprintf(provider, "b"), "identityProviders.put", `"clientId":"a"`, `"clientId":"b"`},
		{"DELETE", corp, ``, "identityProviders.delete", `"clientId":"b"`, ""},
		{"POST", own + "/keys/assertion:rotate", `{"now":true}`, "keys.rotate", "", `"purpose":"assertion"`},
		{"POST", own + "/keys/assertion:rotate", `{"now":true}`, "keys.rotate", `"purpose":"assertion"`, `"purpose":"assertion"`},
	} {
		w := f.ask(t, step.method, step.path, step.body)
		if w.Code != http.StatusOK {
			t.Errorf("%s %s: %d %s", step.method, step.path, w.Code, w.Body)
			continue
		}
		e := f.lastEntry(t)
		if e.Action != step.action || e.Actor != peer || !tells(e.Before, step.was) || !tells(e.After, step.is) || !e.Time.Equal(now) {
			t.Errorf("%s %s is recorded as %s %s by %v, before %s, after %s", step.method, step.path, e.Action, e.Target, e.Actor, e.Before, e.After)
		}
		if strings.Contains(step.action, "disable") && strings.Contains(string(e.Before), `"disabled":true`) {
			t.Errorf("%s: what is there after is recorded as what was before: %s", step.action, e.Before)
		}
		if text := string(e.Before) + string(e.After); strings.Contains(text, "swordfish") {
			t.Errorf("%s tells the password: %s", e.Action, text)
		}
	}
}

// tells reports whether one side of an entry is as wanted.
func tells(side []byte, want string) bool {
	return (side == nil) == (want == "") && strings.Contains(string(side), want)
}

// publicKey makes a key for a service account: its public half in PEM, as JSON has it, and its id.
func publicKey(t *testing.T) (text, id string) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	quoted, err := json.Marshal(string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})))
	if err != nil {
		t.Fatal(err)
	}
	return string(quoted), directory.AccountKeyID(der)
}

func TestWhatManifestsChangeIsRecordedWithWhatWasThere(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	const web = "projects/dev-project/iap_web"
	f.apply(t, admin.ApplyOptions{}, append(everything(), settingsOn(t, web, `{accessSettings: {oauthSettings: {loginHint: a.test}}}`))...)
	changed := append(everything(), settingsOn(t, web, `{accessSettings: {oauthSettings: {loginHint: b.test}}}`))
	changed[0].Service.Hosts = []string{"new.example.com"}
	changed[1].Policy.Policy = granting("user:carol@example.com")
	changed[2].User.DisplayName = "another"
	changed[3].Group.Description = "Us"
	changed[4].Provider.Domains = []string{"new.example"}
	for _, step := range []struct {
		documents []admin.Document
		options   admin.ApplyOptions
		want      map[string][2]string // what an action's entry holds before and after
	}{
		{changed, admin.ApplyOptions{}, map[string][2]string{
			"services.put":          {`"hosts":["wiki.example.com"]`, `"hosts":["new.example.com"]`},
			"iam.setIamPolicy":      {`"group:team@example.com"`, `"user:carol@example.com"`},
			"users.update":          {`"displayName":"somebody"`, `"displayName":"another"`},
			"groups.update":         {`{"email":"team@example.com","members":2}`, `"description":"Us"`},
			"identityProviders.put": {`"corp.example"]`, `"new.example"]`},
			"iap.updateIapSettings": {`"loginHint":"a.test"`, `"loginHint":"b.test"`},
		}},
		{changed[5:6], admin.ApplyOptions{Prune: true}, map[string][2]string{ // the project alone
			"services.delete":          {`"hosts":["new.example.com"]`, ""},
			"iam.setIamPolicy":         {`"user:carol@example.com"`, `{"version":1,"etag":`},
			"users.delete":             {`"displayName":"another"`, ""},
			"groups.delete":            {`"description":"Us"`, ""},
			"identityProviders.delete": {`"new.example"]`, ""},
			"iap.updateIapSettings":    {`"loginHint":"b.test"`, `{"name":`},
		}},
	} {
		from := f.lastEntry(t).Seq
		f.apply(t, step.options, step.documents...)
		entries, err := f.AuditEntries(t.Context(), int(f.lastEntry(t).Seq-from))
		if err != nil {
			t.Fatal(err)
		}
		for action, want := range step.want {
			if !slices.ContainsFunc(entries, func(e audit.Entry) bool {
				return e.Action == action && e.Actor == peer && tells(e.Before, want[0]) && tells(e.After, want[1])
			}) {
				t.Errorf("no %s goes from %s to %s in %+v", action, want[0], want[1], entries)
			}
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
