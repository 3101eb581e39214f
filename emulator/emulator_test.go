package emulator_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-iap/gatehouse/emulator"
)

// The other end is tested in test/emulator, against a running gatehouse dev. This is about what goes over the wire.

func TestWhatIsAskedOfTheEmulator(t *testing.T) {
	t.Parallel()
	var heard string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		heard = r.Method + " " + r.RequestURI + " " + string(body)
		if r.Header.Get("X-Gatehouse-Emulator") != "1" {
			w.WriteHeader(http.StatusForbidden)
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"token": "t", "assertion": "a", "key_id": "k", "audience": "/a", "decisions": []any{map[string]any{"path": "/x"}}})
	}))
	t.Cleanup(server.Close)
	ctx, c := t.Context(), &emulator.Client{Endpoint: server.URL + "/"}
	check := func(err error, want string) {
		t.Helper()
		if err != nil || heard != want {
			t.Errorf("%v, heard %s\nwant %s", err, heard, want)
		}
	}
	info, err := c.Info(ctx)
	check(err, "GET /emulator/v1/info ")
	token, err := c.IDToken(ctx, "a/b@example.com", "x")
	check(err, `POST /emulator/v1/accounts/a%2Fb@example.com:generateIdToken {"audience":"x"}`)
	assertion, err := c.SignAssertion(ctx, emulator.Assertion{Email: "a@b.c", Age: 11 * time.Minute, Claims: map[string]any{"iss": nil}})
	check(err, `POST /emulator/v1/assertions {"age":"11m0s","audience":"","claims":{"iss":null},"email":"a@b.c"}`)
	_, err = c.CreateAccount(ctx, emulator.Account{Email: "a@b.c", Password: "is not chosen"})
	check(err, `POST /emulator/v1/accounts {"email":"a@b.c"}`)
	check(c.PutGroup(ctx, "g@b.c", "a@b.c"), `PUT /emulator/v1/groups/g@b.c {"members":["a@b.c"]}`)
	check(c.SetPolicy(ctx, emulator.Policy{Bindings: []emulator.Binding{{Role: emulator.RoleAccessor, Members: []string{"allUsers"}}}}),
		`PUT /emulator/v1/policy {"bindings":[{"role":"roles/iap.httpsResourceAccessor","members":["allUsers"]}]}`)
	_, err = c.Policy(ctx)
	check(err, "GET /emulator/v1/policy ")
	kid, err := c.RotateKeys(ctx, true)
	check(err, `POST /emulator/v1/keys:rotate {"revoke":true}`)
	check(c.BreakKeyEndpoint(ctx, 503, 2*time.Second), `PUT /emulator/v1/key-endpoint {"delay":"2s","status":503}`)
	check(c.MendKeyEndpoint(ctx), "DELETE /emulator/v1/key-endpoint ")
	check(c.SetIAP(ctx, false), `PUT /emulator/v1/iap {"enabled":false}`)
	check(c.SetMetadata(ctx, map[string]string{"a": "b"}, nil), `PUT /emulator/v1/metadata {"instance_attributes":null,"project_attributes":{"a":"b"}}`)
	decisions, err := c.Decisions(ctx, emulator.Filter{Account: "a@b.c", Status: 403, Limit: 1})
	check(err, "GET /emulator/v1/decisions?account=a%40b.c&limit=1&status=403 ")
	check(c.Reset(ctx), "POST /emulator/v1/reset ")
	if info.Audience != "/a" || token != "t" || assertion != "a" || kid != "k" || len(decisions) != 1 || decisions[0].Path != "/x" {
		t.Errorf("%v %s %s %s %v", info, token, assertion, kid, decisions)
	}
	if got := c.SignInURL("a@b.c", "http://app.localhost/x?y"); got != server.URL+"/emulator/v1/sign-in?account=a%40b.c&continue=http%3A%2F%2Fapp.localhost%2Fx%3Fy" {
		t.Error(got)
	}
}

func TestARefusalSaysWhy(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusConflict)
		_, _ = io.WriteString(w, `{"detail":"it is there already"}`)
	}))
	t.Cleanup(server.Close)
	var refused *emulator.Error
	if err := (&emulator.Client{Endpoint: server.URL}).Reset(t.Context()); !errors.As(err, &refused) || refused.Status != 409 || !strings.Contains(err.Error(), "it is there already") {
		t.Error(err)
	}
}

func TestWhereTheEmulatorIs(t *testing.T) {
	t.Setenv("GATEHOUSE_ENDPOINT", "")
	if c := emulator.FromEnvironment(); c.Endpoint != emulator.DefaultEndpoint {
		t.Error(c.Endpoint)
	}
	t.Setenv("GATEHOUSE_ENDPOINT", "http://127.0.0.1:1")
	if c := emulator.FromEnvironment(); c.Endpoint != "http://127.0.0.1:1" {
		t.Error(c.Endpoint)
	}
}
