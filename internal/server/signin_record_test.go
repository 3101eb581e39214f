package server_test

import (
	"net/http"
	"slices"
	"sync"
	"testing"

	"github.com/gatehouse-iap/gatehouse/internal/audit"
	"github.com/gatehouse-iap/gatehouse/internal/policy"
	"github.com/gatehouse-iap/gatehouse/internal/server"
)

func TestARefusedStepOfSignInIsExplained(t *testing.T) {
	t.Parallel()
	g := startGate(t)
	response, body := g.get(private.Hosts[0], "/x?gcp-iap-mode=AUTHENTICATING&gatehouse_restart=a&gatehouse_restart=b", "Accept: text/html")
	if response.StatusCode != http.StatusBadRequest {
		t.Fatalf("%s: %s", response.Status, body)
	}
	e, err := g.server.Admin().Explain(t.Context(), decisionID(body))
	if err != nil {
		t.Fatal(err)
	}
	if e.Reason != policy.SignInRefused || e.Status != http.StatusBadRequest || e.Passed || e.Path != "/x" || e.Service != private.Name || e.Position == 0 {
		t.Errorf("%+v", e)
	}
}

func TestAStepOfSignInLeavesOneRecordOfHowItEnded(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var heard []policy.Reason
	g := startGate(t, func(o *server.Options) {
		o.Development.Decision = func(d *audit.Decision) {
			mu.Lock()
			defer mu.Unlock()
			heard = append(heard, d.Reason)
		}
	})
	for target, want := range map[string]policy.Reason{
		"/x":                                 policy.NoCredential,
		"/x?gcp-iap-mode=AUTHENTICATING":     policy.SpecialURL, // begins anew
		"/x?gcp-iap-mode=CLEAR_LOGIN_COOKIE": policy.SpecialURL,
		"/x?gcp-iap-mode=AUTHENTICATING&gatehouse_restart=a&gatehouse_restart=b":       policy.SignInRefused,
		"/x?gcp-iap-mode=AUTHENTICATING&gatehouse_restart=what+nobody+has+ever+sealed": policy.SignInRefused,
	} {
		mu.Lock()
		heard = nil
		mu.Unlock()
		response, _ := g.get(private.Hosts[0], target, "Accept: text/html")
		mu.Lock()
		if !slices.Equal(heard, []policy.Reason{want}) {
			t.Errorf("%s is answered with %d and recorded as %q, want %q once", target, response.StatusCode, heard, want)
		}
		mu.Unlock()
	}
}
